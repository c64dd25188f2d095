from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from eridu.identity.v1.events_pb2 import PlatformCreated
from nats.js.errors import NotFoundError
from sqlalchemy import insert, text

from deploy.local.nats import Nats
from libs.common import consumers, ledger, uids
from libs.common.bus import Bus
from libs.common.clock import now
from libs.common.consumers import Consumer, Heard, Hears
from libs.common.db import Database
from libs.common.errors import Overloaded, Refused, Unavailable
from libs.common.tables import values_of
from services.identity.domain.group import Platform
from services.identity.domain.nouns import PLATFORM, fresh
from services.identity.store import tables
from tests.support.suite import Suite, until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "BACKOFF", (0.01, 0.02))
    monkeypatch.setattr(consumers, "FETCH_TIMEOUT", 1.0)


class Ear:
    """A consumer with a subject of its own, whose effect is one platform for each event."""

    def __init__(self, db: Database, bus: Bus) -> None:
        self.db, self.bus = db, bus
        self.word = uids.new("ear")
        self.runs: list[int] = []
        self.before: Callable[[Heard[PlatformCreated]], Awaitable[None]] = nothing
        hears = Hears({f"identity.{self.word}.made": PlatformCreated}, self.handle)
        self.consumer = Consumer(db, bus, self.word, "identity", [hears])

    async def handle(self, heard: Heard[PlatformCreated]) -> None:
        self.runs.append(len(heard.events))
        await self.before(heard)
        made = [
            Platform(**fresh(PLATFORM, now()), name=f"{self.word} {event.platform.name} {uids.new_uuid()}")
            for event in heard.events
        ]
        async with self.db.begin(heard.caller) as tx:
            await tx.execute(insert(tables.platform), [values_of(tables.platform, entity) for entity in made])
            entries = [ledger.entry("identity.platform.created", PlatformCreated(), None, one) for one in made]
            await ledger.record(tx, *entries)

    async def say(self, *names: str) -> list[bytes]:
        """Publish an event for each name; what was sent."""
        sent = []
        for name in names:
            event = PlatformCreated()
            event.change.event_uid = uids.new_uuid()
            event.platform.name = name
            sent.append(event.SerializeToString())
            await self.publish(sent[-1])
        return sent

    async def publish(self, payload: bytes) -> None:
        """As if its first publish were longer ago than the stream looks back for duplicates."""
        await self.bus.publish(f"eridu.identity.{self.word}.made", payload, {"Nats-Msg-Id": uids.new_uuid()})

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        loop = asyncio.create_task(self.consumer.run())
        try:
            yield
        finally:
            await self.consumer.stop()
            await asyncio.wait_for(loop, 10)

    async def effects(self) -> list[str]:
        async with self.db.read() as reader:
            rows = await reader.execute(
                text("SELECT split_part(name, ' ', 2) FROM platform WHERE name LIKE :word ORDER BY id"),
                {"word": f"{self.word} %"},
            )
            return list(rows.scalars())

    async def has(self, names: Sequence[str]) -> None:
        async def there() -> bool:
            return sorted(await self.effects()) == sorted(names)

        await until(there)

    async def parked(self) -> list[tuple[str, str]]:
        async with self.db.read() as reader:
            rows = await reader.execute(
                text("SELECT reason, detail FROM parked WHERE consumer = :name ORDER BY stream_sequence"),
                {"name": f"{self.word}.identity"},
            )
            return [(row.reason, row.detail) for row in rows]

    async def done(self) -> None:
        """Nothing is waiting, and nothing will be delivered again."""

        async def settled() -> bool:
            try:
                info = await self.bus.jetstream.consumer_info("ERIDU_IDENTITY", self.word)
            except NotFoundError:  # not made yet
                return False
            return not info.num_pending and not info.num_ack_pending

        await until(settled)


async def nothing(_: Any) -> None:
    """Nothing goes wrong."""


@pytest.fixture
def ear(db: Database, bus: Bus) -> Ear:
    return Ear(db, bus)


async def test_events_that_wait_together_are_one_run_and_each_has_its_effect_once(ear: Ear):
    names = [f"n{number}" for number in range(200)]
    await ear.say(*names)
    async with ear.listening():
        await ear.has(names)
        await ear.done()
    assert len(ear.runs) <= 3


async def test_a_second_delivery_has_no_second_effect(ear: Ear):
    sent = await ear.say("a", "b")
    for payload in [*sent, sent[0]]:
        await ear.publish(payload)
    async with ear.listening():
        await ear.done()
        for payload in sent:  # and once more, long after
            await ear.publish(payload)
        await ear.say("c")
        await ear.has(["a", "b", "c"])
        await ear.done()
    assert sorted(await ear.effects()) == ["a", "b", "c"]
    assert await ear.parked() == []


async def test_a_poison_message_is_parked_and_the_next_is_worked_on(ear: Ear):
    await ear.publish(b"\xff\xff")
    await ear.publish(PlatformCreated().SerializeToString())
    await ear.say("good")
    async with ear.listening():
        await ear.has(["good"])
        await ear.done()
    assert [reason for reason, _ in await ear.parked()] == ["UNREADABLE", "UNREADABLE"]


async def test_a_refused_event_is_parked_and_its_run_is_not(ear: Ear):
    async def refuse_bad(heard: Heard[PlatformCreated]) -> None:
        if any(event.platform.name == "bad" for event in heard.events):
            raise Refused("NOT_NOW", "not now")

    ear.before = refuse_bad
    sent = await ear.say("a", "bad", "b")
    await ear.publish(sent[1])
    async with ear.listening():
        await ear.has(["a", "b"])
        await ear.done()
    assert await ear.parked() == [("NOT_NOW", "not now")] * 2  # each delivery of it


async def test_what_the_database_refuses_is_parked(ear: Ear):
    async def divide(_: Heard[PlatformCreated]) -> None:
        async with ear.db.read() as reader:
            await reader.execute(text("SELECT 1 / 0"))

    ear.before = divide
    await ear.say("a")
    async with ear.listening():
        await until(ear.parked)
        await ear.done()
    assert [reason for reason, _ in await ear.parked()] == ["VALUE_REFUSED"]


async def test_a_bug_is_tried_again_and_then_parked(ear: Ear):
    async def stumble(heard: Heard[PlatformCreated]) -> None:
        if any(event.platform.name == "bad" for event in heard.events):
            raise ZeroDivisionError("a secret")

    ear.before = stumble
    await ear.say("bad", "good")
    async with ear.listening():
        await ear.has(["good"])
        await until(ear.parked)
        await ear.done()
    assert await ear.parked() == [("BUG", "ZeroDivisionError")]
    assert ear.runs.count(1) >= consumers.BUG_ATTEMPTS


@pytest.mark.parametrize("error", [Unavailable("AWAY", "away"), Overloaded("OVERLOADED", "too many"), OSError("gone")])
async def test_what_is_no_fault_of_the_event_brings_it_again_as_often_as_needed(ear: Ear, error: Exception):
    async def fail_often(_: Heard[PlatformCreated]) -> None:
        if len(ear.runs) <= 2 * consumers.BUG_ATTEMPTS:
            raise error

    ear.before = fail_often
    await ear.say("a")
    async with ear.listening():
        await ear.has(["a"])
        await ear.done()
    assert await ear.parked() == []


async def test_a_subject_that_this_release_does_not_know_is_tried_again_and_then_parked(ear: Ear):
    async with ear.listening():
        await ear.say("a")
        await ear.has(["a"])
        ear.consumer.by_subject.clear()
        await ear.say("b")
        await until(ear.parked)
        await ear.done()
    assert await ear.parked() == [("UNKNOWN_SUBJECT", "no handler for this subject")]


def allow_connections(house: Suite, allowed: bool) -> None:
    """Shut the database to everybody but its owner, or open it."""
    url = house.admin_url
    name = url.rpartition("/")[2].partition("?")[0]
    with psycopg.connect(url.replace(f"/{name}", "/postgres"), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")
        if not allowed:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


async def test_while_the_database_is_away_a_refused_event_waits_to_be_parked(house: Suite, ear: Ear):
    async def refuse(_: Heard[PlatformCreated]) -> None:
        raise Refused("NOT_NOW", "not now")

    ear.before = refuse
    async with ear.listening():
        await asyncio.to_thread(allow_connections, house, False)
        try:
            await ear.say("bad")

            async def tried() -> bool:
                return len(ear.runs) >= 3

            await until(tried)
        finally:
            await asyncio.to_thread(allow_connections, house, True)
        await until(ear.parked)
        await ear.done()
    assert await ear.parked() == [("NOT_NOW", "not now")]


async def test_a_consumer_outlives_the_broker_and_acknowledges_after_it(ear: Ear, own_nats: Nats):
    ports = [int(address.rpartition(":")[2]) for address in (own_nats.address, own_nats.monitor)]

    async def lose_the_broker(_: Heard[PlatformCreated]) -> None:
        if len(ear.runs) == 1:
            await asyncio.to_thread(own_nats.stop)

    ear.before = lose_the_broker
    await ear.say("a")
    async with ear.listening():
        await ear.has(["a"])
        await asyncio.to_thread(own_nats.start, *ports)
        await ear.say("b")
        await ear.has(["a", "b"])


async def seconds_to_stop(ear: Ear, meanwhile: Callable[[], Awaitable[None]]) -> float:
    loop = asyncio.create_task(ear.consumer.run())
    await meanwhile()
    began = asyncio.get_running_loop().time()
    await ear.consumer.stop()
    await asyncio.wait_for(loop, 10)
    return asyncio.get_running_loop().time() - began


async def test_a_consumer_that_waits_for_events_stops_within_a_second(ear: Ear, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(consumers, "FETCH_TIMEOUT", 30.0)

    async def until_idle() -> None:
        await ear.say("a")
        await ear.has(["a"])

    assert await seconds_to_stop(ear, until_idle) < 1


async def test_a_consumer_that_waits_for_the_broker_stops_within_a_second(ear: Ear, own_nats: Nats):
    ports = [int(address.rpartition(":")[2]) for address in (own_nats.address, own_nats.monitor)]
    await asyncio.to_thread(own_nats.stop)
    try:
        assert await seconds_to_stop(ear, lambda: asyncio.sleep(0.1)) < 1
    finally:
        await asyncio.to_thread(own_nats.start, *ports)


async def test_what_comes_after_a_stop_is_left_for_the_next_one_at_once(ear: Ear, db: Database, bus: Bus):
    async with ear.listening():
        await ear.say("a")
        await ear.has(["a"])
    await ear.say("b")
    ear.consumer.stopping.clear()
    async with ear.listening():
        await ear.has(["a", "b"])
