"""How CheckConflicts, a page of a list and FindFreeSlots grow: two suites side by side, few bookings and many.

`python -m tests.scheduling.growth [bookings of the larger one]`: 1,000,000 unless said otherwise, against 10,000.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eridu.scheduling.v1.booking_service_pb2 import BookShowRequest, ListBookingsRequest
from eridu.scheduling.v1.capacity_pb2 import FindFreeSlotsRequest, GetUtilisationRequest
from eridu.scheduling.v1.conflict_pb2 import AskedSlot, CheckConflictsRequest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from deploy.local.nats import Nats
from deploy.local.postgres import Postgres
from deploy.local.processes import take_port
from libs.common import uids
from tests.scheduling.filling import FIRST, LENGTH, STEP, Filled, fill
from tests.scheduling.planning import production
from tests.support.house import House, build_house
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
    day: dict[str, Any] = {"from": stamp(20), "until": stamp(32)}
    week: dict[str, Any] = {"from": stamp(0), "until": stamp(84)}
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
        "FindFreeSlots, one day, 50 rooms": FindFreeSlotsRequest(studio_uid=studio_uid, duration_minutes=60, **day),
        "GetUtilisation, one week, 100 rooms and MCs": GetUtilisationRequest(
            studio_uid=studio_uid, page_size=500, **week
        ),
    }


def bookings_of(house: House, filled: Filled) -> Callable[[], Awaitable[Any]]:
    """Books a show in an hour that is free, another one each time."""
    book, free = production(house), count()

    async def once() -> Any:
        n = next(free)
        request = BookShowRequest(
            show_uid=uids.new("show"),
            confirmation=1,
            studio_uid=filled.studio_uid,
            client_uid=house.client.uid,
            name="Another",
            room_uid=filled.room_uid(n % PAIRS + 1),
            mc_uids=[filled.mc_uid(n % PAIRS + 1)],
        )
        start = FIRST + (n % 90) * STEP + LENGTH
        request.starts_at.FromDatetime(start)
        request.ends_at.FromDatetime(start + LENGTH)
        return await book(request)

    return once


async def prepare(root: Path, admin_url: str, nats_url: str, name: str, bookings: int) -> tuple[Suite, House, Filled]:
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


def show(title: str, medians: list[float]) -> None:
    """One line of the table."""
    few, many = medians
    print(f"{title:45} {few:12.2f} {many:12.2f}   {many / few:.2f}", flush=True)


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
                sides.append((house, filled))
            print(f"{'median ms of ' + str(ROUNDS):45} {SMALL:>12,} {large:>12,}   ratio")
            for title in questions(sides[0][1]):
                asked = [(house.manager, questions(filled)[title]) for house, filled in sides]
                show(title, await measure(*(partial(caller, question) for caller, question in asked)))
            show("BookShow, room and MC", await measure(*(bookings_of(*side) for side in sides)))
        finally:
            for suite in suites:
                await suite.stop()
            nats.stop()
            postgres.stop()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else LARGE))
