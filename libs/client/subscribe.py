"""Events of the suite, for systems that follow it.

    async for event in subscribe(nats_url, "eridu.production.show.confirmed", durable="billing"):
        print(event.payload.show.name)
        await event.ack()

Delivery is at least once: an event that is not acknowledged comes again, after ACK_WAIT or a restart. `event.uid` is
the same each time, so a subscriber that keeps the uids it has worked on does everything once. The broker may go away
and come back: the loop waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import nats

# The messages that `ce-type` names.
from eridu.identity.v1 import events_pb2 as identity_events  # noqa: F401 (imported for the descriptor pool)
from eridu.production.v1 import events_pb2 as production_events  # noqa: F401 (the same)
from eridu.scheduling.v1 import events_pb2 as scheduling_events  # noqa: F401 (the same)
from eridu.tasks.v1 import events_pb2 as tasks_events  # noqa: F401 (the same)
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from libs.common.bus import Unreachable, stream_of
from libs.common.consumers import fetch_waiting

log = logging.getLogger("eridu.client")

SERVICES = ("identity", "scheduling", "production", "tasks")
SUBJECT = re.compile(rf"eridu\.({'|'.join(SERVICES)})(\.([a-z_]+|\*))*(\.>)?")
ACK_WAIT = 120.0  # seconds until an event that nobody acknowledged comes again
FETCH = 50  # events taken at once: few enough to be worked on, one after the other, within ACK_WAIT
AT_ONCE = 1_000  # events that may wait for their acknowledgement
FORGET_AFTER = 300.0  # seconds that the place of a subscriber without a name is kept while it is away
PAUSE = 0.5  # seconds between two attempts while the broker is away


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `payload` is its protobuf message, or None when this client is older than the event's type."""

    uid: str
    type: str
    subject: str
    payload: Any
    msg: Msg

    async def ack(self) -> None:
        """It had its effect: do not send it again."""
        await self.msg.ack()

    async def later(self, seconds: float) -> None:
        """Send it again after a while."""
        await self.msg.nak(delay=seconds)


class Subscription:
    """Iterate over it for events. `async with` connects before the first one, and closes at the end."""

    def __init__(self, nats_url: str, subject: str, durable: str) -> None:
        found = SUBJECT.fullmatch(subject)
        if not found:
            raise ValueError(f"{subject!r} is no subject of one service, like eridu.production.show.confirmed")
        if durable in SERVICES or not re.fullmatch(r"[A-Za-z0-9_-]{0,64}", durable):
            raise ValueError(f"{durable!r} cannot be the name of a subscriber: letters, digits, - and _; no service")
        self.nats_url = nats_url
        self.subject = subject
        self.stream = stream_of(found[1])
        self.durable = durable
        self.name = durable or f"client_{secrets.token_hex(8)}"
        self.client = Client()
        self.opened = False
        self.messages: JetStreamContext.PullSubscription | None = None
        self.seen = 0  # the last event's place in the stream

    async def open(self) -> Self:
        """Connect and take the place in the stream: what happens from now on is not missed."""
        self.client = await nats.connect(
            servers=self.nats_url.split(","),
            name=f"eridu.client.{self.name}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=PAUSE,
            ping_interval=5,
            max_outstanding_pings=2,
            connect_timeout=3,
            error_cb=on_error,
        )
        try:
            self.messages = await self.bind()
        except BaseException:
            await self.client.close()
            raise
        self.opened = True
        return self

    async def close(self) -> None:
        """Leave. A subscriber with a name continues from here when it comes back."""
        self.opened = False
        if self.client.is_connected and not self.durable:
            with suppress(NotFoundError, *Unreachable):
                await self.client.jetstream().delete_consumer(self.stream, self.name)
        await self.client.close()
        self.messages = None

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        ours = not self.opened
        if ours:
            await self.open()
        try:
            while True:
                for msg in await self.fetch():
                    event = await read(msg)
                    self.seen = msg.metadata.sequence.stream
                    if event is not None:
                        yield event
        finally:
            if ours:
                await self.close()

    async def fetch(self) -> list[Msg]:
        """What waits in the stream; nothing when nothing comes for a while, or when the broker is away."""
        try:
            self.messages = self.messages or await self.bind()
            return await fetch_waiting(self.messages, FETCH)
        except NatsTimeout:
            return []
        except Unreachable as error:
            log.warning("subscriber %s: waiting, because %s", self.name, type(error).__name__)
            self.messages = None
            await asyncio.sleep(PAUSE)
            return []

    async def bind(self) -> JetStreamContext.PullSubscription:
        """Take this subscriber's place in the stream; make it when there is none, or none any more."""
        jetstream = self.client.jetstream(timeout=5)
        try:
            await jetstream.consumer_info(self.stream, self.name)
        except NotFoundError:
            await jetstream.add_consumer(self.stream, self.definition())
        return await jetstream.pull_subscribe_bind(stream=self.stream, durable=self.name)

    def definition(self) -> ConsumerConfig:
        """The place in the stream. With a name it begins at the first event that the stream has, else with the next."""
        begin = DeliverPolicy.ALL if self.durable else DeliverPolicy.NEW
        return ConsumerConfig(
            name=self.name,
            durable_name=self.durable or None,
            filter_subject=self.subject,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE if self.seen else begin,
            opt_start_seq=self.seen + 1 if self.seen else None,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_deliver=-1,
            max_ack_pending=AT_ONCE,
            inactive_threshold=None if self.durable else FORGET_AFTER,
        )


def subscribe(nats_url: str, subject: str, *, durable: str = "") -> Subscription:
    """The events of a subject, `*` and `>` included (`eridu.tasks.task.*`), of one service.

    With `durable` a subscriber keeps its place under that name: it begins with the first event that the stream has and
    continues where it stopped; several processes with one name share the work. Without it, it hears what happens while
    it is there.
    """
    return Subscription(nats_url, subject, durable)


async def read(msg: Msg) -> Event | None:
    """The event in a message; None for one that cannot be read, which is not sent again."""
    headers = msg.headers or {}
    kind = headers.get("ce-type", "")
    try:
        payload = decode(kind, msg.data)
    except DecodeError as error:
        log.error("%s at %s is unreadable: %s", kind, msg.metadata.sequence.stream, error)
        await msg.term()
        return None
    return Event(headers.get("ce-id", ""), kind, msg.subject, payload, msg)


def decode(kind: str, data: bytes) -> Any:
    """The protobuf message of an event type; None for a type that is not known here."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(kind)
    except KeyError:
        return None
    return message_factory.GetMessageClass(descriptor).FromString(data)


async def on_error(error: Exception) -> None:
    """One line instead of the traceback that nats-py prints for every refused connect."""
    log.warning("broker: %s", error or type(error).__name__)
