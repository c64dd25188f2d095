"""What the database itself promises, whoever runs at the same time."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from eridu.scheduling.v1 import schedule_request_pb2 as api
from eridu.scheduling.v1.booking_service_pb2 import ReleaseShowRequest
from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from deploy.local import postgres
from libs.common import migrations
from libs.common.db import Database
from tests.scheduling.planning import BEST_EFFORT, Asks, adhoc, in_force, outcomes, production, row
from tests.support.house import House, build_house
from tests.support.suite import PASSWORDS, Refusal, Suite


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """Calls at the same time: their answers and refusals."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return [Refusal(one) if isinstance(one, grpc.aio.AioRpcError) else one for one in answers]


def reasons(answers: Sequence[Any]) -> Counter[str]:
    """How often each refusal came; an answer counts as empty."""
    return Counter(one.reason if isinstance(one, Refusal) else "" for one in answers)


def test_the_tables_in_the_store_are_the_migrated_schema(suite: Suite) -> None:
    migrations.check(suite.admin_url, "scheduling", Path("services/scheduling/migrations"))


INSERT = """
    INSERT INTO booking (uid, show_uid, confirmation, studio_uid, client_uid, kind, resource_id, resource_uid, period,
                         created_at)
    SELECT 'book_test', show_uid, 1, studio_uid, client_uid, 'room', 0, 'room_test', {period}, now()
    FROM show_booking LIMIT 1
"""


@pytest.mark.parametrize(
    "period",
    [
        "'empty'::tstzrange",
        "tstzrange(now(), now())",
        "tstzrange(now(), NULL)",
        "tstzrange(NULL, now())",
        "tstzrange(now(), 'infinity')",
        "tstzrange('-infinity', now())",
        "tstzrange(now(), now() + interval '1 hour', '[]')",
        "tstzrange(now(), now() + interval '1 hour', '()')",
        "tstzrange(now(), now() + interval '6 days')",
    ],
)
async def test_a_booking_has_a_bounded_half_open_period(house: House, db: Database, period: str) -> None:
    await production(house)(adhoc(house))
    with pytest.raises(DBAPIError) as refusal:
        async with db.writer.begin() as conn:
            await conn.execute(text(INSERT.format(period=period)))
    assert "booking_period_check" in str(refusal.value)


async def test_no_writer_can_book_twice(house: House, db: Database) -> None:
    await production(house)(adhoc(house))
    with pytest.raises(DBAPIError) as refusal:
        async with db.writer.begin() as conn:
            await conn.execute(
                text(
                    INSERT.format(period="period")
                    .replace("FROM show_booking LIMIT 1", "FROM booking")
                    .replace("'room', 0", "kind, resource_id")
                    + "WHERE studio_uid = :uid"
                ),
                {"uid": house.studio.uid},
            )
    assert "booking_no_double_booking" in str(refusal.value)


@pytest.mark.parametrize(
    "table",
    [
        "booking",
        "show_booking",
        "planned_show",
        "plan_version",
        "plan_version_row",
        "schedule",
        "room",
        "mc",
        "blackout",
        "ledger",
    ],
)
async def test_the_service_cannot_delete(db: Database, table: str) -> None:
    with pytest.raises(DBAPIError) as refusal:
        async with db.writer.begin() as conn:
            await conn.execute(text(f"DELETE FROM {table}"))
    assert getattr(refusal.value.orig, "sqlstate", "") == "42501"


async def test_two_clients_racing_for_the_same_slots_share_them(house: House, ask: Asks) -> None:
    other = await build_house(house.suite)  # for its client
    for round_ in range(10):
        room = f"R{round_}"
        await house.room(room)
        schedules = [await house.schedule(uid) for uid in (house.client.uid, other.client.uid)]
        for number, schedule in enumerate(schedules):
            minutes = 10 * number  # the slots overlap, they are not the same
            rows = (
                row(f"{n:02}", f"{n % 24:02}:{minutes:02}", f"{n % 24:02}:5{number}", room, day=f"{1 + n // 24:02}")
                for n in range(50)
            )
            answer = await house.plan(schedule, *rows, all_or_nothing=True)
            assert answer.saved
            await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
        answers = await together(*(house.confirm(one, BEST_EFFORT, propose=False) for one in schedules))
        assert reasons(answers) == {"": 2}
        results = [outcomes(one) for one in answers]
        for n in range(50):
            assert sorted(one[f"{n:02}"] for one in results) == ["booked", "refused"]
    assert await ask.overlaps() == 0


async def test_of_two_clients_who_want_all_or_nothing_one_gets_it(house: House, ask: Asks) -> None:
    for _ in range(5):
        schedules = [await house.schedule() for _ in range(2)]
        room = (await house.room(schedules[0].uid[-10:])).name
        for schedule, order in zip(schedules, (1, -1), strict=True):
            rows = [row(f"{n:02}", f"{n:02}:00", f"{n:02}:50", room, "Ada" if n == 5 else "") for n in range(20)]
            await house.plan(schedule, *rows[::order])
            await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
        answers = await together(*(house.confirm(one, propose=False) for one in schedules))
        assert reasons(answers) == {"": 2}
        assert sorted(one.confirmed for one in answers) == [False, True]
        loser = next(one for one in answers if not one.confirmed)
        assert set(outcomes(loser).values()) == {"refused"}
        winner = next(one for one in answers if one.confirmed)
        await house.manager(api.CancelScheduleRequest(uid=winner.schedule.uid, reason="next round"))
    assert await ask.overlaps() == 0


async def test_of_sixteen_bookings_of_one_slot_one_wins(house: House, ask: Asks) -> None:
    mcs = [house.mcs["Ada"].uid, house.mcs["Bob"].uid]
    book = production(house)
    answers = await together(
        *(book(adhoc(house, f"10:{n:02}", "11:00", mc_uids=mcs[:: 1 if n % 2 else -1])) for n in range(16))
    )
    assert reasons(answers) == {"": 1, "SLOT_TAKEN": 15}
    assert len(await in_force(house)) == 3
    assert await ask.overlaps() == 0


async def test_the_same_booking_many_times_at_once_is_answered_the_same(house: House, ask: Asks) -> None:
    book = production(house)
    request = adhoc(house)
    answers = await together(*(book(request) for _ in range(12)))
    assert reasons(answers) == {"": 12}
    assert all(one == answers[0] for one in answers)
    assert (await ask.ledger(house)).count("booking.confirmed") == 1


async def test_moves_and_releases_of_one_show_at_once_end_in_one_booking_or_none(house: House, ask: Asks) -> None:
    book = production(house)
    request = adhoc(house)
    await book(request)
    moves = [book(adhoc(house, f"1{n}:00", f"1{n}:30", show_uid=request.show_uid)) for n in range(8)]
    answers = await together(*moves)
    assert reasons(answers) == {"": 8}
    assert len(await in_force(house)) == 1
    moves = [book(adhoc(house, f"1{n}:00", f"1{n}:30", show_uid=request.show_uid)) for n in range(8)]
    give_back = book(ReleaseShowRequest(show_uid=request.show_uid, confirmation=1))
    answers = await together(*moves[:4], give_back, *moves[4:])
    assert set(reasons(answers)) <= {"", "CONFIRMATION_RELEASED"}
    assert await in_force(house) == []
    assert await ask.overlaps() == 0


async def test_two_shows_that_swap_their_slots_at_once_never_hang(house: House, ask: Asks) -> None:
    book = production(house)
    one, two = adhoc(house, "10:00", "11:00"), adhoc(house, "11:00", "12:00")
    await together(book(one), book(two))
    for _ in range(5):
        answers = await together(
            book(adhoc(house, "11:00", "12:00", show_uid=one.show_uid)),
            book(adhoc(house, "10:00", "11:00", show_uid=two.show_uid)),
        )
        assert set(reasons(answers)) == {"SLOT_TAKEN"}
    assert await ask.overlaps() == 0


async def test_of_two_imports_with_the_same_etag_one_is_stale(house: House) -> None:
    schedule = await house.schedule()
    answers = await together(
        *(house.plan(schedule, row(str(n), "10:00", "11:00"), etag=schedule.etag) for n in range(6))
    )
    assert reasons(answers) == {"": 1, "STALE": 5}
    assert (await house.manager(api.GetScheduleRequest(uid=schedule.uid))).plan_version == 1


async def test_confirming_revising_and_releasing_at_once_never_ends_in_a_deadlock(house: House, ask: Asks) -> None:
    schedules = [await house.schedule() for _ in range(3)]
    shows: list[str] = []
    for schedule in schedules:
        imported = await house.plan(
            schedule, *(row(f"{n:02}", f"{n:02}:00", f"{n:02}:50", mcs="Ada") for n in range(20))
        )
        shows += [one.show_uid for one in imported.rows]
        await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
    give_back = production(house)
    answers = await together(
        *(house.confirm(one, BEST_EFFORT, propose=False) for one in schedules * 2),
        *(give_back(ReleaseShowRequest(show_uid=uid, confirmation=1, reason="ill")) for uid in shows[::4]),
        *(give_back(adhoc(house, f"{n:02}:30", f"{n:02}:45")) for n in range(10)),
    )
    assert set(reasons(answers)) <= {"", "SLOT_TAKEN"}
    assert await ask.overlaps() == 0


def test_a_plan_that_was_there_before_versions_begins_its_history_with_what_it_was(suite: Suite) -> None:
    admin_url = postgres.prepare(suite.admin_url, PASSWORDS, f"before_{uuid.uuid4().hex}")
    config = migrations.alembic_config(admin_url, "scheduling", Path("services/scheduling/migrations"))
    revision = ScriptDirectory.from_config(config).get_revision("0007")
    command.upgrade(config, str(revision.down_revision))
    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.begin() as conn:
        conn.execute(
            text("""
                INSERT INTO scheduling.schedule (uid, metadata, created_at, updated_at, version, studio_uid, client_uid,
                    name, starts_at, ends_at, status, time_zone, plan_version, confirmed_version)
                SELECT uid, '{}', now(), now(), 1, 'studio', 'client', uid, now(), now(), 'draft', 'UTC', version, 0
                FROM (VALUES ('sched_filled', 7), ('sched_empty', 0)) AS made (uid, version);
                INSERT INTO scheduling.planned_show (uid, show_uid, schedule_uid, external_id, name, room_uid, mc_uids,
                    platform_uids, type, standard, starts_at, ends_at, cancelled, started, removed_at, version)
                SELECT 'plan_' || n, 'show_' || n, 'sched_filled', n, 'Show', '', '{}', '{}', '', '', now(), now(),
                    false, false, CASE n WHEN 3 THEN now() END, 4
                FROM generate_series(1, 3) AS n;
            """)
        )
    command.upgrade(config, "head")
    with engine.begin() as conn:
        versions = conn.execute(text("SELECT uid, number, show_count, removed FROM scheduling.plan_version")).all()
        query = "SELECT show_uid, number, version, removed_at IS NULL FROM scheduling.plan_version_row ORDER BY 1"
        rows = conn.execute(text(query)).all()
    assert [tuple(one) for one in versions] == [("ver_filled", 7, 2, 0)]
    assert [tuple(one) for one in rows] == [("show_1", 7, 4, True), ("show_2", 7, 4, True), ("show_3", 7, 4, False)]
