"""A plan of 5,000 shows, room and MC each: import, validate, confirm, against one bare INSERT of the same bookings.

`python -m tests.scheduling.large [rounds]`. While a schedule is confirmed others book single shows beside it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eridu.scheduling.v1.booking_service_pb2 import BookShowRequest
from eridu.scheduling.v1.confirmation_pb2 import ConfirmScheduleRequest, ValidateScheduleRequest
from eridu.scheduling.v1.schedule_request_pb2 import ProposeScheduleRequest
from sqlalchemy import create_engine, make_url, text

from deploy.local.nats import Nats
from deploy.local.postgres import Postgres
from deploy.local.processes import take_port
from libs.common import uids
from tests.scheduling.planning import production
from tests.support.house import House, at, build_house
from tests.support.suite import Suite

SHOWS = 5_000
PAIRS = 100  # rooms, and as many MCs
FIRST = datetime(2026, 3, 1, tzinfo=UTC)

BARE = """
    INSERT INTO bare (uid, show_uid, confirmation, studio_uid, client_uid, kind, resource_id, resource_uid, period,
        created_at)
    SELECT uid || 'x', show_uid, confirmation, studio_uid, client_uid, kind, resource_id, resource_uid, period, now()
    FROM scheduling.booking WHERE studio_uid = :studio_uid AND released_at IS NULL ORDER BY resource_id, period
"""


def sheet() -> list[str]:
    """The rows: each pair of room and MC has a show every hour."""
    rows = []
    for number in range(SHOWS):
        start = FIRST + timedelta(hours=number // PAIRS)
        pair = number % PAIRS
        times = f"{start:%Y-%m-%dT%H:%M},{start + timedelta(minutes=50):%Y-%m-%dT%H:%M}"
        rows.append(f"{number},Show {number},Room {pair},Host {pair},,,,{times}")
    return rows


async def beside(house: House, stop: asyncio.Event) -> list[float]:
    """Book single shows in one more room until told to stop; the seconds that each took."""
    book = production(house)
    took: list[float] = []
    for number in count():
        if stop.is_set():
            return took
        start = FIRST + timedelta(hours=number)
        request = BookShowRequest(
            show_uid=uids.new("show"),
            confirmation=1,
            studio_uid=house.studio.uid,
            client_uid=house.client.uid,
            name="beside",
            room_uid=house.rooms["Beside"].uid,
            starts_at=at(f"{start:%Y-%m-%dT%H:%M}"),
            ends_at=at(f"{start + timedelta(minutes=30):%Y-%m-%dT%H:%M}"),
        )
        began = time.perf_counter()
        await book(request)
        took.append(time.perf_counter() - began)
    raise AssertionError("it counts for ever")


async def one_round(suite: Suite) -> dict[str, float]:
    """Seconds of each step of one plan in a house of its own, and of the bare INSERT."""
    house = await build_house(suite)
    for pair in range(PAIRS):
        await house.room(f"Room {pair}")
        await house.mc(f"Host {pair}")
    await house.room("Beside")
    schedule, rows = await house.schedule(), sheet()
    took: dict[str, float] = {}

    async def step(name: str, call: Any) -> Any:
        began = time.perf_counter()
        answer = await call
        took[name] = time.perf_counter() - began
        return answer

    await step("import", house.plan(schedule, *rows))
    await step("import again, unchanged", house.plan(schedule, *rows))
    await step("validate", house.manager(ValidateScheduleRequest(uid=schedule.uid)))
    await house.manager(ProposeScheduleRequest(uid=schedule.uid))
    stop = asyncio.Event()
    booking = asyncio.create_task(beside(house, stop))
    await step("confirm", house.manager(ConfirmScheduleRequest(uid=schedule.uid)))
    stop.set()
    took["slowest booking beside"] = max(await booking)
    await step("confirm again, unchanged", house.manager(ConfirmScheduleRequest(uid=schedule.uid)))
    took["bare INSERT"] = bare(suite, house.studio.uid)
    return took


def bare(suite: Suite, studio_uid: str) -> float:
    """The same bookings by one statement, under the same constraints and indexes, in a transaction of its own."""
    engine = create_engine(make_url(suite.admin_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bare (LIKE scheduling.booking INCLUDING ALL)"))
        exclude = "EXCLUDE USING gist (int8range(resource_id, resource_id, '[]') WITH &&, period WITH &&)"
        connection.execute(text(f"ALTER TABLE bare ADD {exclude} WHERE (released_at IS NULL)"))
        connection.execute(
            text("ALTER TABLE bare ADD FOREIGN KEY (show_uid) REFERENCES scheduling.show_booking (show_uid)")
        )
    began = time.perf_counter()
    with engine.begin() as connection:
        connection.execute(text(BARE), {"studio_uid": studio_uid})
    took = time.perf_counter() - began
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE bare"))
    engine.dispose()
    return took


def deadlocks(suite: Suite) -> int:
    """How many the database has counted."""
    engine = create_engine(make_url(suite.admin_url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        query = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        found = int(connection.execute(query).scalar_one())
    engine.dispose()
    return found


async def run(rounds: int) -> None:
    """Measure and print."""
    with TemporaryDirectory(prefix="large") as folder:
        root = Path(folder)
        postgres, nats = Postgres(root, "test"), Nats(root / "nats", "test")
        postgres.start(take_port())
        nats.start(take_port(), take_port())
        suite = Suite(root, postgres.admin_url, "large", nats.url, ("identity", "scheduling"))
        await suite.start(("identity", "scheduling"))
        try:
            found = [await one_round(suite) for _ in range(rounds)]
            plain = statistics.median(one["bare INSERT"] for one in found)
            for name in found[0]:
                median = statistics.median(one[name] for one in found)
                print(f"{name:28}{median:8.2f} s   {median / plain:5.1f} × the bare INSERT")
        finally:
            await suite.stop()
        print(f"{deadlocks(suite)} deadlocks")
        nats.stop()
        postgres.stop()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
