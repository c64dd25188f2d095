"""Consumers: a service's ear on another service's stream. Exactly once in effect, however often an event comes.

Events are handed over in runs: those that came together and go to the same handler share one transaction, so that
a thousand of them are a few statements. The handler's command claims them in the inbox; what was seen before is taken
out and acknowledged, what cannot be worked on is set aside for a person (`parked`) and never holds up the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Generic, TypeVar

from google.protobuf.message import DecodeError, Message
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from libs.common.access import Caller
from libs.common.bus import Bus, Unreachable, stream_of
from libs.common.db import Database
from libs.common.errors import Overloaded, Stale, Unauthenticated, Unavailable
from libs.common.once import AlreadySeen, EventsOnce
from libs.common.rpc.status import refusal_of

log = logging.getLogger(__name__)

FETCH = 500
FETCH_TIMEOUT = 5.0  # seconds; nats-py does not notice a server restart inside one fetch
FETCH_REST_TIMEOUT = 0.25
ACK_WAIT = 10.0  # seconds until others get what a killed consumer had in hand; a living one says that it goes on
RUN_BYTES = 2 * 1024**2  # of events that share a transaction
BUG_ATTEMPTS = 5  # deliveries of a message that raises what nobody foresaw, before it is parked
BACKOFF = (0.2, 1.0, 5.0, 30.0)  # seconds between deliveries

HOUSE = (Stale, Unavailable, Overloaded, Unauthenticated)  # refusals that are no fault of the event: it comes again
Away = (DBAPIError, PoolTimeout, *Unreachable)  # the database or the broker does not answer

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Heard(Generic[M]):
    """Events that came together for one handler, and the caller to run its command as."""

    caller: Caller
    events: Sequence[M]


@dataclass(frozen=True, slots=True)
class Hears(Generic[M]):
    """What a service listens to: the event types of one stream, and the function that takes runs of them."""

    events: dict[str, type[M]]  # subject without `eridu.`, or `<service>.>` for all the others: message type
    handle: Callable[[Heard[Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message, decoded."""

    msg: Msg
    event: Any
    event_uid: str
    hears: Hears[Any]


class Consumer:
    """One durable consumer: this service on that stream."""

    def __init__(self, db: Database, bus: Bus, service: str, stream: str, hears: Sequence[Hears[Any]]) -> None:
        self.db = db
        self.bus = bus
        self.service = service
        self.stream = stream
        self.by_subject = {f"eridu.{subject}": (kind, h) for h in hears for subject, kind in h.events.items()}
        self.rest = f"eridu.{stream}.>"
        self.stopping = asyncio.Event()
        self.subscription: JetStreamContext.PullSubscription | None = None

    async def subscribe(self) -> JetStreamContext.PullSubscription:
        """Make the durable consumer, or join it."""
        await self.bus.ensure_stream(self.stream)
        durable = await self.ensure()
        return await self.bus.jetstream.pull_subscribe_bind(stream=stream_of(self.stream), durable=durable)

    async def ensure(self) -> str:
        """The consumer's definition, kept by every start."""
        info = await self.bus.jetstream.add_consumer(
            stream_of(self.stream),
            ConsumerConfig(
                durable_name=self.service,
                filter_subjects=[self.rest] if self.rest in self.by_subject else sorted(self.by_subject),
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT,
                max_deliver=-1,
                max_ack_pending=4 * FETCH,
            ),
        )
        return str(info.name)

    async def run(self) -> None:
        """Listen until told to stop; an outage of the broker or the database is waited out."""
        stopped = asyncio.create_task(self.stopping.wait())
        while not self.stopping.is_set():
            fetch = asyncio.create_task(self.fetch())
            await asyncio.wait({fetch, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not fetch.done():  # told to stop: what is on its way already is still worked on
                await asyncio.wait({fetch}, timeout=FETCH_REST_TIMEOUT)
            if not fetch.done():
                fetch.cancel()
                await asyncio.wait({fetch})
                break
            try:
                await self.work(fetch.result())
            except Away as error:
                log.warning("consumer %s on %s: waiting, because %s", self.service, self.stream, type(error).__name__)
                await self.unsubscribe()
                await asyncio.wait({stopped}, timeout=0.5)
        stopped.cancel()
        await self.unsubscribe()

    async def fetch(self) -> list[Msg]:
        """What waits now, or what comes within some seconds; nothing when nothing comes."""
        if self.subscription is None:
            self.subscription = await self.subscribe()
        try:
            return await fetch_waiting(self.subscription)
        except NatsTimeout:
            return []

    async def unsubscribe(self) -> None:
        """Let go of the subscription, so that the server hands the next event to somebody who listens."""
        subscription, self.subscription = self.subscription, None
        try:
            if subscription is not None:
                await subscription.unsubscribe()
        except Unreachable:
            log.debug("the server has let go of it already")

    async def work(self, messages: Sequence[Msg]) -> None:
        """Work on what one fetch brought: decode, cut into runs of one handler, hand over."""
        async with in_hand(messages):
            deliveries = [delivery for msg in messages if (delivery := await self.decode(msg)) is not None]
            for run in runs_of(deliveries):
                await self.hand_over(run)

    async def decode(self, msg: Msg) -> Delivery | None:
        """Read a message; one that cannot be read is parked."""
        known = self.by_subject.get(msg.subject) or self.by_subject.get(self.rest)
        if known is None:  # while replicas of two releases share the consumer: the newer knows it
            await self.again(msg, "UNKNOWN_SUBJECT", "no handler for this subject")
            return None
        kind, hears = known
        try:
            event = kind.FromString(msg.data)
            event_uid = event.change.event_uid
            if not event_uid:
                raise DecodeError("no event uid")
        except DecodeError as error:
            await self.park(msg, "UNREADABLE", str(error))
            return None
        return Delivery(msg, event, event_uid, hears)

    async def hand_over(self, run: Sequence[Delivery]) -> None:
        """Give a run to its handler in one go; if that fails for one event's sake, give them one by one."""
        unique = list({delivery.event_uid: delivery for delivery in run}.values())
        try:
            await self.handle(unique)
        except AlreadySeen as seen:
            await self.acknowledge([delivery for delivery in run if delivery.event_uid in seen.event_uids])
            fresh = [delivery for delivery in run if delivery.event_uid not in seen.event_uids]
            if fresh:
                await self.hand_over(fresh)
        except Exception as error:
            await self.give_up(run, error)
        else:
            await self.acknowledge(run)

    async def give_up(self, run: Sequence[Delivery], error: Exception) -> None:
        """Decide what becomes of events that had no effect."""
        refusal = refusal_of(error)
        if isinstance(refusal, HOUSE) or isinstance(error, Unreachable):
            log.warning("consumer %s on %s: later, because %s", self.service, self.stream, type(error).__name__)
            for delivery in run:
                await self.later(delivery.msg)
        elif len(run) > 1:  # so that one bad event harms itself only
            for delivery in run:
                await self.hand_over([delivery])
        elif refusal is not None:
            await self.park(run[0].msg, refusal.reason, refusal.message)
        else:
            log.error("consumer %s on %s failed", self.service, self.stream, exc_info=error)
            await self.again(run[0].msg, "BUG", type(error).__name__)

    async def handle(self, run: Sequence[Delivery]) -> None:
        """Call the handler as the service itself, once for these events."""
        once = EventsOnce(f"{self.service}.{self.stream}", [delivery.event_uid for delivery in run])
        caller = Caller.system(self.service, once, run[0].event.change.trace_id)
        await run[0].hears.handle(Heard(caller, [delivery.event for delivery in run]))

    async def acknowledge(self, run: Sequence[Delivery]) -> None:
        """Tell the stream that these had their effect."""
        for delivery in run:
            await delivery.msg.ack()

    async def later(self, msg: Msg) -> None:
        """Ask for this again after a pause that grows with each delivery."""
        await msg.nak(delay=BACKOFF[min(msg.metadata.num_delivered, len(BACKOFF)) - 1])

    async def again(self, msg: Msg, reason: str, detail: str) -> None:
        """Ask for this again some times, then set it aside."""
        if msg.metadata.num_delivered < BUG_ATTEMPTS:
            await self.later(msg)
        else:
            await self.park(msg, reason, detail)

    async def park(self, msg: Msg, reason: str, detail: str) -> None:
        """Set a poison message aside, with why, and end its delivery; later, if the database is away."""
        try:
            await self.keep(msg, reason, detail)
        except (DBAPIError, PoolTimeout) as error:
            log.warning("consumer %s on %s: cannot park, because %s", self.service, self.stream, type(error).__name__)
            await self.later(msg)
        else:
            log.error("consumer %s on %s parked a message: %s %s", self.service, self.stream, reason, detail)
            await msg.term()

    async def keep(self, msg: Msg, reason: str, detail: str) -> None:
        """Keep a message for a person to look at."""
        async with self.db.writer.begin() as conn:
            await conn.execute(
                text(
                    f"INSERT INTO {self.db.schema}.parked (consumer, stream_sequence, subject, payload, reason, detail)"
                    " VALUES (:consumer, :sequence, :subject, :payload, :reason, :detail) ON CONFLICT DO NOTHING"
                ),
                {
                    "consumer": f"{self.service}.{self.stream}",
                    "sequence": msg.metadata.sequence.stream,
                    "subject": msg.subject,
                    "payload": msg.data,
                    "reason": reason,
                    "detail": detail,
                },
            )

    async def stop(self) -> None:
        """End after the run in hand."""
        self.stopping.set()


def runs_of(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Events that came together, cut where the handler changes and where a transaction would become too large."""
    for _, same in groupby(deliveries, key=lambda delivery: id(delivery.hears)):
        run: list[Delivery] = []
        size = 0
        for delivery in same:
            if run and size + len(delivery.msg.data) > RUN_BYTES:
                yield run
                run, size = [], 0
            run.append(delivery)
            size += len(delivery.msg.data)
        yield run


@asynccontextmanager
async def in_hand(messages: Sequence[Msg]) -> AsyncIterator[None]:
    """Tell the stream again and again that these are being worked on, so that it gives them to nobody else."""

    async def say_so() -> None:
        while True:
            await asyncio.sleep(ACK_WAIT / 3)
            for msg in messages:
                if not msg.is_acked:
                    await msg.in_progress()

    saying = asyncio.create_task(say_so())
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.wait({saying})
        if not saying.cancelled() and (error := saying.exception()):
            log.warning("could not say that work goes on: %s", type(error).__name__)


async def fetch_waiting(subscription: JetStreamContext.PullSubscription, most: int = FETCH) -> list[Msg]:
    """Wait for one message, then take those that wait behind it: no delay for a single one, few calls for many.

    (One `fetch` of many would wait for its timeout when fewer come.)
    """
    messages: list[Msg] = await subscription.fetch(1, timeout=FETCH_TIMEOUT)
    waiting = min(messages[0].metadata.num_pending, most - 1)
    if waiting:
        try:
            messages += await subscription.fetch(waiting, timeout=FETCH_REST_TIMEOUT)
        except Unreachable:
            log.debug("another replica took the rest")
    return messages
