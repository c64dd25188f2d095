"""The promise: whatever happens at once, nobody is booked twice, and no answered booking is lost.

Writers call several replicas at random and remember every answer; then the database is held against their memory.
ERIDU_RACE_OPERATIONS makes it longer, ERIDU_RACE_SEED repeats the writers' choices.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

import grpc
import psycopg
import pytest
from sqlalchemy import event

from libs.common.process import Process
from tests.scheduling.history import NOTHING, OVERLAPS, Stored, Taken, Told, faults
from tests.scheduling.planning import Asks, adhoc, production, suite_of
from tests.scheduling.race import Race, Writer
from tests.support.house import House
from tests.support.suite import Suite, until

WRITERS = 32
REPLICAS = 3
OPERATIONS = int(os.environ.get("ERIDU_RACE_OPERATIONS", "600"))


@asynccontextmanager
async def replicas(suite: Suite, backends: set[int]) -> AsyncIterator[list[grpc.aio.Channel]]:
    """More processes of scheduling; `backends` gets to know every connection that they ever had to PostgreSQL."""
    composed: list[Process] = [
        import_module("services.scheduling.__main__").compose(suite.config("scheduling")) for _ in range(REPLICAS)
    ]
    for process in composed:
        for engine in (process.db.writer, process.db.reader, process.relay.engine):
            event.listen(engine.sync_engine, "connect", lambda one, _: backends.add(backend_of(one)))
        await process.start()
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{process.server.port}") for process in composed]
    yield channels
    for channel, process in zip(channels, composed, strict=True):
        await channel.close()
        await process.drain()


def backend_of(connection: Any) -> int:
    """The process id of the server's side of a connection."""
    return int(connection.driver_connection.info.backend_pid)


@pytest.mark.timeout(120 + OPERATIONS // 10)
async def test_nobody_is_booked_twice_and_no_answered_booking_is_lost(house: House, ask: Asks) -> None:
    await house.room("Turnaround", turnaround_before_minutes=15, turnaround_after_minutes=30)
    deadlocks = await count_deadlocks(ask)
    seed = os.environ.get("ERIDU_RACE_SEED", str(random.randrange(10**6)))
    backends: set[int] = set()
    async with replicas(suite_of(house), backends) as channels:
        race = Race(house, channels, iter(range(OPERATIONS)))
        race.schedules = [await house.schedule() for _ in range(4)]
        writers = [Writer(race, f"{seed}/{number}", number % 3 == 2) for number in range(WRITERS)]
        await asyncio.gather(*(writer.run() for writer in writers))

    repeat = f"ERIDU_RACE_SEED={seed}"
    print(repeat, *(f"{n} × {what}" for what, n in race.answers.most_common()), sep="\n  ")
    assert await ask(OVERLAPS) == [], repeat
    assert faults(race.history(), await stored(ask, house)) == [], repeat
    assert race.faults == [], repeat
    assert await untold(ask, house) == [], repeat
    assert await ask(BOOKED_OVER, uid=house.studio.uid) == [], repeat
    assert await ask(RANKED_WRONG, uid=house.studio.uid) == [], repeat
    await until(lambda: gone(ask, backends))  # a connection reports its deadlocks when it ends at the latest
    assert await count_deadlocks(ask) == deadlocks, repeat
    for what in ("BookShow", "BookShow SLOT_TAKEN", "ReleaseShow", "ConfirmSchedule", "CreateHold", "ReleaseHold"):
        assert race.answers[what] > 0, f"no race: {race.answers}"
    assert await ask("SELECT FROM booking WHERE studio_uid = :uid AND released_at IS NULL", uid=house.studio.uid)


# Holds that stand although their slot is booked, and holds that were told another rank than they have.
BOOKED_OVER = """
    SELECT hold.uid, booking.show_uid FROM hold JOIN hold_slot ON hold_id = hold.id
    JOIN booking USING (resource_id)
    WHERE hold.studio_uid = :uid AND state = 'held' AND hold_slot.period && booking.period AND released_at IS NULL
"""
RANKED_WRONG = """
    SELECT uid, rank FROM hold
    WHERE studio_uid = :uid AND state = 'held' AND rank <> 1 + (
        SELECT count(DISTINCT older.uid) FROM hold AS older
        JOIN hold_slot AS theirs ON theirs.hold_id = older.id
        JOIN hold_slot AS mine ON mine.hold_id = hold.id AND mine.resource_uid = theirs.resource_uid
        WHERE older.state = 'held' AND older.id < hold.id AND mine.period && theirs.period
    )
"""


async def stored(ask: Asks, house: House) -> Stored:
    """What the database has of the house's shows."""
    shows = await ask("SELECT show_uid, version FROM show_booking")
    rows = await ask(
        """
        SELECT show_uid, resource_uid, released_at, extract(epoch FROM lower(period))::float AS start,
               extract(epoch FROM upper(period))::float AS until
        FROM booking WHERE studio_uid = :uid
        """,
        uid=house.studio.uid,
    )
    now, ever = defaultdict(set), defaultdict(set)
    for row in rows:
        ever[row.show_uid].add((row.resource_uid, row.start, row.until))
        if row.released_at is None:
            now[row.show_uid].add((row.resource_uid, row.start, row.until))
    return Stored({one.show_uid: one.version for one in shows}, frozen(now), frozen(ever))


def frozen(by_show: dict[str, set[tuple[str, float, float]]]) -> dict[str, Taken]:
    """The same, to be compared."""
    return {show_uid: frozenset(taken) for show_uid, taken in by_show.items()}


async def untold(ask: Asks, house: House) -> list[Any]:
    """Shows whose versions are not in the ledger, one by one: each change is said once."""
    return await ask(
        """
        SELECT show_uid, version, said FROM show_booking
        LEFT JOIN LATERAL (
            SELECT array_agg(entity_version ORDER BY entity_version) AS said FROM ledger
            WHERE entity_uid = show_uid AND action LIKE 'booking.%'
        ) AS entries ON true
        WHERE studio_uid = :uid AND said IS DISTINCT FROM ARRAY(SELECT generate_series(1, version))
        """,
        uid=house.studio.uid,
    )


async def count_deadlocks(ask: Asks) -> int:
    """How many deadlocks PostgreSQL has met in this database."""
    return int((await ask("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))[0].deadlocks)


async def gone(ask: Asks, backends: set[int]) -> bool:
    """Whether these connections have ended."""
    return not await ask("SELECT FROM pg_stat_activity WHERE pid = ANY(:pids)", pids=sorted(backends))


ROOM, LATER = ("room_a", 0.0, 60.0), ("room_a", 60.0, 120.0)
TOLD = [
    Told("show_1", 1, 2, frozenset({ROOM}), 1),
    Told("show_1", 3, 5, frozenset({LATER}), 2),
    Told("show_1", 4, 6, frozenset({ROOM}), 3),
    Told("show_2", 1, 2, frozenset({LATER})),
    Told("show_2", 3, 4, NOTHING),
]
STORED = Stored(
    {"show_1": 3, "show_2": 2},
    {"show_1": frozenset({ROOM})},
    {"show_1": frozenset({ROOM, LATER}), "show_2": frozenset({LATER})},
)


def test_a_history_without_faults_has_none() -> None:
    assert faults(TOLD, STORED) == []


@pytest.mark.parametrize(
    ("stored", "fault"),
    [
        (replace(STORED, now={}), "nobody who asked last was told so"),
        (replace(STORED, now={"show_1": frozenset({ROOM}), "show_2": frozenset({LATER})}), "nobody who asked last"),
        (replace(STORED, now={"show_1": frozenset({LATER})}), "version 3 was told otherwise"),
        (replace(STORED, ever={**STORED.ever} | {"show_2": NOTHING}), "which it never had"),
        (replace(STORED, versions={"show_1": 2}), "a later one was told"),
        (replace(STORED, versions={"show_1": 4}), "which nobody was told"),
    ],
)
def test_the_checker_finds_a_booking_that_was_lost(stored: Stored, fault: str) -> None:
    assert any(fault in found for found in faults(TOLD, stored))


def test_the_checker_finds_a_version_that_two_were_told_differently() -> None:
    forked = [*TOLD, Told("show_1", 3, 5, NOTHING, 2)]
    assert any("version 2 was told in two ways" in found for found in faults(forked, STORED))


@pytest.mark.parametrize(
    ("created", "released", "found"),
    [
        ("created_at", "NULL", 1),  # both are in force
        ("created_at - interval '1 hour'", "created_at + interval '1 second'", 1),  # long past, and yet
        ("created_at - interval '1 hour'", "created_at", 0),  # released before the other came
    ],
)
async def test_the_checker_finds_an_overlap(house: House, created: str, released: str, found: int) -> None:
    await production(house)(adhoc(house))
    # Never committed: a table of the same name, which no constraint guards. The service may not make one.
    with psycopg.connect(suite_of(house).admin_url, options="-c search_path=scheduling") as conn:
        conn.execute("CREATE TEMP TABLE booking AS SELECT * FROM scheduling.booking")
        assert conn.execute(OVERLAPS).fetchall() == []
        conn.execute(
            f"""
            INSERT INTO pg_temp.booking (id, show_uid, resource_id, resource_uid, period, created_at, released_at)
            SELECT 0, 'show_other', resource_id, resource_uid, period, {created}, {released}
            FROM scheduling.booking WHERE studio_uid = '{house.studio.uid}'
            """
        )
        assert len(conn.execute(OVERLAPS).fetchall()) == found
        conn.rollback()
