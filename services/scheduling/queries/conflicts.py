"""What is in the way: of a plan, of a slot that is planned nowhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.access import Caller
from libs.common.db import Database, Reader
from services.scheduling.domain import hold as hold_rules
from services.scheduling.domain.blackout import Closed
from services.scheduling.domain.booking import Problem, ShowBooking, Slot, Taken, all_problems
from services.scheduling.domain.confirmation import wanted_of
from services.scheduling.domain.conflict import Conflicts, conflicts, require_known, want_asked
from services.scheduling.domain.resource import Resource
from services.scheduling.domain.schedule import PlannedShow, Schedule
from services.scheduling.queries.schedules import get_schedule
from services.scheduling.store import blackouts, bookings, holds, resources, schedules
from services.scheduling.store import conflicts as conflict_store


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
