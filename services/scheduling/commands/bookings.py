"""Changes of single shows' bookings: production books and releases what has no schedule, and releases what has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import events_pb2

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.errors import NotFound, Refused, Stale
from libs.common.ledger import Entry
from services.scheduling.commands.hold_ends import settle_holds
from services.scheduling.commands.plans import planned_by_schedule
from services.scheduling.commands.versions import follow_shows
from services.scheduling.convert import bookings as convert
from services.scheduling.domain import booking as rules
from services.scheduling.domain.booking import (
    Problem,
    ShowBooking,
    ShowRef,
    Slot,
    Taken,
    blackouts_over,
    clashes_with,
    slots_of,
)
from services.scheduling.domain.schedule import Planned, PlannedShow, Schedule
from services.scheduling.domain.version import Cause, Why
from services.scheduling.store import blackouts as blackout_store
from services.scheduling.store import bookings as store
from services.scheduling.store import hold_locks
from services.scheduling.store import resources as resource_store
from services.scheduling.store import schedules as schedule_store

ATTEMPTS = 5


class SlotLost(Exception):
    """Somebody else took a slot between the look and the insert."""


async def book_show(db: Database, caller: Caller, clock: Clock, asked: ShowBooking, hold_uid: str = "") -> ShowBooking:
    """Book or move a show that has no schedule: all its resources or none. It takes up the hold that it names."""
    async with db.begin(caller) as tx:
        await hold_locks.pass_gate(tx, asked.studio_uid)
        await store.lock_show(tx, asked.show_uid)
        planned = await schedule_store.find_planned(tx, [asked.show_uid])
        if planned:
            message = "a schedule plans this show: confirm the schedule"
            raise Refused("PLANNED_IN_SCHEDULE", message, schedule_uid=planned[0].schedule_uid)
        mine = (await store.load_show_bookings(tx, show_uids=[asked.show_uid], lock=True)).get(asked.show_uid)
        after = rules.book(mine, asked)
        if after is mine:
            return after
        moved = mine is not None and mine.in_force and mine.confirmation == after.confirmation
        entries = booking_entries([], [after], "") if moved else booking_entries([after], [], "")
        if mine and moved and mine.books_the_same(after.planned):  # what is booked stays, under another name
            await store.save_show_bookings(tx, [after])
            await ledger.record(tx, *entries)
            return after
        slots = await free_slots_of(tx, caller, after, mine)
        for _ in range(ATTEMPTS):
            try:
                async with tx.attempt():
                    await store.release(tx, [after.show_uid], clock())
                    await store.save_show_bookings(tx, [after])
                    if not await store.book(tx, slots, {after.show_uid: after.confirmation}, clock()):
                        raise SlotLost
                break
            except SlotLost:
                slots = await free_slots_of(tx, caller, after, mine)
        else:
            raise Stale("CONFLICT", "other bookings keep taking this slot away: try again")
        await ledger.record(tx, *entries)
        await settle_holds(tx, after.studio_uid, slots, clock, hold_uid)
    return after


async def release_show(
    db: Database, caller: Caller, clock: Clock, show_uid: str, confirmation: int, reason: str
) -> ShowBooking:
    """Give back what a confirmation of a show has booked, and remember the number: a late booking of it is refused.

    A show that a schedule plans stays in the plan as cancelled, so that no later confirmation books it again.
    """
    async with db.begin(caller) as tx:
        await store.lock_show(tx, show_uid)
        planned = await planned_by_schedule(tx, [show_uid])
        mine = (await store.load_show_bookings(tx, show_uids=[show_uid], lock=True)).get(show_uid)
        if mine and (confirmation < mine.confirmation or (confirmation == mine.confirmation and not mine.in_force)):
            return mine
        after = mine.release(confirmation) if mine else never_booked(show_uid, confirmation, planned, clock())
        await store.release(tx, [show_uid], clock())
        await store.save_show_bookings(tx, [after])
        entries = released_entries([after], reason)
        for schedule, rows in planned:
            withheld = [row.withhold() for row in rows if row.removed_at is None]
            entries += await follow_shows(tx, schedule, rows, withheld, Why(Cause.SHOW_CANCELLED, reason), clock())
        await ledger.record(tx, *entries)
    return after


def never_booked(
    show_uid: str, confirmation: int, planned: Sequence[tuple[Schedule, Sequence[PlannedShow]]], now: datetime
) -> ShowBooking:
    """The tombstone of a confirmation that was released before it ever came."""
    schedule, row = (planned[0][0], planned[0][1][0]) if planned else (None, None)
    return ShowBooking(
        show_uid=show_uid,
        confirmation=confirmation,
        version=1,
        in_force=False,
        studio_uid=schedule.studio_uid if schedule else "",
        client_uid=schedule.client_uid if schedule else "",
        schedule_uid=schedule.uid if schedule else "",
        planned=row.planned if row else Planned(external_id="", name="", starts_at=now, ends_at=now),
    )


async def free_slots_of(tx: Tx, caller: Caller, asked: ShowBooking, mine: ShowBooking | None) -> tuple[Slot, ...]:
    """The slots that a show asks for, if all can be had; else the refusal that names the first thing in the way."""
    planned = asked.planned
    words = {uid for uid in (planned.room_uid, *planned.mc_uids) if uid}
    resources = resource_store.by_uid(await resource_store.find_resources(tx, asked.studio_uid, words, lock=True))
    for uid in words:
        known = resources.get(uid)
        if known is None:
            raise NotFound.of("room" if uid == planned.room_uid else "mc", uid)
        if not known.bookable:
            raise Refused(f"{known.kind.name}_UNAVAILABLE", f"{known.name} cannot be booked", uid=uid, name=known.name)
    show = ShowRef(asked.show_uid, "", planned.name, "", asked.studio_uid, asked.client_uid)
    slots = slots_of(planned, show, resources)
    taken = await store.slots_in_force(tx, slots)
    kept = mine.keeps(planned, [slot for slot in taken if slot.show.show_uid == asked.show_uid]) if mine else {}
    slots = slots_of(planned, show, resources, kept)
    blackouts = blackouts_over(await blackout_store.closed_for(tx, slots), slots, kept)
    if blackouts:
        raise blacked_out(blackouts[0], caller)
    world = Taken(slot for slot in taken if slot.show.show_uid != asked.show_uid)
    problems = clashes_with(world, slots, False)
    if problems:
        raise slot_taken(problems[0], caller)
    return tuple(sorted(slots, key=lambda slot: (slot.resource.id, slot.start)))


def slot_taken(problem: Problem, caller: Caller) -> Refused:
    """The refusal of a clash: names the other show, to those who may know of it."""
    message = convert.problem(problem, caller)
    return Refused(
        "SLOT_TAKEN",
        message.message,
        resource_uid=message.resource_uid,
        resource_name=message.resource_name,
        show_uid=message.other.show_uid,
        show_name=message.other.name,
        schedule_uid=message.other.schedule_uid,
        busy=str(message.other.busy).lower(),
        **{"from": getattr(message, "from").ToJsonString(), "until": message.until.ToJsonString()},
    )


def blacked_out(problem: Problem, caller: Caller) -> Refused:
    """The refusal of a blackout: says why, to those who may know."""
    message = convert.problem(problem, caller)
    return Refused(
        "BLACKOUT",
        message.message,
        resource_uid=message.resource_uid,
        resource_name=message.resource_name,
        blackout_uid=message.blackout_uid,
        why=message.reason,
        **{"from": getattr(message, "from").ToJsonString(), "until": message.until.ToJsonString()},
    )


def booking_entries(booked: Iterable[ShowBooking], moved: Iterable[ShowBooking], reason: str) -> list[Entry]:
    """The ledger entries of shows that are booked, or booked otherwise."""
    return [
        *(booking_entry("confirmed", events_pb2.BookingConfirmed, one, reason) for one in booked),
        *(booking_entry("moved", events_pb2.BookingMoved, one, reason) for one in moved),
    ]


def released_entries(released: Iterable[ShowBooking], reason: str) -> list[Entry]:
    """The ledger entries of shows that gave everything back."""
    return [booking_entry("released", events_pb2.BookingReleased, one, reason) for one in released]


def booking_entry(done: str, event: Any, booked: ShowBooking, reason: str) -> Entry:
    """One show's bookings are one aggregate."""
    return Entry(
        f"scheduling.booking.{done}",
        event(booking=convert.show_booking(booked)),
        booked.show_uid,
        booked.version,
        booked.studio_uid,
        booked.client_uid,
        reason,
        {},
        {"confirmation": booked.confirmation, "in_force": booked.in_force, "planned": booked.planned},
    )
