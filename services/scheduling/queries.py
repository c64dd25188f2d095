"""What is read from scheduling: one function per read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.common.access import Caller
from libs.common.db import Database, Reader
from libs.common.errors import Refused
from libs.common.pages import Page, PageQuery
from services.scheduling.domain import hold as hold_rules
from services.scheduling.domain.blackout import Blackout, Closed
from services.scheduling.domain.booking import Problem, ShowBooking, Slot, Taken, all_problems
from services.scheduling.domain.capacity import (
    LONGEST_SEARCH,
    LONGEST_USE,
    FreeSlot,
    Search,
    Use,
    require_bookable,
)
from services.scheduling.domain.confirmation import wanted_of
from services.scheduling.domain.conflict import Conflicts, conflicts, require_known, want_asked
from services.scheduling.domain.day import Asked, Hours, Span
from services.scheduling.domain.resource import MC, ROOM, Mc, Resource, ResourceKind, Room
from services.scheduling.domain.schedule import SCHEDULE, PlannedShow, Schedule, ScheduleStatus
from services.scheduling.domain.sheet import LARGEST, Names, write
from services.scheduling.domain.version import PlanVersion, ShowChange, changes_between
from services.scheduling.neighbours import Identity
from services.scheduling.store import blackouts, bookings, capacity, holds, resources, schedules, versions
from services.scheduling.store import conflicts as conflict_store
from services.scheduling.store.bookings import BookedResource, BookingQuery
from services.scheduling.store.holds import Shown


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


async def validate_schedule(db: Database, caller: Caller, uid: str, now: datetime) -> Validation:
    """Every problem that a confirmation would meet, by start of the show."""
    schedule = await get_schedule(db, caller, uid)
    async with db.read() as reader:
        plan, known, own, world, held, closed = await situation_of(reader, schedule)
        wanted = wanted_of(schedule, plan, known, own, held, closed)
        warnings = await held_by_others(reader, [slot for each in wanted for slot in each.slots], now)
    starts = {each.row.show_uid: each.row.planned.starts_at for each in wanted}
    problems = [*all_problems(wanted, Taken(world)), *warnings]
    in_order = sorted(problems, key=lambda one: (starts[one.show.show_uid], one.show.external_id))
    return Validation(schedule, len(wanted), in_order)


Situation = tuple[
    Sequence[PlannedShow],
    Mapping[str, Resource],
    Mapping[str, ShowBooking],
    Sequence[Slot],
    Mapping[str, Sequence[Slot]],
    Closed,
]


async def situation_of(reader: Reader, schedule: Schedule, lock: bool = False) -> Situation:
    """All that a confirmation looks at: the plan, its resources, its own bookings, everybody else's slots beside them,
    its own by show uid, and when the resources are closed.

    Shows of the plan that went live count as everybody else: they keep what they have. Locked, the resources stay as
    they are until the end, and so do their blackouts.
    """
    plan = list((await schedules.load_plan(reader, schedule.uid)).values())
    own = await bookings.load_show_bookings(
        reader, schedule_uid=schedule.uid, show_uids=[row.show_uid for row in plan], lock=lock
    )
    sides = [*(row.planned for row in plan), *(one.planned for one in own.values())]
    words = {uid for planned in sides for uid in (planned.room_uid, *planned.mc_uids) if uid}
    known = resources.by_uid(await resources.find_resources(reader, schedule.studio_uid, words, lock))
    slots = [slot for each in wanted_of(schedule, plan, known) for slot in each.slots]
    movable = {row.show_uid for row in plan if not row.started}
    world, held = [], defaultdict(list)
    for slot in await bookings.slots_in_force(reader, slots):
        if slot.show.show_uid in movable:
            held[slot.show.show_uid].append(slot)
        else:
            world.append(slot)
    return plan, known, own, world, held, await blackouts.closed_for(reader, slots)


async def held_by_others(reader: Reader, slots: Sequence[Slot], now: datetime) -> list[Problem]:
    """Warnings: the holds of other clients that a booking of these slots would push aside."""
    return hold_rules.held_by_others(slots, await holds.slots_held(reader, slots, now))


async def get_hold(db: Database, caller: Caller, uid: str, now: datetime) -> Shown:
    """A hold with its rank now."""
    async with db.read() as reader:
        hold = await holds.load_hold(reader, uid)
        caller.require(hold_rules.HOLD, uid, hold.studio_uid, hold.client_uid)
        return (await holds.show_holds(reader, [hold], now))[0]


async def list_holds(
    db: Database,
    caller: Caller,
    *,
    studio_uid: str,
    client_uid: str,
    resource_uid: str,
    show_ended: bool,
    now: datetime,
    page: PageQuery,
) -> Page[Shown]:
    """The holds that the caller may see, by start, each with its rank now."""
    visible = caller.visible()
    async with db.read() as reader:
        found = await holds.list_holds(
            reader,
            studio_uid=studio_uid,
            client_uid=client_uid,
            resource_uid=resource_uid,
            show_ended=show_ended,
            visible=visible,
            now=now,
            page=page,
        )
        return Page(await holds.show_holds(reader, found.rows, now), found.next_token)


async def list_bookings(
    db: Database, caller: Caller, identity: Identity, wanted: BookingQuery, period: Asked, page: PageQuery
) -> Page[BookedResource]:
    """The bookings that the caller may see, by start; others' as busy if wanted, for clients of the studio."""
    visible, clock = caller.visible(), None
    if period.by_days or wanted.busy:
        if not (caller.sees(wanted.studio_uid) or await clients_here(db, caller, wanted.studio_uid)):
            return Page([], "")
        clock = await identity.clock(wanted.studio_uid) if period.by_days else None
    period.require_order(clock)
    async with db.read() as reader:
        start, until = period.start_by(clock), period.until_by(clock)
        return await bookings.list_bookings(reader, wanted, start, until, visible, page)


async def clients_here(db: Database, caller: Caller, studio_uid: str) -> list[str]:
    """Those of the caller's clients that the studio works for."""
    clients = caller.visible().clients
    if not clients:
        return []
    async with db.read() as reader:
        return await conflict_store.clients_of(reader, studio_uid, clients)


async def check_conflicts(
    db: Database, caller: Caller, studio_uid: str, asked: Sequence[PlannedShow], now: datetime
) -> Conflicts:
    """Everything that would be in the way of slots that are planned nowhere."""
    clients = await clients_here(db, caller, studio_uid)
    caller.require("studio", studio_uid, studio_uid, *clients)
    words = {uid for row in asked for uid in (row.planned.room_uid, *row.planned.mc_uids) if uid}
    whole_studio = caller.sees(studio_uid)
    async with db.read() as reader:
        known = resources.by_uid(await resources.find_resources(reader, studio_uid, words))
        require_known([row.planned for row in asked], known)
        client_uid = "" if whole_studio else clients[0]
        slots = [slot for each in want_asked(asked, studio_uid, client_uid, known) for slot in each.slots]
        closed = await blackouts.closed_for(reader, slots)
        wanted = want_asked(asked, studio_uid, client_uid, known, closed)
        world = await conflict_store.slots_in_the_way(
            reader,
            slots,
            studio_uid=studio_uid,
            moving={row.show_uid for row in asked if row.show_uid},
            whole_studio=whole_studio,
            client_uids=clients,
        )
        warnings = await held_by_others(reader, slots, now)
    return conflicts(wanted, Taken(world), warnings)


async def period_of(
    identity: Identity, studio_uid: str, asked: Asked, hours: Hours | None, longest: timedelta
) -> tuple[Span, list[Span]]:
    """A period and its bookable parts, by the studio's clock if they need it."""
    clock = await identity.clock(studio_uid) if asked.by_days or hours else None
    span = asked.span(clock, longest)
    return span, list(clock.open(hours, span)) if clock and hours else [span]


async def find_free_slots(
    db: Database, caller: Caller, identity: Identity, search: Search, asked: Asked, hours: Hours | None
) -> list[FreeSlot]:
    """Where and when a show could be."""
    caller.require("studio", search.studio_uid, search.studio_uid)
    span, bookable = await period_of(identity, search.studio_uid, asked, hours, LONGEST_SEARCH)
    async with db.read() as reader:
        named = [*search.room_uids, *search.mc_uids]
        found = await resources.find_resources(reader, search.studio_uid, named) if named else []
        mcs = require_bookable(search, found)
        return await capacity.find_free(reader, search, span, bookable, [mc.id for mc in mcs])


async def get_utilisation(
    db: Database,
    caller: Caller,
    identity: Identity,
    studio_uid: str,
    kind: ResourceKind | None,
    show_deleted: bool,
    asked: Asked,
    hours: Hours | None,
    page: PageQuery,
) -> tuple[Page[Use], Span, list[Span]]:
    """How much the rooms and MCs of a studio are taken, in which period, of which bookable parts."""
    caller.require("studio", studio_uid, studio_uid)
    span, bookable = await period_of(identity, studio_uid, asked, hours, LONGEST_USE)
    async with db.read() as reader:
        used = await capacity.measure_use(reader, studio_uid, kind, show_deleted, span, bookable, page)
    return used, span, bookable
