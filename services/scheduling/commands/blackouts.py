"""Changes of blackouts.

The row of the room or MC stands between bookings and blackouts: those who book it share the row, a blackout has it
alone. So a booking is either there when the blackout looks, and is named, or comes after it, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eridu.scheduling.v1 import events_pb2

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.ledger import entry
from services.scheduling.convert import blackouts as convert
from services.scheduling.domain.blackout import BLACKOUT, Blackout
from services.scheduling.domain.resource import ResourceKind
from services.scheduling.domain.risk import AtRisk
from services.scheduling.store import blackouts as store
from services.scheduling.store import resources as resource_store
from services.scheduling.store.risk import find_at_risk


async def create_blackout(
    db: Database, caller: Caller, clock: Clock, resource_uid: str, given: Mapping[str, Any]
) -> tuple[Blackout, AtRisk]:
    """Take a room or an MC out of use for a period; the bookings in it are at risk and stay as they are."""
    kind, now = ResourceKind(uids.prefix(resource_uid)), clock()
    async with db.begin(caller) as tx:
        resource = await resource_store.load_resource(tx, kind, resource_uid, lock=True)
        caller.require(kind, resource_uid, resource.studio_uid)
        blackout = Blackout(
            uid=uids.new("blk"),
            created_at=now,
            updated_at=now,
            studio_uid=resource.studio_uid,
            kind=kind,
            resource_uid=resource_uid,
            **given,
        )
        await store.insert_blackout(tx, blackout)
        event = events_pb2.BlackoutCreated(blackout=convert.blackout(blackout))
        await ledger.record(
            tx,
            entry(
                "scheduling.blackout.created",
                event,
                None,
                blackout,
                studio_uid=blackout.studio_uid,
                reason=blackout.reason,
            ),
        )
        return blackout, await find_at_risk(tx, resource_uid, blackout.starts_at, blackout.ends_at)


async def delete_blackout(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Blackout:
    """End a blackout: its period can be booked again."""
    async with db.begin(caller) as tx:
        before = await store.load_blackout(tx, uid, lock=True)
        caller.require(BLACKOUT, uid, before.studio_uid)
        before.expect(BLACKOUT, etag)
        now = clock()
        after = await store.save_blackout(tx, before, before.delete(now), now)
        event = events_pb2.BlackoutDeleted(blackout=convert.blackout(after))
        await ledger.record(
            tx,
            entry("scheduling.blackout.deleted", event, before, after, studio_uid=after.studio_uid, reason=reason),
        )
    return after
