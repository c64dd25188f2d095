"""The event bus: NATS JetStream. One stream per service, events as protobuf with CloudEvents attributes in the headers.

JetStream is transport, the ledger is the record: whatever is lost here can be published again from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from libs.common.config import Config

log = logging.getLogger(__name__)

DAY = 24 * 3600.0
MAX_AGE = 14 * DAY  # seconds an event stays in its stream; the ledger keeps it for good
MAX_BYTES = 768 * 1024**2  # of one stream; the four together stay below the server's bound
MAX_MESSAGE = 512 * 1024
DEDUPE_WINDOW = 30 * 60.0  # seconds; longer than the relay may have to repeat a publish

Unreachable = (NatsError, OSError, TimeoutError)  # what a call raises while the server is away


def stream_of(service: str) -> str:
    """Name of a service's stream: `ERIDU_PRODUCTION`."""
    return f"ERIDU_{service.upper()}"


class Bus:
    """A connection to NATS that reconnects for ever."""

    def __init__(self, config: Config, name: str) -> None:
        self.config = config
        self.name = name
        self.client = Client()

    async def connect(self) -> None:
        """Connect, however long it takes until a server answers; a lost connection is made again for ever."""
        self.client = await nats.connect(
            servers=self.config.nats_url.split(","),
            name=f"eridu.{self.name}",
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,
            ping_interval=5,
            max_outstanding_pings=2,
            connect_timeout=3,
            drain_timeout=1,
            error_cb=self.on_error,
            disconnected_cb=self.on_lost,
            reconnected_cb=self.on_back,
        )

    async def on_error(self, error: Exception) -> None:
        """Say it in one line; nats-py's own default prints a traceback for every refused connect."""
        log.warning("bus: %s", error or type(error).__name__)

    async def on_lost(self) -> None:
        """Say that the broker is away."""
        log.warning("bus: connection lost")

    async def on_back(self) -> None:
        """Say that the broker is back."""
        log.info("bus: connected again")

    @property
    def jetstream(self) -> JetStreamContext:
        """The JetStream API, with a timeout that the relay can live with."""
        return self.client.jetstream(timeout=5)

    async def ensure_stream(self, service: str) -> None:
        """Make the stream of a service, or bring it to its definition."""
        wanted = StreamConfig(
            name=stream_of(service),
            subjects=[f"eridu.{service}.>"],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.NEW,
            num_replicas=self.config.stream_replicas,
            max_age=MAX_AGE,
            max_bytes=MAX_BYTES,
            max_msg_size=MAX_MESSAGE,
            duplicate_window=DEDUPE_WINDOW,
            deny_delete=True,
        )
        try:
            await self.jetstream.stream_info(stream_of(service))
        except NotFoundError:
            await self.jetstream.add_stream(wanted)
        else:
            await self.jetstream.update_stream(wanted)

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> None:
        """Publish and wait until the server has it on disk. Raises `nats.errors.Error` when it does not say so."""
        await self.jetstream.publish(subject, payload, headers=dict(headers), timeout=5)

    async def overhear(self, subject: str, react: Callable[[], None]) -> None:
        """Call `react` for every event that passes by: for caches, which may miss one and expire anyway."""

        async def heard(_: Msg) -> None:
            react()

        await self.client.subscribe(subject, cb=heard)

    async def close(self) -> None:
        """Flush what was sent and close."""
        try:
            if self.client.is_connected:
                await self.client.drain()
            elif self.client.is_reconnecting:
                await self.client.close()
        except Unreachable as error:
            log.info("bus: closed without its server: %s", type(error).__name__)


def headers(
    event_uid: str, event_type: str, source: str, at: datetime, entity_uid: str, trace_id: str
) -> dict[str, str]:
    """The headers of an event: NATS deduplication and CloudEvents 1.0 attributes in binary mode."""
    return {
        "Nats-Msg-Id": event_uid,
        "ce-specversion": "1.0",
        "ce-id": event_uid,
        "ce-type": event_type,
        "ce-source": source,
        "ce-time": at.isoformat(),
        "ce-subject": entity_uid,
        "ce-datacontenttype": "application/protobuf",
    } | ({"ce-traceid": trace_id} if trace_id else {})
