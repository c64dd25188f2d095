"""What is read from scheduling: one function per read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.access import Caller
from libs.common.db import Database, Reader
from libs.common.errors import Refused
from libs.common.pages import Page, PageQuery
from services.scheduling.domain import hold as hold_rules
from services.scheduling.domain.booking import Problem, ShowBooking, Slot, Taken, all_problems
from services.scheduling.domain.confirmation import wanted_of
from services.scheduling.domain.resource import MC, ROOM, Mc, Resource, ResourceKind, Room
from services.scheduling.domain.schedule import SCHEDULE, PlannedShow, Schedule, ScheduleStatus
from services.scheduling.store import bookings, holds, resources, schedules, watched
from services.scheduling.store.bookings import BookedResource
from services.scheduling.store.holds import Shown


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
) -> Page[Schedule]:
    """The schedules that the caller may see, oldest first."""
    visible = caller.visible()
    async with db.read() as reader:
        return await schedules.list_schedules(reader, studio_uid, client_uid, statuses, visible, page)


async def list_planned_shows(
    db: Database, caller: Caller, schedule_uid: str, show_removed: bool, page: PageQuery
) -> Page[PlannedShow]:
    """A page of a plan by start."""
    await get_schedule(db, caller, schedule_uid)
    async with db.read() as reader:
        return await schedules.list_planned_shows(reader, schedule_uid, show_removed, page)


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
        plan, known, _, world = await situation_of(reader, schedule)
        wanted = wanted_of(schedule, plan, known)
        warnings = await held_by_others(reader, [slot for each in wanted for slot in each.slots], now)
    starts = {each.row.show_uid: each.row.planned.starts_at for each in wanted}
    problems = [*all_problems(wanted, Taken(world)), *warnings]
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


MOST_IN_A_CALENDAR = 5_000  # shows


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a calendar shows: whose it is, the shows, and the names of their rooms by uid."""

    name: str
    booked: Sequence[ShowBooking]
    rooms: Mapping[str, str]


async def export_calendar(
    db: Database,
    caller: Caller,
    *,
    room_uid: str,
    mc_uid: str,
    schedule_uid: str,
    ends_after: datetime | None,
    starts_before: datetime | None,
) -> Calendar:
    """The shows of a room, an MC or a schedule; an MC's also for the user that the MC is."""
    if room_uid:
        room = await get_room(db, caller, room_uid)
        name, studio_uid = room.name, room.studio_uid
    elif schedule_uid:
        schedule = await get_schedule(db, caller, schedule_uid)
        name, studio_uid = schedule.name, schedule.studio_uid
    else:
        async with db.read() as reader:
            mc = await resources.load_mc(reader, mc_uid)
        if not caller.is_self(mc.user_uid):
            caller.require(MC, mc_uid, mc.studio_uid)
        name, studio_uid = mc.name, mc.studio_uid
    async with db.read() as reader:
        booked = await watched.list_booked(
            reader,
            room_uid=room_uid,
            mc_uid=mc_uid,
            schedule_uid=schedule_uid,
            ends_after=ends_after,
            starts_before=starts_before,
            most=MOST_IN_A_CALENDAR + 1,
        )
        if len(booked) > MOST_IN_A_CALENDAR:
            raise Refused("CALENDAR_TOO_LARGE", f"more than {MOST_IN_A_CALENDAR} shows: name a shorter time")
        rooms = await resources.find_resources(reader, studio_uid, {one.planned.room_uid for one in booked} - {""})
    return Calendar(name, booked, {room.uid: room.name for room in rooms})
