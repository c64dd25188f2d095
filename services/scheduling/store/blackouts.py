"""Blackouts in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text, tuple_

from libs.common.db import Reader, Tx
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import columns_of, insert_one, living, load_one, mapping, save_one
from services.scheduling.domain.blackout import BLACKOUT, Blackout, Closed, Closure
from services.scheduling.domain.booking import Slot
from services.scheduling.domain.resource import ResourceKind
from services.scheduling.store import tables
from services.scheduling.store.resources import KINDS

# One probe of the index for each resource; OFFSET 0 as in `bookings.IN_FORCE`.
CLOSED = text(
    """
    SELECT closed.*
    FROM unnest(CAST(:resource_ids AS bigint[])) AS wanted (resource_id)
    CROSS JOIN LATERAL (
        SELECT resource_id, uid, starts_at, ends_at, reason
        FROM scheduling.blackout
        WHERE int8range(blackout.resource_id, blackout.resource_id, '[]')
              && int8range(wanted.resource_id, wanted.resource_id, '[]')
          AND tstzrange(starts_at, ends_at) && tstzrange(:start, :until) AND deleted_at IS NULL
        OFFSET 0
    ) AS closed
    """
)


async def closed_for(reader: Reader, slots: Sequence[Slot]) -> Closed:
    """Every blackout of the slots' resources, from the first slot's start to the last one's end.

    Whoever books by the answer has locked the resources before: a blackout that comes meanwhile waits.
    """
    if not slots:
        return Closed()
    found = await reader.execute(
        CLOSED,
        {
            "resource_ids": sorted({slot.resource.id for slot in slots}),
            "start": min(slot.start for slot in slots),
            "until": max(slot.until for slot in slots),
        },
    )
    return Closed(Closure(row.resource_id, row.uid, row.starts_at, row.ends_at, row.reason) for row in found)


async def insert_blackout(tx: Tx, blackout: Blackout) -> None:
    """Insert a blackout."""
    table, _ = KINDS[blackout.kind]
    key = select(table.c.id).where(table.c.uid == blackout.resource_uid).scalar_subquery()
    await insert_one(tx, tables.blackout, blackout, resource_id=key)


async def load_blackout(reader: Reader, uid: str, lock: bool = False) -> Blackout:
    """A living blackout."""
    return await load_one(reader, tables.blackout, Blackout, BLACKOUT, uid, lock)


async def save_blackout(tx: Tx, before: Blackout, after: Blackout, now: datetime) -> Blackout:
    """Write a changed blackout; Stale when somebody was faster."""
    return await save_one(tx, tables.blackout, BLACKOUT, before, after, now)


async def list_blackouts(
    reader: Reader,
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
    table = tables.blackout
    query = columns_of(table, Blackout).where(table.c.studio_uid == studio_uid)
    if resource_uid:
        query = query.where(table.c.resource_uid == resource_uid)
    if kind:
        query = query.where(table.c.kind == kind)
    if start:
        query = query.where(table.c.ends_at > start)
    if until:
        query = query.where(table.c.starts_at < until)
    if not show_deleted:
        query = query.where(living(table))
    if page.after:
        query = query.where(tuple_(table.c.starts_at, table.c.uid) > page.after)
    rows = await reader.execute(query.order_by(table.c.starts_at, table.c.uid).limit(page.size + 1))
    return cut([Blackout(**mapping(row)) for row in rows], page, "starts_at", "uid")
