"""Changes of a schedule itself: it is made, and moves through its life."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eridu.scheduling.v1 import events_pb2

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.ledger import Entry, entry
from services.scheduling.commands.bookings import released_entries
from services.scheduling.commands.plans import plan_entries
from services.scheduling.convert import schedules as convert
from services.scheduling.domain.schedule import SCHEDULE, Schedule
from services.scheduling.neighbours import Identity
from services.scheduling.store import bookings as booking_store
from services.scheduling.store import schedules as store

EVENTS: Mapping[str, Callable[..., Any]] = {
    "created": events_pb2.ScheduleCreated,
    "proposed": events_pb2.ScheduleProposed,
    "withdrawn": events_pb2.ScheduleWithdrawn,
    "confirmed": events_pb2.ScheduleConfirmed,
    "revised": events_pb2.ScheduleRevised,
    "archived": events_pb2.ScheduleArchived,
    "cancelled": events_pb2.ScheduleCancelled,
}


def schedule_entry(done: str, before: Schedule | None, after: Schedule, reason: str = "") -> Entry:
    """The ledger entry of a change of a schedule."""
    return entry(
        f"scheduling.schedule.{done}",
        EVENTS[done](schedule=convert.schedule(after)),
        before,
        after,
        studio_uid=after.studio_uid,
        client_uid=after.client_uid,
        reason=reason,
    )


async def create_schedule(
    db: Database,
    caller: Caller,
    clock: Clock,
    identity: Identity,
    studio_uid: str,
    client_uid: str,
    given: Mapping[str, Any],
) -> Schedule:
    """Make an empty draft in the studio's time zone; SCHEDULE_NAME_TAKEN when the client has one of that name there."""
    caller.require("studio", studio_uid, studio_uid)
    studio = await identity.studio(studio_uid)
    await identity.require_client(client_uid)
    now = clock()
    schedule = Schedule(
        uid=uids.new("sched"),
        created_at=now,
        updated_at=now,
        studio_uid=studio_uid,
        client_uid=client_uid,
        time_zone=studio.time_zone,
        **given,
    )
    async with db.begin(caller) as tx:
        await store.insert_schedule(tx, schedule)
        await ledger.record(tx, schedule_entry("created", None, schedule))
    return schedule


async def move_schedule(
    db: Database,
    caller: Caller,
    clock: Clock,
    uid: str,
    etag: str,
    reason: str,
    move: Callable[[Schedule], Schedule],
    done: str,
) -> Schedule:
    """Propose, withdraw, revise or archive a schedule: the moves that change nothing but where it stands."""
    async with db.begin(caller) as tx:
        before = await store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        after = await store.save_schedule(tx, before, move(before), clock())
        await ledger.record(tx, schedule_entry(done, before, after, reason))
    return after


async def cancel_schedule(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Schedule:
    """Give a schedule up: its plan is emptied and its bookings are released, save for shows that are live or over."""
    now = clock()
    async with db.begin(caller) as tx:
        before = await store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        after = await store.save_schedule(tx, before, before.cancel(), now)
        plan = await store.load_plan(tx, uid)
        started = {row.show_uid for row in plan.values() if row.started}
        removed = [row.remove(now) for row in plan.values() if not row.started and row.removed_at is None]
        mine = await booking_store.load_show_bookings(tx, schedule_uid=uid, lock=True)
        released = [one.release(one.confirmation) for one in mine.values() if one.show_uid not in started]
        await store.save_plan(tx, removed)
        await booking_store.release(tx, [one.show_uid for one in released], now)
        await booking_store.save_show_bookings(tx, released)
        await ledger.record(
            tx,
            schedule_entry("cancelled", before, after, reason),
            *plan_entries(after, removed, reason),
            *released_entries(released, reason),
        )
    return after
