"""The relay: publishes what the outbox holds, in order for each entity, and only then forgets it.

A partition of the outbox is locked by the transaction that empties it, so any number of relays (one in every replica)
share the work without reordering one entity's events. A crash anywhere only repeats a publish, which the stream's
dedupe window and every consumer's inbox absorb.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from libs.common.bus import Bus, Unreachable, headers
from libs.common.config import Config
from libs.common.db import engine

log = logging.getLogger(__name__)

BATCH = 500
POLL = 0.5  # seconds; commits of this process wake the relay at once, the poll is for what a killed one left
RETRY = 0.5  # seconds to wait when the database or the broker is away


class Relay:
    """Moves events from one service's outbox to its stream."""

    def __init__(self, config: Config, bus: Bus, schema: str) -> None:
        self.bus = bus
        self.schema = schema
        self.engine = engine(config, schema, 1)
        self.work = asyncio.Event()
        self.stopping = False
        self.lock_space = zlib.crc32(f"eridu.relay.{schema}".encode()) & 0x7FFFFFFF
        self.take = text(
            f"""
            WITH mine AS MATERIALIZED (
                SELECT partition FROM (SELECT DISTINCT partition FROM {schema}.outbox) AS waiting
                WHERE pg_try_advisory_xact_lock(:lock_space, partition)
            )
            SELECT entry.id, entry.event_uid, entry.occurred_at, entry.trace_id, entry.entity_uid,
                   entry.event_type, entry.subject, entry.payload
            FROM {schema}.outbox
            JOIN mine USING (partition)
            JOIN {schema}.ledger AS entry ON entry.id = outbox.ledger_id
            ORDER BY outbox.ledger_id LIMIT {BATCH}
            FOR UPDATE OF outbox SKIP LOCKED
            """  # the row locks re-read what another relay emptied between this statement's snapshot and our lock
        )
        self.forget = text(f"DELETE FROM {schema}.outbox WHERE ledger_id = ANY(:ids)")

    def wake(self) -> None:
        """There is work: called right after a commit in this process."""
        self.work.set()

    async def run(self) -> None:
        """Publish until told to stop, once more then; an outage is waited out."""
        last = False
        while not last:
            last = self.stopping
            self.work.clear()
            try:
                while await self.publish_batch() == BATCH:
                    pass
            except (DBAPIError, PoolTimeout, *Unreachable) as error:
                log.warning("relay: waiting, because %s", type(error).__name__)
                await asyncio.sleep(RETRY)
                continue
            if not self.stopping:
                try:
                    await asyncio.wait_for(self.work.wait(), POLL)
                except TimeoutError:
                    pass

    async def publish_batch(self) -> int:
        """Publish up to a batch and forget what the server has; the number published, or the first error."""
        async with self.engine.begin() as conn:
            rows = (await conn.execute(self.take, {"lock_space": self.lock_space})).all()
            if not rows:
                return 0
            lines = defaultdict(list)  # one line for each entity: its next event goes when the one before is there
            for row in rows:
                lines[row.entity_uid].append(row)
            published: list[int] = []
            # All lines end before the transaction does: a straggler must not publish what is not ours any more.
            ends = await asyncio.gather(
                *(self.publish_line(line, published) for line in lines.values()), return_exceptions=True
            )
            await conn.execute(self.forget, {"ids": published})
        for error in ends:
            if error is not None:
                raise error
        return len(rows)

    async def publish_line(self, line: Sequence[Any], published: list[int]) -> None:
        """Publish the events of one entity one after the other; `published` keeps the ids of those that are there."""
        for row in line:
            attributes = headers(
                str(row.event_uid),
                row.event_type,
                f"eridu/{self.schema}",
                row.occurred_at,
                row.entity_uid,
                row.trace_id,
            )
            await self.bus.publish(row.subject, row.payload, attributes)
            published.append(row.id)

    async def stop(self) -> None:
        """End when what is committed now is published, or cannot be."""
        self.stopping = True
        self.work.set()

    async def close(self) -> None:
        """Close the relay's connection."""
        await self.engine.dispose()
