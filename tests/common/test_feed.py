"""The feed of a service: from memory what is recent, from the stream what is older, and a refusal for what is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from eridu.identity.v1.events_pb2 import PlatformCreated

from libs.common import feed as feeds
from libs.common import uids
from libs.common.bus import Bus, headers, stream_of
from libs.common.clock import now
from libs.common.errors import Invalid, OutOfRange
from libs.common.feed import Feed, Said
from tests.support.suite import Suite


class Station:
    """A service's stream of this test's own, and its feed."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.word = uids.new("feed").replace("_", "")
        self.feed = Feed(bus, self.word, {f"{self.word}.thing.made": PlatformCreated})
        self.count = 0

    async def say(self, count: int = 1, subject: str = "made") -> None:
        """Say so many things."""
        for _ in range(count):
            self.count += 1
            event = PlatformCreated()
            event.platform.name = str(self.count)
            uid = uids.new_uuid()
            attributes = headers(uid, "x", "test", now(), uid, "")
            await self.bus.publish(f"eridu.{self.word}.thing.{subject}", event.SerializeToString(), attributes)

    async def hear(self, after: int, until: int) -> list[str]:
        """What is said after a place, up to this thing."""
        heard: list[str] = []
        async with asyncio.timeout(30):
            async for said in self.feed.after(after, 0.1):
                heard += names(said)
                if heard and heard[-1] == str(until):
                    break
        return heard


def names(said: list[Said]) -> list[str]:
    return [one.event.platform.name for one in said]


@pytest.fixture
async def station(house: Suite, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Station]:
    monkeypatch.setattr(feeds, "RECENT", 5)
    monkeypatch.setattr(feeds, "FETCH_TIMEOUT", 0.5)
    bus = Bus(house.config("identity"), "feed")
    await bus.connect()
    station = Station(bus)
    await bus.ensure_stream(station.word)
    await station.say(3)
    await station.feed.start()
    running = asyncio.create_task(station.feed.run())
    yield station
    station.feed.stopping.set()
    await asyncio.wait({running})
    await bus.jetstream.delete_stream(stream_of(station.word))
    await bus.close()


async def test_what_is_said_from_now_on_is_heard_once_and_in_order(station: Station):
    place = station.feed.position
    assert place == 3
    hearing = [asyncio.create_task(station.hear(place, 8)) for _ in range(3)]
    await station.say(5)
    for heard in await asyncio.gather(*hearing):
        assert heard == ["4", "5", "6", "7", "8"]


async def test_what_memory_has_forgotten_comes_from_the_stream(station: Station):
    await station.say(20)
    assert await station.hear(0, 23) == [str(number) for number in range(1, 24)]
    assert await station.hear(15, 23) == [str(number) for number in range(16, 24)]
    assert len(station.feed.recent) <= 5


async def test_other_events_between_leave_no_gap(station: Station):
    await station.say(2, subject="other")
    await station.say(1)
    await station.say(12, subject="other")
    await station.say(1)
    assert await station.hear(3, 19) == ["6", "19"]
    assert await station.hear(0, 19) == ["1", "2", "3", "6", "19"]


async def test_what_the_stream_has_no_more_cannot_be_continued(station: Station):
    await station.say(20)
    await station.hear(15, 23)
    await station.bus.jetstream.purge_stream(stream_of(station.word), seq=10)
    assert await station.hear(9, 23) == [str(number) for number in range(10, 24)]
    with pytest.raises(OutOfRange) as refused:
        await station.hear(8, 23)
    assert refused.value.reason == "CURSOR_TOO_OLD"


async def test_a_cursor_names_a_place_in_one_stream(station: Station):
    assert await station.feed.place(station.feed.cursor(2)) == 2
    for cursor in (station.feed.cursor(99), "elsewhere.1"):
        with pytest.raises(OutOfRange):
            await station.feed.place(cursor)
    with pytest.raises(Invalid):
        await station.feed.place("x")
