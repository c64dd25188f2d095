"""What follows a confirmation by itself: shows, tasks, and events for whoever listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from eridu.production.v1.show_pb2 import (
    SHOW_STATUS_CANCELLED,
    SHOW_STATUS_COMPLETED,
    SHOW_STATUS_CONFIRMED,
    SHOW_STATUS_LIVE,
    Show,
    ShowStatus,
)
from eridu.production.v1.show_service_pb2 import ListShowsRequest
from eridu.scheduling.v1.booking_pb2 import RESOURCE_KIND_ROOM, Booking
from eridu.scheduling.v1.booking_service_pb2 import ListBookingsRequest
from eridu.tasks.v1.task_pb2 import Task
from eridu.tasks.v1.task_service_pb2 import ListTasksRequest

from deploy.demo.house import House
from libs.client.connection import each
from libs.client.subscribe import Subscription

WITHIN = 120.0  # seconds
PAUSE = 0.3
ONCE_CONFIRMED = (SHOW_STATUS_CONFIRMED, SHOW_STATUS_LIVE, SHOW_STATUS_COMPLETED, SHOW_STATUS_CANCELLED)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class State:
    """What is there, by uid. Shows are those that were confirmed once, whatever became of them."""

    shows: dict[str, Show]
    rooms: dict[str, Booking]
    tasks: dict[str, Task]

    def with_status(self, status: ShowStatus.ValueType) -> dict[str, Show]:
        """The shows that are in this status now."""
        return {uid: show for uid, show in self.shows.items() if show.status == status}

    def uids(self) -> tuple[set[str], set[str], set[str]]:
        """All that a repeated confirmation must not add to."""
        return set(self.shows), set(self.rooms), set(self.tasks)


@dataclass(slots=True)
class Heard:
    """The shows of one studio that a subscriber heard of; an event that is delivered twice counts once."""

    studio_uid: str
    shows: dict[str, str] = field(default_factory=dict)  # event uid: show uid

    async def listen(self, events: Subscription) -> None:
        """Note every event."""
        async for event in events:
            if event.payload.show.studio_uid == self.studio_uid:
                self.shows[event.uid] = event.payload.show.uid
            await event.ack()

    async def count(self) -> int:
        """How many came so far."""
        return len(self.shows)


async def shows(house: House) -> dict[str, Show]:
    """The studio's shows that were confirmed once, whatever became of them."""
    query = ListShowsRequest(studio_uid=house.studio_uid, statuses=ONCE_CONFIRMED)
    return {show.uid: show async for show in each(house.manager.shows.ListShows, query)}


async def room_bookings(house: House) -> dict[str, Booking]:
    """The studio's room bookings in force."""
    query = ListBookingsRequest(studio_uid=house.studio_uid, resource_kind=RESOURCE_KIND_ROOM)
    return {booking.uid: booking async for booking in each(house.manager.bookings.ListBookings, query)}


async def tasks(house: House, show_uid: str = "") -> dict[str, Task]:
    """The studio's tasks, or one show's."""
    query = ListTasksRequest(studio_uid=house.studio_uid, show_uid=show_uid)
    return {task.uid: task async for task in each(house.manager.tasks.ListTasks, query)}


async def look(house: House) -> State:
    """Everything that the sums are about."""
    return State(await shows(house), await room_bookings(house), await tasks(house))


async def until(read: Callable[[], Awaitable[T]], enough: Callable[[T], bool]) -> T:
    """Read again and again until there is enough; what was read last when it takes too long: the sums will tell."""
    deadline = time.monotonic() + WITHIN
    while True:
        found = await read()
        if enough(found) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(PAUSE)
