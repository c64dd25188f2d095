"""Changes of rooms and MCs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eridu.scheduling.v1 import events_pb2

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.ledger import entry
from services.scheduling.convert import resources as convert
from services.scheduling.domain.resource import Mc, Room
from services.scheduling.neighbours import Identity
from services.scheduling.store import resources as store


async def create_room(
    db: Database, caller: Caller, clock: Clock, identity: Identity, studio_uid: str, given: Mapping[str, Any]
) -> Room:
    """Make a room of a studio; ROOM_NAME_TAKEN when a living one has the name."""
    caller.require("studio", studio_uid, studio_uid)
    await require_studio(identity, caller, studio_uid)
    now = clock()
    room = Room(uid=uids.new("room"), created_at=now, updated_at=now, studio_uid=studio_uid, **given)
    async with db.begin(caller) as tx:
        await store.insert_room(tx, room)
        event = events_pb2.RoomCreated(room=convert.room(room))
        await ledger.record(tx, entry("scheduling.room.created", event, None, room, studio_uid=studio_uid))
    return room


async def create_mc(
    db: Database, caller: Caller, clock: Clock, identity: Identity, studio_uid: str, given: Mapping[str, Any]
) -> Mc:
    """Make an MC of a studio; MC_NAME_TAKEN when a living one has the name."""
    caller.require("studio", studio_uid, studio_uid)
    await require_studio(identity, caller, studio_uid)
    now = clock()
    mc = Mc(uid=uids.new("mc"), created_at=now, updated_at=now, studio_uid=studio_uid, **given)
    async with db.begin(caller) as tx:
        await store.insert_mc(tx, mc)
        event = events_pb2.McCreated(mc=convert.mc(mc))
        await ledger.record(tx, entry("scheduling.mc.created", event, None, mc, studio_uid=studio_uid))
    return mc


async def require_studio(identity: Identity, caller: Caller, studio_uid: str) -> None:
    """NotFound (STUDIO_NOT_FOUND) unless the studio is among the living."""
    if caller.unlimited:  # a role there says that it lives: identity counts no role in a deleted group
        await identity.studio(studio_uid)
