"""Schedules, their plans and the versions of these, as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from libs.common.access import Caller
from libs.common.db import Database
from libs.common.errors import Refused
from libs.common.pages import Page, PageQuery
from services.scheduling.domain.schedule import SCHEDULE, PlannedShow, Schedule, ScheduleStatus
from services.scheduling.domain.sheet import LARGEST, Names, write
from services.scheduling.domain.version import PlanVersion, ShowChange, changes_between
from services.scheduling.neighbours import Identity
from services.scheduling.store import resources, schedules, versions


async def get_schedule(db: Database, caller: Caller, uid: str) -> Schedule:
    """A schedule."""
    async with db.read() as reader:
        schedule = await schedules.load_schedule(reader, uid)
    caller.require(SCHEDULE, uid, schedule.studio_uid, schedule.client_uid)
    return schedule


async def list_schedules(
    db: Database,
    caller: Caller,
    studio_uid: str,
    client_uid: str,
    statuses: Sequence[ScheduleStatus],
    page: PageQuery,
    show_deleted: bool = False,
) -> Page[Schedule]:
    """The schedules that the caller may see, oldest first."""
    visible = caller.visible()
    async with db.read() as reader:
        return await schedules.list_schedules(reader, studio_uid, client_uid, statuses, visible, page, show_deleted)


async def list_planned_shows(
    db: Database, caller: Caller, schedule_uid: str, show_removed: bool, page: PageQuery
) -> Page[PlannedShow]:
    """A page of a plan by start."""
    await get_schedule(db, caller, schedule_uid)
    async with db.read() as reader:
        return await schedules.list_planned_shows(reader, schedule_uid, show_removed, page)


@dataclass(frozen=True, slots=True)
class Export:
    """The answer to ExportPlan."""

    csv: str
    plan_version: int
    show_count: int


async def export_plan(db: Database, caller: Caller, identity: Identity, uid: str) -> Export:
    """The plan as the sheet that an import takes."""
    schedule = await get_schedule(db, caller, uid)
    async with db.read() as reader:
        plan_version, plan = await schedules.read_plan(reader, uid)
        living = [row.planned for row in plan]
        words = {word for one in living for word in (one.room_uid, *one.mc_uids) if word}
        known = await resources.find_resources(reader, schedule.studio_uid, words)
    if len(living) > LARGEST:
        raise Refused("PLAN_TOO_LARGE", f"the plan has {len(living)} shows, a sheet takes {LARGEST}")
    platforms = await identity.platforms_by_word({word for one in living for word in one.platform_uids})
    named = {one.uid: one.name for one in known if one.bookable}
    names = Names(named, named, {platform: name for name, platform in platforms.items() if name != platform})
    return Export(write(living, schedule, names), plan_version or schedule.plan_version, len(living))


async def list_versions(db: Database, caller: Caller, schedule_uid: str, page: PageQuery) -> Page[PlanVersion]:
    """A plan's versions, newest first."""
    await get_schedule(db, caller, schedule_uid)
    async with db.read() as reader:
        return await versions.list_versions(reader, schedule_uid, page)


async def get_version(
    db: Database, caller: Caller, schedule_uid: str, number: int, page: PageQuery
) -> tuple[PlanVersion, Page[PlannedShow]]:
    """A version, and a page of its plan by start."""
    await get_schedule(db, caller, schedule_uid)
    async with db.read() as reader:
        version = await versions.load_version(reader, schedule_uid, number)
        return version, await versions.list_shows_at(reader, schedule_uid, number, page)


async def diff_versions(
    db: Database, caller: Caller, schedule_uid: str, before: int, after: int
) -> Sequence[ShowChange]:
    """How the shows of two versions differ, by external_id; 0 is the empty plan."""
    await get_schedule(db, caller, schedule_uid)
    async with db.read() as reader:
        for number in {before, after} - {0}:
            await versions.load_version(reader, schedule_uid, number)
        older, newer = await versions.both_states(reader, schedule_uid, min(before, after), max(before, after))
    return changes_between(older, newer) if before <= after else changes_between(newer, older)
