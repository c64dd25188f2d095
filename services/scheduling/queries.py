"""What is read from scheduling: one function per read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from libs.common.access import Caller
from libs.common.db import Database, Reader
from libs.common.errors import Refused
from libs.common.pages import Page, PageQuery
from services.scheduling.domain.booking import Problem, ShowBooking, Slot, Taken, all_problems
from services.scheduling.domain.confirmation import wanted_of
from services.scheduling.domain.resource import MC, ROOM, Mc, Resource, ResourceKind, Room
from services.scheduling.domain.schedule import SCHEDULE, PlannedShow, Schedule, ScheduleStatus
from services.scheduling.domain.sheet import LARGEST, Names, write
from services.scheduling.domain.version import PlanVersion, ShowChange, changes_between
from services.scheduling.neighbours import Identity
from services.scheduling.store import bookings, resources, schedules, versions
from services.scheduling.store.bookings import BookedResource


async def get_room(db: Database, caller: Caller, uid: str) -> Room:
    """A room."""
    async with db.read() as reader:
        room = await resources.load_room(reader, uid)
    caller.require(ROOM, uid, room.studio_uid)
    return room


async def list_rooms(db: Database, caller: Caller, studio_uid: str, page: PageQuery) -> Page[Room]:
    """A studio's rooms by name."""
    caller.require("studio", studio_uid, studio_uid)
    async with db.read() as reader:
        return await resources.list_rooms(reader, studio_uid, page)


async def get_mc(db: Database, caller: Caller, uid: str) -> Mc:
    """An MC."""
    async with db.read() as reader:
        mc = await resources.load_mc(reader, uid)
    caller.require(MC, uid, mc.studio_uid)
    return mc


async def list_mcs(db: Database, caller: Caller, studio_uid: str, page: PageQuery) -> Page[Mc]:
    """A studio's MCs by name."""
    caller.require("studio", studio_uid, studio_uid)
    async with db.read() as reader:
        return await resources.list_mcs(reader, studio_uid, page)


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


@dataclass(frozen=True, slots=True)
class Validation:
    """The answer to ValidateSchedule."""

    schedule: Schedule
    show_count: int
    problems: Sequence[Problem]


async def validate_schedule(db: Database, caller: Caller, uid: str) -> Validation:
    """Every problem that a confirmation would meet, by start of the show."""
    schedule = await get_schedule(db, caller, uid)
    async with db.read() as reader:
        plan, known, _, world = await situation_of(reader, schedule)
    wanted = wanted_of(schedule, plan, known)
    starts = {each.row.show_uid: each.row.planned.starts_at for each in wanted}
    problems = all_problems(wanted, Taken(world))
    in_order = sorted(problems, key=lambda one: (starts[one.show.show_uid], one.show.external_id))
    return Validation(schedule, len(wanted), in_order)


Situation = tuple[Sequence[PlannedShow], Mapping[str, Resource], Mapping[str, ShowBooking], Sequence[Slot]]


async def situation_of(reader: Reader, schedule: Schedule, lock: bool = False) -> Situation:
    """All that a confirmation looks at: the plan, its resources, its own bookings, and everybody else's beside them.

    Shows of the plan that went live count as everybody else: they keep what they have.
    """
    plan = list((await schedules.load_plan(reader, schedule.uid)).values())
    own = await bookings.load_show_bookings(
        reader, schedule_uid=schedule.uid, show_uids=[row.show_uid for row in plan], lock=lock
    )
    sides = [*(row.planned for row in plan), *(one.planned for one in own.values())]
    words = {uid for planned in sides for uid in (planned.room_uid, *planned.mc_uids) if uid}
    known = resources.by_uid(await resources.find_resources(reader, schedule.studio_uid, words))
    slots = [slot for each in wanted_of(schedule, plan, known) for slot in each.slots]
    movable = {row.show_uid for row in plan if not row.started}
    world = [slot for slot in await bookings.slots_in_force(reader, slots) if slot.show.show_uid not in movable]
    return plan, known, own, world


async def list_bookings(
    db: Database,
    caller: Caller,
    *,
    studio_uid: str,
    client_uid: str,
    resource_uid: str,
    kind: ResourceKind | None,
    show_uid: str,
    show_released: bool,
    page: PageQuery,
) -> Page[BookedResource]:
    """The bookings that the caller may see, by start."""
    visible = caller.visible()
    async with db.read() as reader:
        return await bookings.list_bookings(
            reader,
            studio_uid=studio_uid,
            client_uid=client_uid,
            resource_uid=resource_uid,
            kind=kind,
            show_uid=show_uid,
            show_released=show_released,
            visible=visible,
            page=page,
        )
