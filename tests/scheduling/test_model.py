"""Bookings against a model: whatever is asked in whatever order, the service answers as a page of Python does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import grpc
from eridu.scheduling.v1.booking_pb2 import RESOURCE_KIND_ROOM
from eridu.scheduling.v1.booking_service_pb2 import BookShowRequest, ListBookingsRequest, ReleaseShowRequest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common import uids
from tests.support.house import House, build_house
from tests.support.suite import Refusal, Suite

ROOMS, MCS = ("A", "B"), ("Ada", "Bob")
DAY = 1_772_000_000  # seconds since 1970, some day in 2026
TURNAROUND = 10  # minutes after each show, in room B


@dataclass(frozen=True)
class Book:
    """Book a show under a confirmation: where, with whom, from which ten minutes on, for how many."""

    show: int
    confirmation: int
    room: str
    mcs: frozenset[str]
    start: int
    length: int

    def takes(self) -> dict[str, tuple[int, int]]:
        """The minutes for which each resource is taken."""
        begin, end = self.start * 10, (self.start + self.length) * 10
        taken = dict.fromkeys(self.mcs, (begin, end))
        if self.room:
            taken[self.room] = (begin, end + (TURNAROUND if self.room == "B" else 0))
        return taken


@dataclass(frozen=True)
class Release:
    """Release a confirmation of a show."""

    show: int
    confirmation: int


SHOWS, NUMBERS = st.integers(0, 3), st.integers(1, 3)
BOOKS = st.builds(
    Book,
    SHOWS,
    NUMBERS,
    st.sampled_from(("", *ROOMS)),
    st.frozensets(st.sampled_from(MCS)),
    st.integers(0, 8),
    st.integers(1, 3),
)
OPERATIONS = st.lists(st.one_of(BOOKS, BOOKS, BOOKS, st.builds(Release, SHOWS, NUMBERS)), min_size=3, max_size=14)


@dataclass
class Model:
    """What should be so: for each show its newest confirmation, and what that has booked, if it is in force."""

    numbers: dict[int, int] = field(default_factory=dict)
    in_force: dict[int, Book] = field(default_factory=dict)

    def answer(self, asked: Book | Release) -> str:
        """The reason of a refusal; empty when it is done."""
        number = self.numbers.get(asked.show, 0)
        if isinstance(asked, Release):
            if asked.confirmation >= number and (asked.confirmation > number or asked.show in self.in_force):
                self.numbers[asked.show] = asked.confirmation
                self.in_force.pop(asked.show, None)
            return ""
        if asked.confirmation < number:
            return "CONFIRMATION_OLD"
        if asked.confirmation == number and asked.show not in self.in_force:
            return "CONFIRMATION_RELEASED"
        others = [book for show, book in self.in_force.items() if show != asked.show]
        if any(overlap(asked.takes(), other.takes()) for other in others):
            return "SLOT_TAKEN"
        self.numbers[asked.show] = asked.confirmation
        self.in_force[asked.show] = asked
        return ""

    def rooms(self) -> set[tuple[int, str, int, int]]:
        """Every booking of a room, in minutes."""
        return {(show, book.room, *book.takes()[book.room]) for show, book in self.in_force.items() if book.room}


def overlap(one: dict[str, tuple[int, int]], other: dict[str, tuple[int, int]]) -> bool:
    return any(one[name][0] < other[name][1] and other[name][0] < one[name][1] for name in one.keys() & other.keys())


class Service:
    """The same operations on the real thing, in a studio of their own."""

    def __init__(self, suite: Suite, house: House) -> None:
        self.production = suite.service("production")
        self.house = house
        self.shows = [uids.new("show") for _ in range(4)]

    def request(self, asked: Book | Release) -> Any:
        if isinstance(asked, Release):
            return ReleaseShowRequest(show_uid=self.shows[asked.show], confirmation=asked.confirmation, reason="x")
        return BookShowRequest(
            show_uid=self.shows[asked.show],
            confirmation=asked.confirmation,
            studio_uid=self.house.studio.uid,
            client_uid=self.house.client.uid,
            name=f"show {asked.show}",
            room_uid=self.house.rooms[asked.room].uid if asked.room else "",
            mc_uids=[self.house.mcs[name].uid for name in sorted(asked.mcs)],
            starts_at=Timestamp(seconds=DAY + asked.start * 600),
            ends_at=Timestamp(seconds=DAY + (asked.start + asked.length) * 600),
        )

    async def answer(self, asked: Book | Release) -> str:
        try:
            await self.production(self.request(asked))
        except grpc.aio.AioRpcError as error:
            return Refusal(error).reason
        return ""

    async def rooms(self) -> set[tuple[int, str, int, int]]:
        query = ListBookingsRequest(studio_uid=self.house.studio.uid, resource_kind=RESOURCE_KIND_ROOM, page_size=500)
        names = {room.uid: name for name, room in self.house.rooms.items()}
        return {
            (
                self.shows.index(one.show_uid),
                names[one.resource_uid],
                (getattr(one, "from").seconds - DAY) // 60,
                (one.until.seconds - DAY) // 60,
            )
            for one in (await self.house.manager(query)).bookings
        }


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)
@given(operations=OPERATIONS)
async def test_the_service_answers_as_the_model_does(suite: Suite, operations: list[Book | Release]):
    house = await build_house(suite)
    await house.room("A")
    await house.room("B", turnaround_after_minutes=TURNAROUND)
    for name in MCS:
        await house.mc(name)
    model, service = Model(), Service(suite, house)
    for asked in operations:
        assert await service.answer(asked) == model.answer(asked), asked
    assert await service.rooms() == model.rooms()
