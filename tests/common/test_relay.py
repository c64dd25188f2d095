from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from eridu.identity.v1.events_pb2 import PlatformCreated
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from sqlalchemy import text

from deploy.local.nats import Nats
from libs.common import ledger, relay, uids
from libs.common.access import Caller
from libs.common.bus import Bus
from libs.common.db import Database
from libs.common.ledger import Entry
from libs.common.relay import Relay
from tests.support.suite import Suite, until


async def record(db: Database, entities: Sequence[str], versions: int) -> None:
    """Versions 1, 2, … of each entity, in this order; cut into several transactions."""
    for version in range(1, versions + 1):
        async with db.begin(Caller.system("identity")) as tx:
            entries = [Entry("identity.platform.created", PlatformCreated(), uid, version) for uid in entities]
            await ledger.record(tx, *entries)


async def waiting(db: Database) -> int:
    async with db.read() as reader:
        return int((await reader.execute(text("SELECT count(*) FROM outbox"))).scalar_one())


async def published(bus: Bus, entities: Sequence[str]) -> dict[str, list[int]]:
    """The versions of these entities in the stream, in the stream's order."""
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE)
    reading = await bus.jetstream.pull_subscribe("eridu.identity.platform.created", config=config)
    left = (await reading.consumer_info()).num_pending or 0
    versions: dict[str, list[int]] = defaultdict(list)
    try:
        while left:
            messages = await reading.fetch(min(left, 500), timeout=5)
            left -= len(messages)
            for message in messages:
                change = PlatformCreated.FromString(message.data).change
                if change.entity_uid in entities:
                    versions[change.entity_uid].append(change.entity_version)
    finally:
        await reading.unsubscribe()
    return versions


@asynccontextmanager
async def relaying(house: Suite, made: Relay | None = None) -> AsyncIterator[Relay]:
    """A relay with a connection of its own, at work."""
    config = house.config("identity")
    one = made or Relay(config, Bus(config, "relay"), "identity")
    if not one.bus.client.is_connected:
        await one.bus.connect()
    loop = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        await one.stop()
        await asyncio.wait_for(loop, 10)
        await one.bus.close()
        await one.close()


def new_entities(count: int) -> list[str]:
    return [uids.new("plat") for _ in range(count)]


async def emptied(db: Database) -> None:
    async def empty() -> bool:
        return await waiting(db) == 0

    await until(empty)


async def test_two_relays_share_an_outbox_and_keep_the_order_of_each_entity(house: Suite, db: Database, bus: Bus):
    entities = new_entities(40)
    await record(db, entities, 50)
    assert await waiting(db) >= 2000
    async with relaying(house), relaying(house):
        await emptied(db)
    assert await published(bus, entities) == {uid: list(range(1, 51)) for uid in entities}


async def test_events_that_wait_for_a_lost_broker_all_arrive_once(
    house: Suite, db: Database, bus: Bus, own_nats: Nats, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relay, "RETRY", 0.05)
    entities = new_entities(10)
    async with relaying(house):
        await record(db, entities, 1)
        await emptied(db)
        ports = [int(address.rpartition(":")[2]) for address in (own_nats.address, own_nats.monitor)]
        await asyncio.to_thread(own_nats.stop)
        for version in (2, 3):
            async with db.begin(Caller.system("identity")) as tx:
                entries = [Entry("identity.platform.created", PlatformCreated(), uid, version) for uid in entities]
                await ledger.record(tx, *entries)
        assert await waiting(db) == 20
        await asyncio.to_thread(own_nats.start, *ports)
        await emptied(db)
    assert await published(bus, entities) == {uid: [1, 2, 3] for uid in entities}


async def test_a_relay_killed_between_publish_and_delete_leaves_no_duplicate(house: Suite, db: Database, bus: Bus):
    entities = new_entities(5)
    await record(db, entities, 2)
    config = house.config("identity")
    broken = Relay(config, Bus(config, "relay"), "identity")
    forget, broken.forget = broken.forget, text("SELECT 1 / 0, CAST(:ids AS bigint[])")
    async with relaying(house, broken):

        async def all_there() -> bool:
            return await published(bus, entities) == {uid: [1, 2] for uid in entities}

        await until(all_there)
        assert await waiting(db) == 10  # nothing is forgotten
        broken.forget = forget
        await emptied(db)
    assert await published(bus, entities) == {uid: [1, 2] for uid in entities}


class Choosy(Bus):
    """A connection that loses what belongs to one entity."""

    victim = b""
    lost = 0

    async def publish(self, subject: str, payload: bytes, headers: object) -> None:
        if self.victim in payload and self.lost < 3:
            self.lost += 1
            raise NatsTimeout
        await super().publish(subject, payload, headers)  # type: ignore[arg-type]  # the headers as they come


async def test_an_event_that_cannot_be_published_holds_up_its_own_entity_only(
    house: Suite, db: Database, bus: Bus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relay, "RETRY", 0.01)
    entities = new_entities(3)
    await record(db, entities, 3)
    config = house.config("identity")
    choosy = Choosy(config, "relay")
    choosy.victim = entities[1].encode()
    one = Relay(config, choosy, "identity")
    await choosy.connect()
    with pytest.raises(NatsTimeout):
        await one.publish_batch()
    assert await waiting(db) == 3
    assert await published(bus, entities) == {entities[0]: [1, 2, 3], entities[2]: [1, 2, 3]}
    async with relaying(house, one):
        await emptied(db)
    assert await published(bus, entities) == {uid: [1, 2, 3] for uid in entities}


async def test_a_relay_that_is_told_to_stop_publishes_what_is_committed(house: Suite, db: Database, bus: Bus):
    entities = new_entities(3)
    async with relaying(house) as one:
        one.wake()
        await record(db, entities, 1)
    assert await waiting(db) == 0
    assert await published(bus, entities) == {uid: [1] for uid in entities}
