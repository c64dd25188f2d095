"""Changes of rooms and MCs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from eridu.scheduling.v1 import events_pb2

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.ledger import Entry, entry
from services.scheduling.convert import resources as convert
from services.scheduling.domain.resource import MC, ROOM, Mc, Room
from services.scheduling.domain.risk import NOTHING_AT_RISK, AtRisk, require_unused
from services.scheduling.neighbours import Identity
from services.scheduling.store import resources as store
from services.scheduling.store.risk import find_at_risk

R = TypeVar("R", Room, Mc)

EVENTS: Mapping[str, Callable[..., Any]] = {
    "room.created": events_pb2.RoomCreated,
    "room.updated": events_pb2.RoomUpdated,
    "room.deleted": events_pb2.RoomDeleted,
    "room.undeleted": events_pb2.RoomUndeleted,
    "mc.created": events_pb2.McCreated,
    "mc.updated": events_pb2.McUpdated,
    "mc.deleted": events_pb2.McDeleted,
    "mc.undeleted": events_pb2.McUndeleted,
    "mc.banned": events_pb2.McBanned,
    "mc.unbanned": events_pb2.McUnbanned,
}


async def create_room(
    db: Database, caller: Caller, clock: Clock, identity: Identity, studio_uid: str, given: Mapping[str, Any]
) -> Room:
    """Make a room of a studio; ROOM_NAME_TAKEN when a living one has the name."""
    caller.require("studio", studio_uid, studio_uid)
    await require_studio(identity, caller, studio_uid)
    now = clock()
    room = Room(uid=uids.new("room"), created_at=now, updated_at=now, studio_uid=studio_uid, **given)
    return await insert(db, caller, ROOM, room)


async def create_mc(
    db: Database, caller: Caller, clock: Clock, identity: Identity, studio_uid: str, given: Mapping[str, Any]
) -> Mc:
    """Make an MC of a studio; MC_NAME_TAKEN when a living one has the name."""
    caller.require("studio", studio_uid, studio_uid)
    await require_studio(identity, caller, studio_uid)
    now = clock()
    mc = Mc(uid=uids.new("mc"), created_at=now, updated_at=now, studio_uid=studio_uid, **given)
    return await insert(db, caller, MC, mc)


async def insert(db: Database, caller: Caller, noun: str, new: R) -> R:
    """Write a new room or MC."""
    async with db.begin(caller) as tx:
        await store.insert_resource(tx, noun, new)
        await ledger.record(tx, resource_entry(noun, "created", None, new))
    return new


async def update_room(
    db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str, given: Mapping[str, Any]
) -> tuple[Room, AtRisk]:
    """Change what a room is; while it is not active, its bookings still to come are at risk."""
    async with db.begin(caller) as tx:
        room: Room = await change(
            tx, caller, clock, ROOM, uid, etag, reason, "updated", lambda before: before.but(given)
        )
        return room, NOTHING_AT_RISK if room.active else await find_at_risk(tx, uid, clock())


async def update_mc(
    db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str, given: Mapping[str, Any]
) -> Mc:
    """Change what is said about an MC."""
    async with db.begin(caller) as tx:
        mc: Mc = await change(tx, caller, clock, MC, uid, etag, reason, "updated", lambda before: before.but(given))
        return mc


async def ban_mc(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> tuple[Mc, AtRisk]:
    """Book an MC no more; the bookings still to come are at risk."""
    async with db.begin(caller) as tx:
        mc: Mc = await change(
            tx, caller, clock, MC, uid, etag, reason, "banned", lambda before: before.ban(reason, clock())
        )
        return mc, await find_at_risk(tx, uid, clock())


async def unban_mc(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Mc:
    """Book an MC again."""
    async with db.begin(caller) as tx:
        mc: Mc = await change(tx, caller, clock, MC, uid, etag, reason, "unbanned", Mc.unban)
        return mc


async def delete_resource(
    db: Database, caller: Caller, clock: Clock, noun: str, uid: str, etag: str, reason: str
) -> Any:
    """Delete a room or an MC that has no booking still to come; bookings that are being made are waited for."""
    async with db.begin(caller) as tx:
        before = await open_for_change(tx, caller, noun, uid, etag)
        require_unused(noun, uid, await find_at_risk(tx, uid, clock()))
        return await save(tx, clock, noun, reason, "deleted", before, before.delete(clock()))


async def undelete_resource(
    db: Database, caller: Caller, clock: Clock, identity: Identity, noun: str, uid: str, etag: str, reason: str
) -> Any:
    """Bring a deleted room or MC back, into a studio that lives."""
    async with db.read() as reader:
        found = await store.load_resource(reader, noun, uid, deleted=True)
    caller.require(noun, uid, found.studio_uid)
    await require_studio(identity, caller, found.studio_uid)
    async with db.begin(caller) as tx:
        return await change(
            tx, caller, clock, noun, uid, etag, reason, "undeleted", lambda before: before.undelete(noun), deleted=True
        )


async def change(
    tx: Tx,
    caller: Caller,
    clock: Clock,
    noun: str,
    uid: str,
    etag: str,
    reason: str,
    verb: str,
    move: Callable[[Any], Any],
    deleted: bool = False,
) -> Any:
    """Make one move of one room or MC; a move that changes nothing writes nothing."""
    before = await open_for_change(tx, caller, noun, uid, etag, deleted)
    return await save(tx, clock, noun, reason, verb, before, move(before))


async def open_for_change(tx: Tx, caller: Caller, noun: str, uid: str, etag: str, deleted: bool = False) -> Any:
    """A room or an MC that the caller may change, locked: bookings of it are waited for, later ones wait."""
    before = await store.load_resource(tx, noun, uid, lock=True, deleted=deleted)
    caller.require(noun, uid, before.studio_uid)
    before.expect(noun, etag)
    return before


async def save(tx: Tx, clock: Clock, noun: str, reason: str, verb: str, before: R, after: R) -> R:
    """Write what a move made of a room or an MC, and say it."""
    if after == before:
        return before
    saved = await store.save_resource(tx, noun, before, after, clock())
    await ledger.record(tx, resource_entry(noun, verb, before, saved, reason))
    return saved


def resource_entry(noun: str, verb: str, before: R | None, after: R, reason: str = "") -> Entry:
    """The ledger entry of a change of a room or an MC."""
    event = EVENTS[f"{noun}.{verb}"](**{noun: convert.resource(after)})
    return entry(f"scheduling.{noun}.{verb}", event, before, after, studio_uid=after.studio_uid, reason=reason)


async def require_studio(identity: Identity, caller: Caller, studio_uid: str) -> None:
    """NotFound (STUDIO_NOT_FOUND) unless the studio is among the living."""
    if caller.unlimited:  # a role there says that it lives: identity counts no role in a deleted group
        await identity.studio(studio_uid)
