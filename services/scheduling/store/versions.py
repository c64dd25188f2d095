"""Versions of plans in the database. They are only added: the service's role can neither change nor delete them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import Subquery, and_, func, insert, select, text, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from libs.common.db import Reader, Tx
from libs.common.errors import NotFound
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import mapping
from services.scheduling.domain.schedule import PlannedShow
from services.scheduling.domain.version import PLAN_VERSION, PlanVersion
from services.scheduling.store import tables
from services.scheduling.store.schedules import ROW_COLUMNS, planned_show_of

KEPT = ", ".join(ROW_COLUMNS)

KEEP_ROWS = text(
    f"""
    INSERT INTO scheduling.plan_version_row (number, {KEPT})
    SELECT CAST(:number AS integer), {KEPT} FROM scheduling.planned_show
    WHERE schedule_uid = :schedule_uid AND (:whole OR uid = ANY(:uids))
    """
)

# Only shows that changed after version `before` and up to `after`: each as it was in either.
BOTH_STATES = text(
    f"""
    SELECT DISTINCT ON (show_uid, number <= :before) number <= :before AS earlier, {KEPT}
    FROM scheduling.plan_version_row
    WHERE schedule_uid = :schedule_uid AND number <= :after AND show_uid IN (
        SELECT show_uid FROM scheduling.plan_version_row
        WHERE schedule_uid = :schedule_uid AND number > :before AND number <= :after
    )
    ORDER BY show_uid, number <= :before, number DESC
    """
)


async def insert_version(tx: Tx, version: PlanVersion, uids: Collection[str]) -> None:
    """Keep a version and the rows (by their uid) that it changed, as the plan has them now.

    Where the version before it was not kept (a process of the release before made it), this one keeps every row.
    """
    gap = version.number > 1 and not await is_kept(tx, version.schedule_uid, version.number - 1)
    await tx.execute(insert(tables.plan_version).values(**asdict(version)))
    where = {"number": version.number, "schedule_uid": version.schedule_uid, "uids": sorted(uids), "whole": gap}
    await tx.execute(KEEP_ROWS, where)


async def is_kept(reader: Reader, schedule_uid: str, number: int) -> bool:
    """Whether the plan's history has this version."""
    table = tables.plan_version
    query = select(table.c.id).where(table.c.schedule_uid == schedule_uid, table.c.number == number)
    return (await reader.execute(query)).one_or_none() is not None


async def load_version(reader: Reader, schedule_uid: str, number: int) -> PlanVersion:
    """A version of a plan; NotFound when the plan never had it."""
    table = tables.plan_version
    query = select(*VERSION).where(table.c.schedule_uid == schedule_uid, table.c.number == number)
    row = (await reader.execute(query)).one_or_none()
    if row is None:
        message = f"the plan has no version {number}"
        raise NotFound(f"{PLAN_VERSION.upper()}_NOT_FOUND", message, schedule_uid=schedule_uid, number=number)
    return PlanVersion(**mapping(row))


async def list_versions(reader: Reader, schedule_uid: str, page: PageQuery) -> Page[PlanVersion]:
    """A plan's versions, newest first."""
    table = tables.plan_version
    query = select(*VERSION).where(table.c.schedule_uid == schedule_uid)
    if page.after:
        query = query.where(table.c.number < page.after[0])
    rows = await reader.execute(query.order_by(table.c.number.desc()).limit(page.size + 1))
    return cut([PlanVersion(**mapping(row)) for row in rows], page, "number")


async def count_shows(reader: Reader, schedule_uid: str) -> int:
    """How many shows the plan has."""
    table = tables.planned_show
    query = select(func.count()).where(table.c.schedule_uid == schedule_uid, table.c.removed_at.is_(None))
    return int((await reader.execute(query)).scalar_one())


async def plan_at(reader: Reader, schedule_uid: str, number: int) -> dict[str, PlannedShow]:
    """A whole version by show uid, with the rows that had left by then."""
    rows = await reader.execute(select(newest(schedule_uid, number)))
    return {row.show_uid: planned_show_of(row) for row in rows}


async def list_shows_at(reader: Reader, schedule_uid: str, number: int, page: PageQuery) -> Page[PlannedShow]:
    """A page of a version by start."""
    plan = newest(schedule_uid, number)
    query = select(plan).where(plan.c.removed_at.is_(None))
    if page.after:
        query = query.where(tuple_(plan.c.starts_at, plan.c.uid) > page.after)
    rows = (await reader.execute(query.order_by(plan.c.starts_at, plan.c.uid).limit(page.size + 1))).all()
    found = cut(rows, page, "starts_at", "uid")
    return Page([planned_show_of(row) for row in found.rows], found.next_token)


async def both_states(
    reader: Reader, schedule_uid: str, before: int, after: int
) -> tuple[dict[str, PlannedShow], dict[str, PlannedShow]]:
    """The shows that changed between two versions, by show uid: as they were, as they became."""
    rows = (await reader.execute(BOTH_STATES, {"schedule_uid": schedule_uid, "before": before, "after": after})).all()
    return (
        {row.show_uid: planned_show_of(row) for row in rows if row.earlier},
        {row.show_uid: planned_show_of(row) for row in rows if not row.earlier},
    )


def newest(schedule_uid: str, number: int) -> Subquery:
    """Each row's newest state up to a version."""
    table = tables.plan_version_row
    return (
        select(table)
        .ext(distinct_on(table.c.show_uid))
        .where(and_(table.c.schedule_uid == schedule_uid, table.c.number <= number))
        .order_by(table.c.show_uid, table.c.number.desc())
        .subquery("plan")
    )


VERSION = [column for column in tables.plan_version.c if column.name != "id"]
