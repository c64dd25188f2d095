"""Rooms, MCs and blackouts, as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from libs.common.access import Caller
from libs.common.db import Database
from libs.common.pages import Page, PageQuery
from services.scheduling.domain.blackout import Blackout
from services.scheduling.domain.resource import MC, ROOM, Mc, ResourceKind, Room
from services.scheduling.store import blackouts, resources


async def get_room(db: Database, caller: Caller, uid: str) -> Room:
    """A room."""
    async with db.read() as reader:
        room: Room = await resources.load_resource(reader, ROOM, uid)
    caller.require(ROOM, uid, room.studio_uid)
    return room


async def list_rooms(
    db: Database,
    caller: Caller,
    studio_uid: str,
    *,
    capabilities: Sequence[str],
    least_capacity: int,
    active: bool | None,
    name_part: str,
    show_deleted: bool,
    page: PageQuery,
) -> Page[Room]:
    """A studio's rooms by name."""
    caller.require("studio", studio_uid, studio_uid)
    async with db.read() as reader:
        return await resources.list_rooms(
            reader, studio_uid, capabilities, least_capacity, active, name_part, show_deleted, page
        )


async def get_mc(db: Database, caller: Caller, uid: str) -> Mc:
    """An MC."""
    async with db.read() as reader:
        mc: Mc = await resources.load_resource(reader, MC, uid)
    caller.require(MC, uid, mc.studio_uid)
    return mc


async def list_mcs(
    db: Database,
    caller: Caller,
    studio_uid: str,
    *,
    banned: bool | None,
    user_uid: str,
    name_part: str,
    show_deleted: bool,
    page: PageQuery,
) -> Page[Mc]:
    """A studio's MCs by name."""
    caller.require("studio", studio_uid, studio_uid)
    async with db.read() as reader:
        return await resources.list_mcs(reader, studio_uid, banned, user_uid, name_part, show_deleted, page)


async def batch_get_resources(
    db: Database, caller: Caller, noun: str, uids: Sequence[str]
) -> tuple[list[Any], list[str]]:
    """Rooms or MCs in the order of the uids, and the uids of those that are not there or not for the caller to see."""
    visible = caller.visible()
    async with db.read() as reader:
        found = await resources.load_resources(reader, noun, uids, visible)
    return [found[uid] for uid in uids if uid in found], [uid for uid in uids if uid not in found]


async def list_blackouts(
    db: Database,
    caller: Caller,
    *,
    studio_uid: str,
    resource_uid: str,
    kind: ResourceKind | None,
    start: datetime | None,
    until: datetime | None,
    show_deleted: bool,
    page: PageQuery,
) -> Page[Blackout]:
    """A studio's blackouts that overlap a period, by start."""
    caller.require("studio", studio_uid, studio_uid)
    async with db.read() as reader:
        return await blackouts.list_blackouts(
            reader,
            studio_uid=studio_uid,
            resource_uid=resource_uid,
            kind=kind,
            start=start,
            until=until,
            show_deleted=show_deleted,
            page=page,
        )
