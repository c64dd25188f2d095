"""A service process: what all four have in common, from the first connection to the last drained call."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from eridu.identity.v1.access_service_pb2 import GetPrincipalRequest
from eridu.identity.v1.access_service_pb2_grpc import AccessServiceStub
from google.protobuf.message import Message

from libs.common import logs
from libs.common.access import Principal
from libs.common.bus import Bus, Unreachable
from libs.common.config import Config
from libs.common.consumers import Consumer, Hears
from libs.common.db import Database, Refusals
from libs.common.feed import Feed
from libs.common.principals import Lookup, Principals
from libs.common.relay import Relay
from libs.common.repeat import Repeat
from libs.common.rpc import interceptors
from libs.common.rpc.neighbours import Neighbours
from libs.common.rpc.server import Server
from libs.common.tokens import Claims, Verifier

log = logging.getLogger("eridu.process")

# After SIGTERM, in seconds; all in all less than the ten after which a supervisor kills.
CALLS_GRACE = 5.0  # for calls in hand
LOOP_GRACE = 1.5  # for events in hand, and again for what is to be published
# What identity says when somebody's rights are others than before.
RIGHTS_CHANGED = ("membership.*", "user.*", "*.deleted", "*.undeleted")
BUS_RETRY = 1.0  # between two attempts to find the bus ready at the start


class Process:
    """The parts of one service, started in order and drained in reverse."""

    def __init__(self, config: Config, service: str, refusals: Refusals, lookup: Lookup | None = None) -> None:
        self.config = config
        self.service = service
        self.db = Database(config, service, refusals)
        self.bus = Bus(config, service)
        self.relay = Relay(config, self.bus, service)
        self.neighbours = Neighbours(config, service)
        self.principals = Principals(lookup or self.ask_identity, config.principal_ttl)
        authenticate = interceptors.authenticate(Verifier(config), self.principals)
        self.server = Server(
            config,
            service,
            [
                interceptors.bound_time,
                interceptors.admit(config),
                authenticate,
                interceptors.ask_declaration,
                interceptors.read_and_validate,
                interceptors.repeat_lost_races,
                interceptors.answer_once,
            ],
            authenticate,
        )
        self.consumers: list[Consumer] = []
        self.repeats: list[Repeat] = []
        self.feed: Feed | None = None
        self.listening: list[asyncio.Task[None]] = []
        self.relaying: list[asyncio.Task[None]] = []
        self.db.committed = self.relay.wake
        self.before_serving: Callable[[], Awaitable[None]] = nothing

    def hear(self, stream: str, hears: Sequence[Hears[Any]]) -> None:
        """Listen to another service's stream."""
        self.consumers.append(Consumer(self.db, self.bus, self.service, stream, hears))

    def repeat(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do something again and again while the process runs; every replica does."""
        self.repeats.append(Repeat(seconds, work))

    def watched(self, events: dict[str, type[Message]]) -> Feed:
        """What this service says of these, for those who watch."""
        self.feed = Feed(self.bus, self.service, events)
        return self.feed

    async def ask_identity(self, claims: Claims) -> Principal:
        """The rights behind a token, from identity."""
        # Asked in this service's own name: the user's rights are the question, not the permission.
        access = AccessServiceStub(self.neighbours.channel("identity"))
        question = GetPrincipalRequest(ext_id=claims.subject, email=claims.email, email_verified=claims.email_verified)
        answer = await self.neighbours.ask(access.GetPrincipal, question, own_name=True)
        return Principal(
            answer.user_uid,
            answer.system_admin,
            {role.group_uid: role.role for role in answer.roles},
            answer.banned,
            answer.valid_until.ToNanoseconds() / 1e9 if answer.HasField("valid_until") else math.inf,
        )

    async def start(self) -> None:
        """Connect, begin to relay and to listen, then serve."""
        await self.db.ping()
        await self.reach_bus()
        for subject in RIGHTS_CHANGED:
            await self.bus.overhear(f"eridu.identity.{subject}", self.principals.forget)
        self.relaying = [asyncio.create_task(self.relay.run())]
        self.listening = [asyncio.create_task(consumer.run()) for consumer in self.consumers]
        self.listening += [asyncio.create_task(repeat.run()) for repeat in self.repeats]
        if self.feed is not None:
            await self.feed.start()
            self.listening.append(asyncio.create_task(self.feed.run()))
        for task in (*self.relaying, *self.listening):
            task.add_done_callback(self.on_ended)
        await self.before_serving()
        port = await self.server.start()
        log.info("%s serves on port %s", self.service, port)

    async def reach_bus(self) -> None:
        """Connect to the bus and make this service's stream; a bus that is not up yet is waited for."""
        await self.bus.connect()
        while True:
            try:
                return await self.bus.ensure_stream(self.service)
            except Unreachable as error:
                log.warning("%s waits for the bus: %s", self.service, str(error) or type(error).__name__)
                await asyncio.sleep(BUS_RETRY)

    def on_ended(self, task: asyncio.Task[None]) -> None:
        """A loop must not end by itself: better no process than one that has stopped to relay or to listen."""
        if not task.cancelled() and task.exception():
            log.critical("a loop of %s broke", self.service, exc_info=task.exception())
            signal.raise_signal(signal.SIGTERM)

    async def drain(self) -> None:
        """Stop in order: no new calls, end those in hand, no new events, publish what is left, close."""
        await self.server.drain(CALLS_GRACE)
        for consumer in self.consumers:
            await consumer.stop()
        for repeat in self.repeats:
            await repeat.stop()
        if self.feed is not None:
            self.feed.stopping.set()
        await ended(self.listening)
        await self.relay.stop()
        await ended(self.relaying)
        await self.neighbours.close()
        await self.bus.close()
        await self.relay.close()
        await self.db.close()


async def ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for loops that were told to stop, and end those that do not."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=LOOP_GRACE)
        for task in late:
            task.cancel()
            log.warning("a loop was ended in the middle: its work is done again later")


async def nothing() -> None:
    """What most services do before they serve."""


async def run(process: Process) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    told = asyncio.create_task(stopped.wait())
    starting = asyncio.create_task(process.start())
    await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
    else:
        starting.cancel()
    await told
    log.info("%s drains", process.service)
    await process.drain()


def main(
    service: str,
    compose: Callable[[Config], Process],
    scripts: Path,
    **errands: Callable[[Config], Coroutine[Any, Any, None]],
) -> None:
    """`python -m services.<service>` serves; with `migrate`, brings the schema up to date as the database's owner.

    With the name of one of the service's errands it runs that, and ends.
    """
    config = Config()  # type: ignore[call-arg]  # from the environment
    logs.set_up(config.log_format, config.log_level)
    if sys.argv[1:] == ["migrate"]:
        from libs.common import migrations  # Alembic takes longer to import than all the rest, and serving needs none

        migrations.upgrade(config.database_url, service, scripts)
        return
    if sys.argv[1:] and sys.argv[1] in errands:
        asyncio.run(errands[sys.argv[1]](config))
        return
    asyncio.run(serve(compose, config))


async def serve(compose: Callable[[Config], Process], config: Config) -> None:
    """Compose inside the loop that will run it."""
    await run(compose(config))
