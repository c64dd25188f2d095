"""Holds in the database, and the order in which they stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Table, func, select, text, tuple_

from libs.common.access import Visible
from libs.common.db import Reader, Tx
from libs.common.errors import Stale
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import among, as_rows, columns_of, given, insert_one, load_one, mapping
from services.scheduling.domain.booking import ShowRef, Slot
from services.scheduling.domain.hold import HOLD, Hold, HoldState
from services.scheduling.domain.resource import ResourceKind
from services.scheduling.store import tables
from services.scheduling.store.schedules import of_groups

SLOT_COLUMNS = {
    "kind": "text",
    "resource_id": "bigint",
    "resource_uid": "text",
    "start": "timestamptz",
    "until": "timestamptz",
}
INSERT_SLOTS = text(
    f"""
    INSERT INTO scheduling.hold_slot (hold_id, kind, resource_id, resource_uid, period, expires_at, held)
    SELECT hold.id, given.kind, given.resource_id, given.resource_uid, tstzrange(given.start, given.until),
           hold.expires_at, true
    FROM scheduling.hold, {given(SLOT_COLUMNS)}
    WHERE hold.uid = :uid
    """
)

OVERLAPS = """
    int8range({one}.resource_id, {one}.resource_id, '[]') && int8range({other}.resource_id, {other}.resource_id, '[]')
    AND {one}.period && {other}.period
"""
# One more than the older holds that want one of its resources at its time.
RANK = f"""
    1 + (
        SELECT count(DISTINCT older.hold_id)
        FROM scheduling.hold_slot AS mine
        JOIN scheduling.hold_slot AS older ON {OVERLAPS.format(one="older", other="mine")}
        WHERE mine.hold_id = hold.id AND older.hold_id < mine.hold_id AND older.held AND older.expires_at > :now
    )
"""
RANKS = text(f"SELECT hold.uid, {RANK} AS rank FROM scheduling.hold WHERE hold.uid = ANY(:uids)")
MOVED_UP = text(
    f"""
    SELECT * FROM (
        SELECT hold.uid, hold.rank, {RANK} AS now
        FROM scheduling.hold
        WHERE hold.id IN (
            SELECT later.hold_id
            FROM scheduling.hold AS gone
            JOIN scheduling.hold_slot AS ended ON ended.hold_id = gone.id
            JOIN scheduling.hold_slot AS later ON {OVERLAPS.format(one="later", other="ended")}
            WHERE gone.uid = ANY(:uids) AND later.hold_id > ended.hold_id AND later.held AND later.expires_at > :now
        )
    ) AS counted
    WHERE now < rank
    """
)

# The slots of these resources that are held, from the first slot's start to the last one's end; the oldest first.
HELD = text(
    """
    SELECT slot.resource_id, lower(slot.period) AS start, upper(slot.period) AS until,
           hold.uid, hold.name, hold.studio_uid, hold.client_uid
    FROM unnest(CAST(:resource_ids AS bigint[])) AS wanted (resource_id)
    CROSS JOIN LATERAL (
        SELECT hold_id, resource_id, period
        FROM scheduling.hold_slot
        WHERE int8range(hold_slot.resource_id, hold_slot.resource_id, '[]')
              && int8range(wanted.resource_id, wanted.resource_id, '[]')
          AND period && tstzrange(:start, :until) AND held AND expires_at > :now
        OFFSET 0
    ) AS slot
    JOIN scheduling.hold ON hold.id = slot.hold_id
    ORDER BY slot.hold_id
    """
)

CHANGING = {
    "uid": "text",
    "version": "bigint",
    "updated_at": "timestamptz",
    "state": "text",
    "rank": "integer",
    "show_uid": "text",
    "ended_at": "timestamptz",
}
SAVE_HOLDS = text(
    f"""
    UPDATE scheduling.hold SET {", ".join(f"{name} = given.{name}" for name in CHANGING if name != "uid")}
    FROM {given(CHANGING)}
    WHERE hold.uid = given.uid AND hold.version = given.version - 1
    """
)
LET_GO = text(
    """
    UPDATE scheduling.hold_slot SET held = false
    FROM scheduling.hold
    WHERE hold.id = hold_slot.hold_id AND hold.uid = ANY(:uids) AND hold.state <> 'held'
    """
)


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """One resource of a hold, as it is shown."""

    kind: ResourceKind
    resource_uid: str
    start: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A hold as it is read: with its rank now, and what it holds."""

    hold: Hold
    rank: int
    slots: Sequence[HeldSlot] = field(default_factory=tuple)


async def insert_hold(tx: Tx, hold: Hold, slots: Sequence[Slot]) -> None:
    """Insert a hold and its slots."""
    await insert_one(tx, tables.hold, hold)
    rows = (
        {
            "kind": slot.resource.kind,
            "resource_id": slot.resource.id,
            "resource_uid": slot.resource.uid,
            "start": slot.start,
            "until": slot.until,
        }
        for slot in slots
    )
    await tx.execute(INSERT_SLOTS, {**as_rows(rows), "uid": hold.uid})


async def load_hold(reader: Reader, uid: str) -> Hold:
    """A hold, whatever has become of it."""
    return await load_one(reader, tables.hold, Hold, HOLD, uid)


async def load_holds(reader: Reader, uids: Collection[str]) -> dict[str, Hold]:
    """Holds by uid."""
    rows = await reader.execute(columns_of(tables.hold, Hold).where(among(tables.hold.c.uid, uids)))
    return {row.uid: Hold(**mapping(row)) for row in rows}


async def load_due(tx: Tx, studio_uids: Collection[str], now: datetime, limit: int) -> list[Hold]:
    """Holds of these studios that are over by the clock, the longest over first; nobody else takes them meanwhile."""
    table = tables.hold
    query = columns_of(table, Hold).where(
        table.c.state == HoldState.HELD, table.c.expires_at <= now, among(table.c.studio_uid, studio_uids)
    )
    rows = await tx.execute(
        query.order_by(table.c.expires_at, table.c.id).limit(limit).with_for_update(skip_locked=True)
    )
    return [Hold(**mapping(row)) for row in rows]


async def save_holds(tx: Tx, holds: Sequence[Hold]) -> None:
    """Write changed holds over the versions that were read; those that ended let go of their slots."""
    if not holds:
        return
    rows = as_rows({name: getattr(hold, name) for name in CHANGING} for hold in holds)
    if (await tx.execute(SAVE_HOLDS, rows)).rowcount != len(holds):
        raise Stale.of(HOLD, holds[0].uid)
    ended = [hold.uid for hold in holds if hold.state is not HoldState.HELD]
    if ended:
        await tx.execute(LET_GO, {"uids": ended})


async def moved_up(tx: Tx, ended: Collection[str], now: datetime) -> dict[str, int]:
    """The new ranks of holds that have a better one than they were told, now that these ended."""
    return {row.uid: row.now for row in await tx.execute(MOVED_UP, {"uids": sorted(ended), "now": now})}


async def ranks(reader: Reader, uids: Collection[str], now: datetime) -> Mapping[str, int]:
    """The ranks of holds, as they are now."""
    return {row.uid: row.rank for row in await reader.execute(RANKS, {"uids": sorted(uids), "now": now})}


async def slots_held(reader: Reader, slots: Sequence[Slot], now: datetime) -> list[Slot]:
    """Every slot that somebody holds of these slots' resources around their time, the oldest hold's first."""
    if not slots:
        return []
    resources = {slot.resource.id: slot.resource for slot in slots}
    found = await reader.execute(
        HELD,
        {
            "resource_ids": sorted(resources),
            "start": min(slot.start for slot in slots),
            "until": max(slot.until for slot in slots),
            "now": now,
        },
    )
    return [
        Slot(
            resources[row.resource_id],
            row.start,
            row.until,
            ShowRef("", "", row.name, "", row.studio_uid, row.client_uid, row.uid),
        )
        for row in found
    ]


async def show_holds(reader: Reader, holds: Sequence[Hold], now: datetime) -> list[Shown]:
    """Holds as they are read: two statements however many they are."""
    uids = [hold.uid for hold in holds]
    by_uid = await ranks(reader, [hold.uid for hold in holds if hold.as_of(now).state is HoldState.HELD], now)
    slots = await load_slots(reader, uids)
    return [Shown(hold.as_of(now), by_uid.get(hold.uid, 0), slots.get(hold.uid, ())) for hold in holds]


async def load_slots(reader: Reader, uids: Collection[str]) -> dict[str, list[HeldSlot]]:
    """What these holds hold, rooms first."""
    hold, slot = tables.hold, tables.hold_slot
    query = (
        select(hold.c.uid, slot.c.kind, slot.c.resource_uid, *bounds(slot))
        .join(slot, slot.c.hold_id == hold.c.id)
        .where(among(hold.c.uid, uids))
        .order_by(slot.c.kind.desc(), slot.c.resource_uid)
    )
    found: dict[str, list[HeldSlot]] = {}
    for row in await reader.execute(query):
        found.setdefault(row.uid, []).append(HeldSlot(row.kind, row.resource_uid, row.start, row.until))
    return found


def bounds(slot: Table) -> tuple[Any, Any]:
    """From when until when a slot is."""
    return func.lower(slot.c.period).label("start"), func.upper(slot.c.period).label("until")


async def list_holds(
    reader: Reader,
    *,
    studio_uid: str,
    client_uid: str,
    resource_uid: str,
    show_ended: bool,
    visible: Visible,
    now: datetime,
    page: PageQuery,
) -> Page[Hold]:
    """Holds that the caller may see, by start."""
    table, slot = tables.hold, tables.hold_slot
    query = columns_of(table, Hold).where(of_groups(table.c, visible))
    if studio_uid:
        query = query.where(table.c.studio_uid == studio_uid)
    if client_uid:
        query = query.where(table.c.client_uid == client_uid)
    if resource_uid:
        query = query.where(table.c.id.in_(select(slot.c.hold_id).where(slot.c.resource_uid == resource_uid)))
    if not show_ended:
        query = query.where(table.c.state == HoldState.HELD, table.c.expires_at > now)
    if page.after:
        query = query.where(tuple_(table.c.starts_at, table.c.uid) > page.after)
    rows = await reader.execute(query.order_by(table.c.starts_at, table.c.uid).limit(page.size + 1))
    return cut([Hold(**mapping(row)) for row in rows], page, "starts_at", "uid")


async def any_due(reader: Reader, now: datetime) -> bool:
    """Whether some hold is over by the clock and still stands."""
    table = tables.hold
    query = select(table.c.id).where(table.c.state == HoldState.HELD, table.c.expires_at <= now).limit(1)
    return (await reader.execute(query)).first() is not None
