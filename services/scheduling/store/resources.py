"""Rooms and MCs in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Table, text, tuple_

from libs.common.db import Reader, Tx
from libs.common.entities import Entity
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import columns_of, insert_one, living, load_one, mapping
from services.scheduling.domain.resource import MC, ROOM, Mc, Resource, ResourceKind, Room
from services.scheduling.store import tables

E = TypeVar("E", bound=Entity)

RESOURCES = text(
    """
    SELECT id, uid, 'room' AS kind, name, turnaround_before AS before, turnaround_after AS after,
           active AND deleted_at IS NULL AS bookable
    FROM scheduling.room
    WHERE studio_uid = :studio_uid AND (uid = ANY(:words) OR (name = ANY(:words) AND deleted_at IS NULL))
    UNION ALL
    SELECT id, uid, 'mc', name, 0, 0, deleted_at IS NULL
    FROM scheduling.mc
    WHERE studio_uid = :studio_uid AND (uid = ANY(:words) OR (name = ANY(:words) AND deleted_at IS NULL))
    """
)


async def insert_room(tx: Tx, room: Room) -> None:
    """Insert a room."""
    await insert_one(tx, tables.room, room)


async def insert_mc(tx: Tx, mc: Mc) -> None:
    """Insert an MC."""
    await insert_one(tx, tables.mc, mc)


async def load_room(reader: Reader, uid: str) -> Room:
    """A living room."""
    return await load_one(reader, tables.room, Room, ROOM, uid)


async def load_mc(reader: Reader, uid: str) -> Mc:
    """A living MC."""
    return await load_one(reader, tables.mc, Mc, MC, uid)


async def list_rooms(reader: Reader, studio_uid: str, page: PageQuery) -> Page[Room]:
    """A studio's living rooms by name."""
    return await list_by_name(reader, tables.room, Room, studio_uid, page)


async def list_mcs(reader: Reader, studio_uid: str, page: PageQuery) -> Page[Mc]:
    """A studio's living MCs by name."""
    return await list_by_name(reader, tables.mc, Mc, studio_uid, page)


async def list_by_name(reader: Reader, table: Table, kind: type[E], studio_uid: str, page: PageQuery) -> Page[E]:
    """A studio's living rows of one kind by name."""
    query = columns_of(table, kind).where(table.c.studio_uid == studio_uid, living(table))
    if page.after:
        query = query.where(tuple_(table.c.name, table.c.uid) > page.after)
    rows = await reader.execute(query.order_by(table.c.name, table.c.uid).limit(page.size + 1))
    return cut([kind(**mapping(row)) for row in rows], page, "name", "uid")


async def find_resources(reader: Reader, studio_uid: str, words: Collection[str]) -> list[Resource]:
    """The studio's rooms and MCs with one of these names or uids (by uid also deleted ones: not bookable)."""
    rows = await reader.execute(RESOURCES, {"studio_uid": studio_uid, "words": sorted(words)})
    return [
        Resource(
            row.id,
            row.uid,
            ResourceKind(row.kind),
            row.name,
            timedelta(minutes=row.before),
            timedelta(minutes=row.after),
            row.bookable,
        )
        for row in rows
    ]


def by_uid(resources: Collection[Resource]) -> Mapping[str, Resource]:
    """Resources by their public id."""
    return {resource.uid: resource for resource in resources}
