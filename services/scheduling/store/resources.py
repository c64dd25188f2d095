"""Rooms and MCs in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ARRAY, ColumnElement, Table, Text, literal, text, tuple_

from libs.common.access import Visible
from libs.common.db import Reader, Tx
from libs.common.entities import Entity
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import (
    among,
    columns_of,
    insert_one,
    living,
    load_one,
    mapping,
    part_of,
    save_one,
)
from services.scheduling.domain.resource import MC, ROOM, Mc, Resource, ResourceKind, Room
from services.scheduling.store import tables

E = TypeVar("E", bound=Entity)

KINDS: Mapping[str, tuple[Table, type[Any]]] = {ROOM: (tables.room, Room), MC: (tables.mc, Mc)}


def resources(lock: str) -> str:
    """The question for rooms and MCs as bookings see them; names mean the living, uids also the deleted."""
    mine = f"studio_uid = :studio_uid AND (uid = ANY(:words) OR (name = ANY(:words) AND deleted_at IS NULL)) {lock}"
    return f"""
        SELECT * FROM (
            SELECT id, uid, 'room' AS kind, name, turnaround_before AS before, turnaround_after AS after,
                   active AND deleted_at IS NULL AS bookable, deleted_at IS NULL AS living
            FROM scheduling.room WHERE {mine}
        ) AS rooms
        UNION ALL
        SELECT * FROM (
            SELECT id, uid, 'mc', name, 0, 0, banned_at IS NULL AND deleted_at IS NULL, deleted_at IS NULL
            FROM scheduling.mc WHERE {mine}
        ) AS mcs
    """


RESOURCES = text(resources(""))
# Bookings share a resource; who closes, bans or deletes it, or blacks it out, has it alone. So the two see each other.
LOCKED_RESOURCES = text(resources("FOR SHARE"))


async def insert_resource(tx: Tx, noun: str, new: Entity) -> None:
    """Insert a room or an MC."""
    await insert_one(tx, KINDS[noun][0], new)


async def save_resource(tx: Tx, noun: str, before: E, after: E, now: datetime) -> E:
    """Write a changed room or MC; Stale when somebody was faster."""
    return await save_one(tx, KINDS[noun][0], noun, before, after, now)


async def load_resource(reader: Reader, noun: str, uid: str, lock: bool = False, deleted: bool = False) -> Any:
    """A living room or MC, or one that may be deleted. Locked, no booking of it is made until the end."""
    table, kind = KINDS[noun]
    return await load_one(reader, table, kind, noun, uid, lock, deleted)


async def load_resources(reader: Reader, noun: str, uids: Sequence[str], visible: Visible) -> dict[str, Any]:
    """Those of these rooms or MCs that live and that the caller may see, by uid."""
    table, kind = KINDS[noun]
    query = columns_of(table, kind).where(among(table.c.uid, uids), living(table))
    if not visible.everything:
        query = query.where(among(table.c.studio_uid, visible.studios))
    return {row.uid: kind(**mapping(row)) for row in await reader.execute(query)}


async def list_rooms(
    reader: Reader,
    studio_uid: str,
    capabilities: Sequence[str],
    least_capacity: int,
    active: bool | None,
    name_part: str,
    show_deleted: bool,
    page: PageQuery,
) -> Page[Room]:
    """A studio's rooms by name."""
    table = tables.room
    able = table.c.capabilities.op("@>", is_comparison=True)(literal(list(capabilities), ARRAY(Text)))
    wanted = [table.c.capacity >= least_capacity, able]
    if active is not None:
        wanted.append(table.c.active.is_(active))
    return await list_by_name(reader, ROOM, studio_uid, wanted, name_part, show_deleted, page)


async def list_mcs(
    reader: Reader,
    studio_uid: str,
    banned: bool | None,
    user_uid: str,
    name_part: str,
    show_deleted: bool,
    page: PageQuery,
) -> Page[Mc]:
    """A studio's MCs by name."""
    table = tables.mc
    wanted: list[ColumnElement[bool]] = []
    if banned is not None:
        wanted.append(table.c.banned_at.is_not(None) if banned else table.c.banned_at.is_(None))
    if user_uid:
        wanted.append(table.c.user_uid == user_uid)
    return await list_by_name(reader, MC, studio_uid, wanted, name_part, show_deleted, page)


async def list_by_name(
    reader: Reader,
    noun: str,
    studio_uid: str,
    wanted: Sequence[ColumnElement[bool]],
    name_part: str,
    show_deleted: bool,
    page: PageQuery,
) -> Page[Any]:
    """A studio's rooms or MCs by name."""
    table, kind = KINDS[noun]
    query = columns_of(table, kind).where(table.c.studio_uid == studio_uid, *wanted)
    if not show_deleted:
        query = query.where(living(table))
    if name_part:
        query = query.where(part_of(table.c.name, name_part))
    if page.after:
        query = query.where(tuple_(table.c.name, table.c.uid) > page.after)
    rows = await reader.execute(query.order_by(table.c.name, table.c.uid).limit(page.size + 1))
    return cut([kind(**mapping(row)) for row in rows], page, "name", "uid")


async def find_resources(reader: Reader, studio_uid: str, words: Collection[str], lock: bool = False) -> list[Resource]:
    """The studio's rooms and MCs with one of these names or uids (by uid also deleted ones: not bookable).

    Locked, they stay as they are until the end, and no blackout of them is made.
    """
    query = LOCKED_RESOURCES if lock else RESOURCES
    rows = await reader.execute(query, {"studio_uid": studio_uid, "words": sorted(words)})
    return [
        Resource(
            row.id,
            row.uid,
            ResourceKind(row.kind),
            row.name,
            timedelta(minutes=row.before),
            timedelta(minutes=row.after),
            row.bookable,
            row.living,
        )
        for row in rows
    ]


def by_uid(resources: Collection[Resource]) -> Mapping[str, Resource]:
    """Resources by their public id."""
    return {resource.uid: resource for resource in resources}
