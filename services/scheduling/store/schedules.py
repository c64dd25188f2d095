"""Schedules and their plans in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select, text, tuple_, update

from libs.common.access import Visible
from libs.common.db import Reader, Tx
from libs.common.errors import NotFound
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import among, as_rows, columns_of, given, insert_one, living, load_one, mapping, save_one
from services.scheduling.domain.schedule import PLANNED_SHOW, SCHEDULE, Planned, PlannedShow, Schedule, ScheduleStatus
from services.scheduling.store import tables

PLANNED = [f.name for f in fields(Planned)]
OWN = ("uid", "show_uid", "schedule_uid", "cancelled", "started", "removed_at", "version")
ROW_COLUMNS = {
    "uid": "text",
    "show_uid": "text",
    "schedule_uid": "text",
    "external_id": "text",
    "name": "text",
    "room_uid": "text",
    "mc_uids": "text[]",
    "platform_uids": "text[]",
    "type": "text",
    "standard": "text",
    "starts_at": "timestamptz",
    "ends_at": "timestamptz",
    "cancelled": "boolean",
    "started": "boolean",
    "removed_at": "timestamptz",
    "version": "bigint",
}
KEPT = {"uid", "show_uid", "schedule_uid"}  # for ever

SAVE_PLAN = text(
    f"""
    INSERT INTO scheduling.planned_show ({", ".join(ROW_COLUMNS)})
    SELECT {", ".join(ROW_COLUMNS)} FROM {given(ROW_COLUMNS)}
    ON CONFLICT (uid) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in ROW_COLUMNS if name not in KEPT)}
    """
)


async def insert_schedule(tx: Tx, schedule: Schedule) -> None:
    """Insert a schedule."""
    await insert_one(tx, tables.schedule, schedule)


async def load_schedule(reader: Reader, uid: str, lock: bool = False, deleted: bool = False) -> Schedule:
    """A living schedule, or also a deleted one."""
    return await load_one(reader, tables.schedule, Schedule, SCHEDULE, uid, lock, deleted)


async def note_version(tx: Tx, schedule: Schedule) -> None:
    """Write which version the plan has now, of a schedule that is locked; its etag stays."""
    table = tables.schedule
    numbers = {name: getattr(schedule, name) for name in ("plan_version", "confirmed_version", "approved_version")}
    await tx.execute(update(table).where(table.c.uid == schedule.uid).values(**numbers))


async def save_schedule(tx: Tx, before: Schedule, after: Schedule, now: datetime) -> Schedule:
    """Write a changed schedule over the version that was read."""
    return await save_one(tx, tables.schedule, SCHEDULE, before, after, now)


async def list_schedules(
    reader: Reader,
    studio_uid: str,
    client_uid: str,
    statuses: Sequence[ScheduleStatus],
    visible: Visible,
    page: PageQuery,
    show_deleted: bool = False,
) -> Page[Schedule]:
    """Schedules that the caller may see, oldest first; the living, or the deleted too."""
    table = tables.schedule
    query = columns_of(table, Schedule).where(of_groups(table.c, visible))
    if not show_deleted:
        query = query.where(living(table))
    if studio_uid:
        query = query.where(table.c.studio_uid == studio_uid)
    if client_uid:
        query = query.where(table.c.client_uid == client_uid)
    if statuses:
        query = query.where(table.c.status.in_(statuses))
    if page.after:
        query = query.where(tuple_(table.c.created_at, table.c.uid) > page.after)
    rows = await reader.execute(query.order_by(table.c.created_at, table.c.uid).limit(page.size + 1))
    return cut([Schedule(**mapping(row)) for row in rows], page, "created_at", "uid")


def of_groups(columns: Any, visible: Visible) -> ColumnElement[bool]:
    """Rows of the studios and clients that the caller may list by."""
    if visible.everything:
        return columns.studio_uid.is_not(None)  # type: ignore[no-any-return]
    return or_(columns.studio_uid.in_(visible.studios), columns.client_uid.in_(visible.clients))


async def load_plan(reader: Reader, schedule_uid: str) -> dict[str, PlannedShow]:
    """The whole plan by external_id, with the rows that left it."""
    rows = await reader.execute(select(tables.planned_show).where(tables.planned_show.c.schedule_uid == schedule_uid))
    return {row.external_id: planned_show_of(row) for row in rows}


async def read_plan(reader: Reader, schedule_uid: str) -> tuple[int, list[PlannedShow]]:
    """The shows of a plan by start, and the number of the version that they are: in one look; 0 for an empty plan."""
    table = tables.planned_show
    query = (
        select(table, tables.schedule.c.plan_version)
        .join(tables.schedule, tables.schedule.c.uid == table.c.schedule_uid)
        .where(table.c.schedule_uid == schedule_uid, table.c.removed_at.is_(None))
        .order_by(table.c.starts_at, table.c.external_id)
    )
    rows = (await reader.execute(query)).all()
    return rows[0].plan_version if rows else 0, [planned_show_of(row) for row in rows]


async def list_planned_shows(
    reader: Reader, schedule_uid: str, show_removed: bool, page: PageQuery
) -> Page[PlannedShow]:
    """A page of a plan by start."""
    table = tables.planned_show
    query = select(table).where(table.c.schedule_uid == schedule_uid)
    if not show_removed:
        query = query.where(table.c.removed_at.is_(None))
    if page.after:
        query = query.where(tuple_(table.c.starts_at, table.c.uid) > page.after)
    rows = (await reader.execute(query.order_by(table.c.starts_at, table.c.uid).limit(page.size + 1))).all()
    found = cut(rows, page, "starts_at", "uid")
    return Page([planned_show_of(row) for row in found.rows], found.next_token)


async def load_planned(reader: Reader, uid: str) -> PlannedShow:
    """A row of a plan that has not left it; NotFound without."""
    table = tables.planned_show
    query = select(table).where(table.c.uid == uid, table.c.removed_at.is_(None))
    row = (await reader.execute(query)).one_or_none()
    if row is None:
        raise NotFound.of(PLANNED_SHOW, uid)
    return planned_show_of(row)


async def find_row(reader: Reader, schedule_uid: str, external_id: str) -> PlannedShow | None:
    """The plan's row of this external_id, also when it has left."""
    table = tables.planned_show
    query = select(table).where(table.c.schedule_uid == schedule_uid, table.c.external_id == external_id)
    row = (await reader.execute(query)).one_or_none()
    return planned_show_of(row) if row is not None else None


async def find_planned(reader: Reader, show_uids: Collection[str]) -> list[PlannedShow]:
    """The rows that plan these shows."""
    rows = await reader.execute(select(tables.planned_show).where(among(tables.planned_show.c.show_uid, show_uids)))
    return [planned_show_of(row) for row in rows]


async def save_plan(tx: Tx, rows: Sequence[PlannedShow]) -> None:
    """Insert or update rows of plans, in one statement however many they are; their schedule is locked."""
    if rows:
        await tx.execute(SAVE_PLAN, as_rows({**planned_values(row.planned), **own_values(row)} for row in rows))


def planned_values(planned: Planned) -> dict[str, Any]:
    """What a plan says about a show, by column."""
    return {name: getattr(planned, name) for name in PLANNED}


def own_values(row: PlannedShow) -> dict[str, Any]:
    """The row's own columns."""
    return {name: getattr(row, name) for name in OWN}


def planned_show_of(row: Any) -> PlannedShow:
    """A row of the plan."""
    return PlannedShow(planned=planned_of(row), **{name: getattr(row, name) for name in OWN})


def planned_of(row: Any) -> Planned:
    """What a row says about its show."""
    values: Mapping[str, Any] = row._mapping
    return Planned(**{name: values[name] for name in PLANNED})
