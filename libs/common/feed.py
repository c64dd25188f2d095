"""The feed: what this service itself has just said, read from its stream once for all who watch.

A watcher names the place after which it wants to hear (a sequence number of the stream). What is recent comes from
memory, what is older from the stream; what the stream holds no more cannot be continued (`CURSOR_TOO_OLD`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from google.protobuf.message import DecodeError, Message
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamInfo

from libs.common.bus import Bus, Unreachable, stream_of
from libs.common.errors import Invalid, OutOfRange, Unavailable

log = logging.getLogger(__name__)

RECENT = 5_000  # events kept in memory
FETCH = 500
HISTORY_TIMEOUT = 1.0  # seconds without an event after which there is none
FETCH_TIMEOUT = 5.0  # seconds; nats-py does not notice a server restart inside one fetch
RETRY = 0.5  # seconds to wait when the broker is away
FORGET_AFTER = 60.0  # seconds after which the broker drops a place that nobody reads from


@dataclass(frozen=True, slots=True)
class Said:
    """One event and its place in the stream."""

    sequence: int
    event: Any


class Feed:
    """One reader of one service's stream, any number of watchers."""

    def __init__(self, bus: Bus, service: str, events: dict[str, type[Message]]) -> None:
        self.bus = bus
        self.stream = stream_of(service)
        self.events = {f"eridu.{subject}": kind for subject, kind in events.items()}
        self.recent: deque[Said] = deque(maxlen=RECENT)
        self.position = 0  # everything up to here is known
        self.floor = 0  # everything after this, up to there, is in memory
        self.epoch = ""  # which stream it is: one that was made anew counts from one again
        self.moved = asyncio.Condition()
        self.stopping = asyncio.Event()

    async def start(self) -> None:
        """Begin at the stream's present end: a snapshot that is read from now on has all that was said before."""
        info = await self.bus.jetstream.stream_info(self.stream)
        self.epoch = created(info.created)
        self.position = self.floor = info.state.last_seq

    async def run(self) -> None:
        """Read until told to stop; an outage of the broker is waited out."""
        subscription: JetStreamContext.PullSubscription | None = None
        while not self.stopping.is_set():
            try:
                subscription = subscription or await self.subscribe(self.position)
                await self.take(await subscription.fetch(FETCH, timeout=FETCH_TIMEOUT))
            except NatsTimeout:
                continue
            except Unreachable as error:
                log.warning("feed of %s: waiting, because %s", self.stream, type(error).__name__)
                subscription = None
                await asyncio.sleep(RETRY)
        if subscription is not None:
            await subscription.unsubscribe()

    async def subscribe(self, after: int) -> JetStreamContext.PullSubscription:
        """A place of our own in the stream, without acknowledgements: whoever reads knows how far it is."""
        info = await self.bus.jetstream.add_consumer(
            self.stream,
            ConsumerConfig(
                filter_subjects=sorted(self.events),
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=after + 1,
                ack_policy=AckPolicy.NONE,
                inactive_threshold=FORGET_AFTER,
            ),
        )
        return await self.bus.jetstream.pull_subscribe_bind(stream=self.stream, consumer=info.name)

    async def take(self, messages: list[Msg]) -> None:
        """Remember what came, and wake those who wait."""
        for said in self.decoded(messages):
            if said.sequence > self.position:
                if len(self.recent) == RECENT:
                    self.floor = self.recent[0].sequence
                self.recent.append(said)
                self.position = said.sequence
        async with self.moved:
            self.moved.notify_all()

    def decoded(self, messages: list[Msg]) -> Iterator[Said]:
        """Messages as events; one that cannot be read is passed over."""
        for msg in messages:
            try:
                yield Said(msg.metadata.sequence.stream, self.events[msg.subject].FromString(msg.data))
            except DecodeError as error:
                log.error("%s at %s is unreadable: %s", msg.subject, msg.metadata.sequence.stream, error)

    def cursor(self, sequence: int) -> str:
        """A place in the stream, as watchers keep it."""
        return f"{self.epoch}.{sequence}"

    async def place(self, cursor: str) -> int:
        """The place that a cursor names; Invalid (CURSOR_INVALID), or OutOfRange when it is one of another stream.

        It may be ahead of this reader: another replica has heard more, and other events have places too.
        """
        epoch, _, number = cursor.partition(".")
        if not (epoch.isascii() and number.isascii() and number.isdigit() and len(number) < 19):
            raise Invalid("CURSOR_INVALID", "this is no cursor of this watch")
        ahead = int(number) > self.position
        if epoch != self.epoch or (ahead and int(number) > (await self.info()).state.last_seq):
            raise too_old()
        return int(number)

    async def info(self) -> StreamInfo:
        """How the stream is now."""
        try:
            return await self.bus.jetstream.stream_info(self.stream)
        except Unreachable as error:
            raise Unavailable("BROKER_UNAVAILABLE", "the broker does not answer: try again") from error

    async def after(self, sequence: int, patience: float) -> AsyncIterator[list[Said]]:
        """What is said after a place, without a gap, for ever; an empty list when nothing is said for a while."""
        while True:
            if sequence < self.floor:  # older than what memory holds
                async for older in self.history(sequence):
                    yield older
                    sequence = older[-1].sequence
                sequence = max(sequence, self.floor)
            newer = self.newer(sequence)
            yield newer
            sequence = newer[-1].sequence if newer else sequence
            try:
                await asyncio.wait_for(self.more(sequence), patience)
            except TimeoutError:
                pass

    async def more(self, sequence: int) -> None:
        """Wait until something is said after a place."""
        async with self.moved:
            await self.moved.wait_for(lambda: self.position > sequence)

    def newer(self, sequence: int) -> list[Said]:
        """What memory holds after a place."""
        found = list(takewhile(lambda said: said.sequence > sequence, reversed(self.recent)))
        found.reverse()
        return found

    async def history(self, sequence: int) -> AsyncIterator[list[Said]]:
        """What the stream holds after a place, up to where memory begins; OutOfRange when some of it is gone."""
        info = await self.info()
        try:
            if info.state.first_seq > sequence + 1 or created(info.created) != self.epoch:
                raise too_old()
            subscription = await self.subscribe(sequence)
            while sequence < self.floor:
                found = list(self.decoded(await subscription.fetch(FETCH, timeout=HISTORY_TIMEOUT)))
                if found:
                    yield found
                    sequence = found[-1].sequence
            await subscription.unsubscribe()
        except NatsTimeout:
            return  # nothing of ours is between here and there
        except Unreachable as error:
            raise Unavailable("BROKER_UNAVAILABLE", "the broker does not answer: try again") from error


def created(stamp: datetime | None) -> str:
    """When a stream was made, as a word."""
    return f"{int(stamp.timestamp() * 1000):x}" if stamp else "0"


def too_old() -> OutOfRange:
    """The refusal of a cursor whose events are gone: begin again with a snapshot."""
    return OutOfRange("CURSOR_TOO_OLD", "what was said after this cursor is gone: begin again without one")
