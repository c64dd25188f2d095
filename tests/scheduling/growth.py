"""How CheckConflicts, a page of a list and FindFreeSlots grow: two suites side by side, few bookings and many.

`python -m tests.scheduling.growth [bookings of the larger one]`: 1,000,000 unless said otherwise, against 10,000.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eridu.scheduling.v1.booking_service_pb2 import ListBookingsRequest
from eridu.scheduling.v1.capacity_pb2 import FindFreeSlotsRequest
from eridu.scheduling.v1.conflict_pb2 import AskedSlot, CheckConflictsRequest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from deploy.local.nats import Nats
from deploy.local.postgres import Postgres
from deploy.local.processes import take_port
from tests.scheduling.filling import FIRST, LENGTH, STEP, Filled, fill
from tests.support.house import build_house
from tests.support.suite import Suite

PAIRS = 50  # rooms, and as many MCs, of every studio
SMALL, LARGE = 10_000, 1_000_000
ROUNDS = 60


def stamp(steps: float) -> Timestamp:
    """So many steps after the first booking."""
    made = Timestamp()
    made.FromDatetime(FIRST + steps * STEP)
    return made


def questions(filled: Filled) -> dict[str, Message]:
    """The calls that are measured: every other one of the slots is taken."""
    period: dict[str, Any] = {"from": stamp(20), "until": stamp(32)}
    slots = []
    for n in range(100):
        slot = AskedSlot(key=str(n), room_uid=filled.room_uid(n % PAIRS + 1), mc_uids=[filled.mc_uid(n % PAIRS + 1)])
        start = FIRST + (n % 90) * STEP + (LENGTH if n % 2 else LENGTH / 2)
        slot.starts_at.FromDatetime(start)
        slot.ends_at.FromDatetime(start + LENGTH / 2)
        slots.append(slot)
    studio_uid = filled.studio_uid
    later: dict[str, Any] = {"from": stamp(20)}
    return {
        "CheckConflicts, 100 slots of room and MC": CheckConflictsRequest(studio_uid=studio_uid, slots=slots),
        "ListBookings, 50 of a room": ListBookingsRequest(
            studio_uid=studio_uid, resource_uid=filled.room_uid(7), **later
        ),
        "ListBookings, 50 of a studio": ListBookingsRequest(studio_uid=studio_uid, **later),
        "FindFreeSlots, one day, 50 rooms": FindFreeSlotsRequest(studio_uid=studio_uid, duration_minutes=60, **period),
    }


async def prepare(root: Path, admin_url: str, nats_url: str, name: str, bookings: int) -> tuple[Suite, Any, Filled]:
    """A suite with so many bookings, of several studios if they are many; one in their midst is asked about."""
    suite = Suite(root / name, admin_url, f"growth_{name}", nats_url, ("identity", "scheduling"))
    await suite.start(("identity", "scheduling"))
    house = await build_house(suite)
    each = 100 if bookings <= SMALL else 1000
    studios = max(bookings // (2 * PAIRS * each), 1)
    began, asked_about = time.monotonic(), studios // 2
    filled = []
    for number in range(studios):
        filled.append(fill(suite.admin_url, PAIRS, each, house.studio.uid if number == asked_about else ""))
        done = f"{2 * PAIRS * each * (number + 1):,} bookings, {time.monotonic() - began:.0f} s"
        print(f"{name}: {done}", flush=True)
    return suite, house, filled[asked_about]


async def measure(*calls: Callable[[], Awaitable[Any]]) -> list[float]:
    """The median milliseconds of calls that take turns."""
    times: list[list[float]] = [[] for _ in calls]
    for round_ in range(ROUNDS + 10):
        for taken, call in zip(times, calls, strict=True):
            began = time.perf_counter()
            await call()
            if round_ >= 10:
                taken.append((time.perf_counter() - began) * 1000)
    return [statistics.median(taken) for taken in times]


async def run(large: int) -> None:
    """Prepare both, measure by turns, print."""
    with TemporaryDirectory(prefix="growth") as folder:
        root = Path(folder)
        postgres, nats = Postgres(root, "test"), Nats(root / "nats", "test")
        postgres.start(take_port())
        nats.start(take_port(), take_port())
        suites = []
        try:
            sides = []
            for name, count in (("small", SMALL), ("large", large)):
                suite, house, filled = await prepare(root, postgres.admin_url, nats.url, name, count)
                suites.append(suite)
                sides.append((house, questions(filled)))
            print(f"{'median ms of ' + str(ROUNDS):45} {SMALL:>12,} {large:>12,}   ratio")
            for title in sides[0][1]:
                few, many = await measure(*(lambda h=house, q=asked[title]: h.manager(q) for house, asked in sides))
                print(f"{title:45} {few:12.2f} {many:12.2f}   {many / few:.2f}")
        finally:
            for suite in suites:
                await suite.stop()
            nats.stop()
            postgres.stop()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else LARGE))
