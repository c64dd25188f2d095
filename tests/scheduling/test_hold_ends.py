"""How holds end: taken up or lost by what is booked, swept up when their time is over, whatever happens at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from eridu.scheduling.v1 import confirmation_pb2, schedule_pb2
from eridu.scheduling.v1.hold_service_pb2 import GetHoldRequest, ListHoldsRequest, ReleaseHoldRequest
from sqlalchemy import text

from libs.common import uids
from libs.common.clock import now
from libs.common.db import Database
from services.scheduling.commands.holds import sweep_holds
from services.scheduling.store import holds as store
from services.scheduling.store.tables import REFUSALS
from tests.scheduling.holding import after, hold, read, said
from tests.scheduling.planning import (
    BEST_EFFORT,
    VALIDATE_ONLY,
    Asks,
    adhoc,
    in_force,
    outcomes,
    production,
    row,
    rules,
    suite_of,
)
from tests.scheduling.test_store import reasons, together
from tests.support.house import House
from tests.support.suite import Refusal, refused, until


async def test_a_show_takes_up_the_hold_that_it_names_and_others_are_lost(house: House, rival: str, ask: Asks) -> None:
    theirs = await hold(house, client_uid=rival)
    mine = await hold(house)
    also = await hold(house)
    behind = await hold(house, "09:30", "10:30", room_uid="", mc_uids=[house.mcs["Ada"].uid])
    request = adhoc(house, hold_uid=mine.uid, mc_uids=[house.mcs["Bob"].uid])
    await production(house)(request)
    assert [await read(house, one) for one in (theirs, mine, also, behind)] == [
        ("lost", 0),
        ("confirmed", 0),
        ("lost", 0),
        ("held", 1),
    ]
    assert (await house.member(GetHoldRequest(uid=mine.uid))).show_uid == request.show_uid
    assert (await house.member(GetHoldRequest(uid=theirs.uid))).show_uid == ""
    assert await said(ask, theirs) == ["created", "lost"]
    assert await said(ask, mine) == ["created", "confirmed"]  # no word of a rank that nobody has any more
    await production(house)(request)  # the same again
    assert await said(ask, mine) == ["created", "confirmed"]


async def test_without_a_name_the_clients_own_oldest_hold_is_taken_up(house: House, rival: str) -> None:
    theirs, mine, later = await hold(house, client_uid=rival), await hold(house), await hold(house)
    await production(house)(adhoc(house, "10:30", "11:30"))
    assert [(await read(house, one))[0] for one in (theirs, mine, later)] == ["lost", "confirmed", "lost"]


async def test_a_hold_that_cannot_be_taken_up_refuses_the_whole_booking(house: House, rival: str, ask: Asks) -> None:
    theirs, over, elsewhere = (
        await hold(house, client_uid=rival),
        await hold(house),
        await hold(house, "15:00", "16:00"),
    )
    await house.manager(ReleaseHoldRequest(uid=over.uid))
    book = production(house)
    for uid, reason in (
        (theirs.uid, "HOLD_NOT_FOUND"),
        (uids.new("hold"), "HOLD_NOT_FOUND"),
        (over.uid, "HOLD_MOVE_REFUSED"),
        (elsewhere.uid, "HOLD_ELSEWHERE"),
    ):
        assert (await refused(book(adhoc(house, hold_uid=uid)))).reason == reason
    assert await in_force(house) == []
    assert "booking.confirmed" not in await ask.ledger(house)
    assert [await read(house, one) for one in (theirs, elsewhere)] == [("held", 1), ("held", 1)]


async def test_a_confirmation_warns_of_holds_and_wins(house: House, rival: str, ask: Asks) -> None:
    theirs = await hold(house, client_uid=rival)
    behind = await hold(house, "10:30", "12:00", client_uid=rival, mc_uids=[house.mcs["Ada"].uid])
    last = await hold(house, "11:00", "12:00", room_uid="", mc_uids=[house.mcs["Ada"].uid], client_uid=rival)
    mine = await hold(house)
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "14:00", "15:00"))
    expected = [("held_by_other", "1", "Perhaps"), ("held_by_other", "1", "Perhaps")]
    validated = await house.manager(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))
    assert rules(validated.problems) == expected
    assert all(one.severity == schedule_pb2.SEVERITY_WARNING for one in validated.problems)
    assert {one.other.hold_uid for one in validated.problems} == {theirs.uid, behind.uid}
    assert "Show 1: A is held by Perhaps from 2026-03-02 10:00 to 11:00 UTC" in {
        one.message for one in validated.problems
    }
    hidden = await house.client_member(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))
    assert rules(hidden.problems) == [("held_by_other", "1", "busy"), ("held_by_other", "1", "busy")]
    assert "Perhaps" not in str(hidden.problems)

    preview = await house.confirm(schedule, VALIDATE_ONLY)
    answer = await house.confirm(schedule, propose=False)  # all or nothing: a warning refuses nothing
    assert answer.confirmed
    for told in (preview, answer):
        assert outcomes(told) == {"1": "booked", "2": "booked"}
        assert [rules(one.problems) for one in told.results] == [expected, []]
    assert [await read(house, one) for one in (theirs, behind, last, mine)] == [
        ("lost", 0),
        ("lost", 0),
        ("held", 1),
        ("confirmed", 0),
    ]
    assert await said(ask, last) == ["created", "moved_up 1"]
    assert (await house.member(GetHoldRequest(uid=mine.uid))).show_uid == answer.results[0].show.show_uid


async def test_a_hold_that_is_over_counts_for_nothing_and_is_swept_up(house: House, rival: str, ask: Asks) -> None:
    first = await hold(house, client_uid=rival, expires_at=after(seconds=2))
    second = await hold(house)

    async def over() -> bool:
        return await read(house, first) == ("expired", 0)

    await until(over)
    assert await read(house, second) == ("held", 1)
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    assert not (await house.manager(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))).problems
    refusal = await refused(house.manager(ReleaseHoldRequest(uid=first.uid)))
    assert refusal.reason == "HOLD_MOVE_REFUSED"

    async def told() -> bool:
        return [await said(ask, one) for one in (first, second)] == [["created", "expired"], ["created", "moved_up 1"]]

    await until(told)


async def test_a_hold_that_is_over_counts_for_nothing_before_it_is_swept(
    house: House, rival: str, db: Database
) -> None:
    first, second = await hold(house, client_uid=rival), await hold(house)
    async with db.writer.connect() as conn:  # never committed, so nobody can sweep it up
        for table, of in (("hold", "uid = :uid"), ("hold_slot", "hold_id = (SELECT id FROM hold WHERE uid = :uid)")):
            sql = f"UPDATE {table} SET expires_at = now() - interval '1 second' WHERE {of}"
            await conn.execute(text(sql), {"uid": first.uid})
        held = await store.load_holds(conn, [first.uid, second.uid])
        shown = {one.hold.uid: one for one in await store.show_holds(conn, list(held.values()), now())}
        assert (shown[first.uid].hold.state, shown[first.uid].rank) == ("expired", 0)
        assert (shown[second.uid].hold.state, shown[second.uid].rank) == ("held", 1)


async def test_many_sweepers_sweep_each_hold_once(house: House, db: Database, ask: Asks) -> None:
    made = [await hold(house, f"{n:02}:00", f"{n:02}:50", expires_at=after(days=30)) for n in range(12)]
    behind = [await hold(house, f"{n:02}:30", f"{n:02}:40", expires_at=after(days=60)) for n in range(12)]
    others = [Database(suite_of(house).config("scheduling"), "scheduling", REFUSALS) for _ in range(3)]

    async def swept() -> bool:  # those who find it in another's hand leave it to them
        await asyncio.gather(*(sweep_holds(one, lambda: now() + timedelta(days=31)) for one in (db, *others) * 2))
        return all([await said(ask, one) == ["created", "expired"] for one in made])

    await until(swept)
    assert [await said(ask, one) for one in behind] == [["created", "moved_up 1"]] * 12
    await asyncio.gather(*(one.close() for one in others))


async def test_holds_and_bookings_at_once_leave_no_hold_on_a_booked_slot(house: House, rival: str, ask: Asks) -> None:
    book = production(house)
    for n in range(6):
        start, end = f"{n:02}:00", f"{n:02}:50"
        schedule = await house.schedule()
        await house.plan(schedule, row("1", start, end, room="B"))
        answers = await together(
            *(hold(house, start, end, client_uid=client) for client in (rival, house.client.uid) * 3),
            book(adhoc(house, start, end)),
            *(hold(house, start, end, room_uid=house.rooms["B"].uid, client_uid=rival) for _ in range(4)),
            house.confirm(schedule, BEST_EFFORT),
        )
        assert set(reasons(answers)) <= {"", "SLOT_TAKEN"}
        assert not isinstance(answers[6], Refusal)
        assert not isinstance(answers[-1], Refusal)
    standing = await house.member(ListHoldsRequest(studio_uid=house.studio.uid, page_size=500))
    assert not standing.holds
    lost = await ask("SELECT state, count(*) AS n FROM hold WHERE studio_uid = :uid GROUP BY 1", uid=house.studio.uid)
    assert {one.state for one in lost} <= {"lost", "confirmed"}


async def test_ranks_are_told_once_and_rightly_whatever_happens_at_once(house: House, ask: Asks) -> None:
    made = [await hold(house, "10:00", "11:00") for _ in range(12)]
    assert [one.rank for one in made] == list(range(1, 13))
    answers = await together(
        *(house.manager(ReleaseHoldRequest(uid=one.uid)) for one in made[:10]),
        *(hold(house, "10:30", "11:30") for _ in range(4)),
    )
    assert reasons(answers) == {"": 14}
    standing = await house.member(ListHoldsRequest(studio_uid=house.studio.uid))
    assert sorted(one.rank for one in standing.holds) == [1, 2, 3, 4, 5, 6]
    for one in standing.holds:
        told = await ask("SELECT rank, version FROM hold WHERE uid = :uid", uid=one.uid)
        assert (told[0].rank, f"{told[0].version}") == (one.rank, one.etag)
    double = await ask(
        "SELECT entity_uid FROM ledger WHERE studio_uid = :uid GROUP BY entity_uid, entity_version HAVING count(*) > 1",
        uid=house.studio.uid,
    )
    assert double == []
