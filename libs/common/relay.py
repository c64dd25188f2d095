"""The relay: publishes what the outbox holds, in order for each entity, and only then forgets it.

A partition of the outbox is locked by the transaction that empties it, so any number of relays (one in every replica)
share the work without reordering one entity's events. A crash anywhere only repeats a publish, which the stream's
dedupe window and every consumer's inbox absorb.
"""

from __future__ import annotations

import asyncio
import logging
import zlib

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
        """Publish until told to stop; an outage is waited out."""
        while not self.stopping:
            self.work.clear()
            try:
                while await self.publish_batch() == BATCH:
                    pass
            except (DBAPIError, PoolTimeout, *Unreachable) as error:
                log.warning("relay: waiting, because %s", type(error).__name__)
                await asyncio.sleep(RETRY)
                continue
            try:
                await asyncio.wait_for(self.work.wait(), POLL)
            except TimeoutError:
                pass

    async def publish_batch(self) -> int:
        """Publish up to a batch and forget it when the server has all of it; the number published."""
        async with self.engine.begin() as conn:
            rows = (await conn.execute(self.take, {"lock_space": self.lock_space})).all()
            if rows:
                await asyncio.gather(
                    *(
                        self.bus.publish(
                            row.subject,
                            row.payload,
                            headers(
                                str(row.event_uid),
                                row.event_type,
                                f"eridu/{self.schema}",
                                row.occurred_at,
                                row.entity_uid,
                                row.trace_id,
                            ),
                        )
                        for row in rows
                    )
                )
                await conn.execute(self.forget, {"ids": [row.id for row in rows]})
        return len(rows)

    async def stop(self) -> None:
        """End after the batch in hand."""
        self.stopping = True
        self.work.set()

    async def close(self) -> None:
        """Close the relay's connection."""
        await self.engine.dispose()
