"""What rooms, MCs and their blackouts promise when they are changed while they are booked: two transactions at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from eridu.scheduling.v1 import schedule_request_pb2 as api
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from libs.common.db import Database
from tests.scheduling.kinds import MCS, ROOMS, Kind, in_year, named, of_each_kind
from tests.scheduling.planning import BEST_EFFORT, Asks, adhoc, in_force, outcomes, production, row
from tests.scheduling.test_blackouts import closing
from tests.scheduling.test_store import reasons, together
from tests.support.house import House
from tests.support.suite import Refusal, until

BLACKOUT = """
    INSERT INTO blackout (uid, studio_uid, kind, resource_id, resource_uid, starts_at, ends_at, reason, metadata,
                          created_at, updated_at, version)
    SELECT 'blk_' || uid, studio_uid, 'room', id, uid, {start}, {end}, 'works', '{{}}', now(), now(), 1
    FROM room WHERE uid = :uid
"""


@asynccontextmanager
async def waiting(ask: Asks, call: Awaitable[Any]) -> Any:
    """A call that waits for somebody's lock by now."""
    task = asyncio.ensure_future(call)

    async def blocked() -> bool:
        rows = await ask(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database() AND application_name = 'eridu.scheduling'"
        )
        assert not task.done(), task
        return bool(rows[0].n)

    await until(blocked)
    yield task


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("now()", "now()"),
        ("now()", "now() - interval '1 hour'"),
        ("now()", "'infinity'"),
        ("'-infinity'", "now()"),
    ],
)
async def test_a_blackout_has_a_bounded_period(house: House, db: Database, start: str, end: str) -> None:
    with pytest.raises(DBAPIError) as refusal:
        async with db.writer.begin() as conn:
            await conn.execute(text(BLACKOUT.format(start=start, end=end)), {"uid": house.rooms["A"].uid})
    assert "blackout_period_check" in str(refusal.value)


async def test_a_booking_waits_for_a_blackout_that_is_being_made_and_is_refused(
    house: House, db: Database, ask: Asks
) -> None:
    room = {"uid": house.rooms["A"].uid}
    async with db.writer.connect() as conn:
        await conn.execute(text("SELECT 1 FROM room WHERE uid = :uid FOR UPDATE"), room)
        period = {"start": "'2026-03-02T10:00Z'", "end": "'2026-03-02T12:00Z'"}
        await conn.execute(text(BLACKOUT.format(**period)), room)
        async with waiting(ask, together(production(house)(adhoc(house)))) as booking:
            await conn.commit()
        assert reasons(await booking) == {"BLACKOUT": 1}
    assert await in_force(house) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (ROOMS, "room SET active = false"),
        (ROOMS, "room SET deleted_at = now()"),
        (MCS, "mc SET banned_at = now()"),
        (MCS, "mc SET deleted_at = now()"),
    ],
)
async def test_a_booking_waits_for_a_change_that_is_being_made_and_is_refused(
    house: House, db: Database, ask: Asks, kind: Kind, change: str
) -> None:
    async with db.writer.connect() as conn:
        await conn.execute(text(f"UPDATE {change} WHERE uid = :uid"), {"uid": kind.of(house).uid})
        async with waiting(ask, together(production(house)(kind.booking(house)))) as booking:
            await conn.commit()
        assert reasons(await booking) == {f"{kind.code}_UNAVAILABLE": 1}
    assert await in_force(house) == []


async def test_a_blackout_waits_for_a_booking_that_is_being_made_and_names_it(
    house: House, db: Database, ask: Asks
) -> None:
    show = adhoc(house, "14:00", "15:00")
    await production(house)(show)
    async with db.writer.connect() as conn:
        await conn.execute(text("SELECT 1 FROM room WHERE uid = :uid FOR SHARE"), {"uid": house.rooms["A"].uid})
        await conn.execute(
            text(
                "UPDATE booking SET period = tstzrange('2026-03-02T11:00Z', '2026-03-02T13:00Z') WHERE show_uid = :uid"
            ),
            {"uid": show.show_uid},
        )
        async with waiting(ask, house.manager(closing(house.rooms["A"]))) as blackout:
            await conn.commit()
        assert named((await blackout).at_risk) == [("2026-03-02T11:00", "13:00", "Ad hoc")]


async def test_two_bookings_of_one_room_do_not_wait_for_each_other(house: House, db: Database) -> None:
    async with db.writer.connect() as conn:
        await conn.execute(text("SELECT 1 FROM room WHERE uid = :uid FOR SHARE"), {"uid": house.rooms["A"].uid})
        await production(house)(adhoc(house))
    assert await in_force(house) == [("10:00-11:00", "A")]


async def test_every_booking_that_races_a_blackout_is_named_or_refused(house: House, ask: Asks) -> None:
    book = production(house)
    for round_ in range(12):
        room = await house.room(f"R{round_}")
        shows = [adhoc(house, f"{n}:00", f"{n}:30", room_uid=room.uid, name=f"At {n}") for n in range(10, 18)]
        blackout = house.manager(closing(room, "10:00", "18:00"))
        calls = [book(one) for one in shows]
        answers = await together(*calls[: round_ % 8], blackout, *calls[round_ % 8 :])
        made = answers.pop(round_ % 8)
        booked = [one.name for one in answers if not isinstance(one, Refusal)]
        assert sorted(name for _, _, name in named(made.at_risk)) == sorted(booked)
        assert set(reasons(answers)) <= {"", "BLACKOUT"}
    assert await ask.overlaps() == 0


async def test_every_show_of_a_confirmation_that_races_a_blackout_is_named_or_refused(house: House) -> None:
    for round_ in range(4):
        room = await house.room(f"R{round_}")
        schedule = await house.schedule()
        rows = (row(f"{n:02}", f"{n:02}:00", f"{n:02}:50", room.name, "Ada") for n in range(24))
        await house.plan(schedule, *rows)
        await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
        blackout = house.manager(closing(room, "06:00", "12:00"))
        confirmation = house.confirm(schedule, BEST_EFFORT, propose=False)
        made, answer = await together(blackout, confirmation)
        inside = {name for name, outcome in outcomes(answer).items() if outcome == "booked" and "06" <= name < "12"}
        assert {one.show.external_id for one in made.at_risk.bookings} == inside
        assert inside in (set(), {f"{n:02}" for n in range(6, 12)})
        await house.manager(api.CancelScheduleRequest(uid=schedule.uid, reason="next round"))


async def racing(house: House, kind: Kind, change: Callable[[str], Any]) -> tuple[Any, list[Any]]:
    """A change of a new room or MC, and eight bookings of it, at once."""
    uid = (await (house.room if kind is ROOMS else house.mc)(f"New {len(house.rooms) + len(house.mcs)}")).uid
    only = {"room_uid": uid} if kind is ROOMS else {"room_uid": "", "mc_uids": [uid]}
    shows = [in_year(2090, adhoc(house, f"{n}:00", f"{n}:30", name=f"At {n}", **only)) for n in range(10, 18)]
    calls = [production(house)(one) for one in shows]
    first, *answers = await together(house.manager(change(uid)), *calls)
    return first, answers


@of_each_kind
async def test_every_booking_that_races_a_ban_or_a_closing_is_named_or_refused(house: House, kind: Kind) -> None:
    for _ in range(6):
        answer, answers = await racing(
            house,
            kind,
            lambda uid: ROOMS.update(uid, active=False) if kind is ROOMS else MCS.ask("Ban", uid=uid, reason="rude"),
        )
        booked = [one.name for one in answers if not isinstance(one, Refusal)]
        assert sorted(name for _, _, name in named(answer.at_risk)) == sorted(booked)
        assert set(reasons(answers)) <= {"", f"{kind.code}_UNAVAILABLE"}


@of_each_kind
async def test_what_is_deleted_while_it_is_booked_is_either_deleted_or_booked(house: House, kind: Kind) -> None:
    for _ in range(6):
        answer, answers = await racing(house, kind, lambda uid: kind.ask("Delete", uid=uid))
        booked = sum(not isinstance(one, Refusal) for one in answers)
        if isinstance(answer, Refusal):
            assert answer.reason == f"{kind.code}_IN_USE"
            assert booked
        else:
            assert reasons(answers) == {f"{kind.code}_UNAVAILABLE": 8}


async def test_changes_of_resources_and_bookings_at_once_never_end_in_a_deadlock(house: House, ask: Asks) -> None:
    schedules = [await house.schedule() for _ in range(3)]
    for number, schedule in enumerate(schedules):
        rooms = ("A", "B") if number % 2 else ("B", "A")
        rows = [row(f"{n:02}", f"{n:02}:00", f"{n:02}:50", rooms[n % 2], "Ada;Bob") for n in range(20)]
        await house.plan(schedule, *rows)
        await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
    changes = [
        request
        for n in range(4)
        for request in (
            ROOMS.update(house.rooms["A"].uid, capacity=n),
            ROOMS.update(house.rooms["B"].uid, capacity=n),
            MCS.update(house.mcs["Ada"].uid, alias=str(n)),
            closing(house.rooms["AB"[n % 2]], f"{n:02}:00", f"{n:02}:30"),
        )
    ]
    answers = await together(
        *(house.confirm(one, BEST_EFFORT, propose=False) for one in schedules),
        *(house.manager(one) for one in changes),
        *(production(house)(adhoc(house, f"{n:02}:30", f"{n:02}:45")) for n in range(10)),
    )
    assert set(reasons(answers)) <= {"", "SLOT_TAKEN", "BLACKOUT"}
    assert await ask.overlaps() == 0
