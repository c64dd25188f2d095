"""The subscriber on the events of the real services."""

from __future__ import annotations

import asyncio
import uuid
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import nats
import pytest
from eridu.identity.v1.client_service_pb2 import CreateClientRequest
from eridu.identity.v1.events_pb2 import ClientCreated

from libs.client.subscribe import Event, Subscription, decode, subscribe
from libs.common.bus import stream_of
from tests.support.suite import Suite

CREATED = "eridu.identity.client.created"


async def make_client(suite: Suite) -> str:
    name = f"client {uuid.uuid4()}"
    await suite.caller()(CreateClientRequest(name=name))
    return name


def durable() -> str:
    return f"test_{uuid.uuid4().hex}"


async def find(events: Subscription, wanted: Callable[[Event], bool]) -> Event:
    """The first event that is wanted; those before it are acknowledged."""
    async with asyncio.timeout(30):
        async for event in events:
            if wanted(event):
                return event
            await event.ack()
    raise AssertionError("a subscription does not end")


def named(name: str) -> Callable[[Event], bool]:
    return lambda event: event.payload.client.name == name


async def test_an_event_comes_decoded_with_its_type_and_its_uid(suite: Suite):
    async with subscribe(suite.nats_url, CREATED) as events:
        event = await find(events, named(await make_client(suite)))
        await event.ack()
    assert isinstance(event.payload, ClientCreated)
    assert (event.type, event.subject) == ("eridu.identity.v1.ClientCreated", CREATED)
    assert event.uid == event.payload.change.event_uid


async def test_a_subscriber_with_a_name_continues_where_it_stopped(suite: Suite):
    name = durable()
    first = await make_client(suite)
    async with subscribe(suite.nats_url, CREATED, durable=name) as events:
        event = await find(events, named(first))
        await event.msg.ack_sync()  # the broker knows it before we leave
    second = await make_client(suite)
    async with subscribe(suite.nats_url, CREATED, durable=name) as events:
        seen = []
        async for event in events:
            seen.append(event.payload.client.name)
            await event.ack()
            if seen[-1] == second:
                break
    assert first not in seen


async def test_what_is_put_off_comes_again(suite: Suite):
    async with subscribe(suite.nats_url, CREATED, durable=durable()) as events:
        wanted = named(await make_client(suite))
        event = await find(events, wanted)
        await event.later(0.1)
        again = await find(events, wanted)
        await again.ack()
    assert again.uid == event.uid
    assert again.msg.metadata.num_delivered == 2


async def heard_until(events: Subscription, name: str) -> list[str]:
    """The names of the clients that are heard of, up to this one."""
    seen: list[str] = []
    async with asyncio.timeout(30):
        async for event in events:
            seen.append(event.payload.client.name)
            await event.ack()
            if seen[-1] == name:
                break
    return seen


async def test_without_a_name_only_what_comes_from_now_on_is_heard_and_no_place_is_kept(suite: Suite):
    async with subscribe(suite.nats_url, CREATED) as earlier:
        before = await make_client(suite)
        await heard_until(earlier, before)
    async with subscribe(suite.nats_url, CREATED) as events:
        after = await make_client(suite)
        assert before not in await heard_until(events, after)
    client = await nats.connect(suite.nats_url)
    consumers = await client.jetstream().consumers_info(stream_of("identity"))
    await client.close()
    assert events.name not in {consumer.name for consumer in consumers}


async def test_a_place_that_the_broker_lost_is_taken_again_without_a_gap(suite: Suite):
    async with subscribe(suite.nats_url, CREATED) as events:
        first = await find(events, named(await make_client(suite)))
        await first.ack()
        await events.client.jetstream().delete_consumer(events.stream, events.name)
        missed = await make_client(suite)
        events.messages = None  # as after any error of the broker
        await (await find(events, named(missed))).ack()


async def test_the_connection_may_break(suite: Suite):
    url = urlsplit(suite.nats_url)
    assert url.hostname
    assert url.port
    async with wire(url.hostname, url.port) as (port, cut):
        there = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}").geturl()
        async with subscribe(there, CREATED) as events:
            await (await find(events, named(await make_client(suite)))).ack()
            cut()
            await (await find(events, named(await make_client(suite)))).ack()


@asynccontextmanager
async def wire(host: str, port: int) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """A wire to the broker that can be cut: the port of its near end, and the scissors."""
    ends: list[StreamWriter] = []

    async def pump(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, port)
        ends.extend((writer, far_writer))
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    def cut() -> None:
        for end in ends:
            end.close()
        ends.clear()

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        yield server.sockets[0].getsockname()[1], cut
        cut()


async def test_an_unreadable_message_holds_up_nobody(suite: Suite):
    async with subscribe(suite.nats_url, "eridu.identity.client.*") as events:
        client = await nats.connect(suite.nats_url)
        headers = {"ce-type": "eridu.identity.v1.ClientCreated", "ce-id": str(uuid.uuid4())}
        # A subject of its own: the services must not hear it.
        await client.jetstream().publish("eridu.identity.client.mangled", b"\xff\xff\xff", headers=headers)
        await client.close()
        await (await find(events, named(await make_client(suite)))).ack()


def test_a_type_that_is_not_known_here_has_no_payload():
    assert decode("eridu.identity.v1.SomethingOfTheFuture", b"") is None
    assert isinstance(decode("eridu.identity.v1.ClientCreated", b""), ClientCreated)


@pytest.mark.parametrize("subject", ["", "eridu.>", "eridu.*.client.created", "billing.>", "eridu.identity..created"])
def test_a_subject_that_is_none_of_one_service_is_refused(subject: str):
    with pytest.raises(ValueError, match="no subject"):
        subscribe("nats://127.0.0.1", subject)


@pytest.mark.parametrize("name", ["tasks", "a b", "a.b", "x" * 65])
def test_a_name_that_would_take_a_services_place_or_that_the_broker_refuses_is_refused(name: str):
    with pytest.raises(ValueError, match="cannot be the name"):
        subscribe("nats://127.0.0.1", CREATED, durable=name)
