"""Changes of a schedule itself: it is made, and moves through its life."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import events_pb2

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.ledger import Entry, entry
from services.scheduling.commands.bookings import released_entries
from services.scheduling.commands.versions import save_version
from services.scheduling.convert import schedules as convert
from services.scheduling.domain.schedule import SCHEDULE, PlannedShow, Schedule
from services.scheduling.domain.version import Cause, Why
from services.scheduling.neighbours import Identity
from services.scheduling.store import bookings as booking_store
from services.scheduling.store import schedules as store

EVENTS: Mapping[str, Callable[..., Any]] = {
    "created": events_pb2.ScheduleCreated,
    "updated": events_pb2.ScheduleUpdated,
    "approved": events_pb2.ScheduleApproved,
    "proposed": events_pb2.ScheduleProposed,
    "withdrawn": events_pb2.ScheduleWithdrawn,
    "confirmed": events_pb2.ScheduleConfirmed,
    "revised": events_pb2.ScheduleRevised,
    "archived": events_pb2.ScheduleArchived,
    "cancelled": events_pb2.ScheduleCancelled,
    "deleted": events_pb2.ScheduleDeleted,
    "undeleted": events_pb2.ScheduleUndeleted,
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
    """Update, propose, approve, withdraw, revise or archive a schedule: what leaves plan and bookings as they are."""
    async with db.begin(caller) as tx:
        before = await store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        moved = move(before)
        if moved == before:
            return before
        after = await store.save_schedule(tx, before, moved, clock())
        await ledger.record(tx, schedule_entry(done, before, after, reason))
    return after


async def cancel_schedule(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Schedule:
    """Give a schedule up: its plan is emptied and its bookings are released, save for shows that are live or over."""
    now = clock()
    async with db.begin(caller) as tx:
        before = await store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        plan = await store.load_plan(tx, uid)
        started = {row.show_uid for row in plan.values() if row.started}
        removed = emptied(plan.values(), now)
        cancelled = before.cancel()
        after = await store.save_schedule(tx, before, cancelled.next_version() if removed else cancelled, now)
        mine = await booking_store.load_show_bookings(tx, schedule_uid=uid, lock=True)
        released = [one.release(one.confirmation) for one in mine.values() if one.show_uid not in started]
        plan_entries = await plan_changed(tx, after, plan.values(), removed, Why(Cause.SCHEDULE_CANCELLED, reason), now)
        await booking_store.release(tx, [one.show_uid for one in released], now)
        await booking_store.save_show_bookings(tx, released)
        await ledger.record(
            tx,
            schedule_entry("cancelled", before, after, reason),
            *plan_entries,
            *released_entries(released, reason),
        )
    return after


async def delete_schedule(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Schedule:
    """Delete a draft or a cancelled schedule of which nothing is booked; its shows leave the plan."""
    now = clock()
    async with db.begin(caller) as tx:
        before = await store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        before.require_deletable(len(await booking_store.load_show_bookings(tx, schedule_uid=uid, lock=True)))
        plan = await store.load_plan(tx, uid)
        removed = emptied(plan.values(), now)
        deleted = before.delete(now)
        after = await store.save_schedule(tx, before, deleted.next_version() if removed else deleted, now)
        entries = await plan_changed(tx, after, plan.values(), removed, Why(Cause.SCHEDULE_DELETED, reason), now)
        await ledger.record(tx, schedule_entry("deleted", before, after, reason), *entries)
    return after


async def undelete_schedule(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Schedule:
    """Bring a deleted schedule back, and the shows that left its plan with it."""
    now = clock()
    async with db.begin(caller) as tx:
        before = await store.load_schedule(tx, uid, lock=True, deleted=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        living = before.undelete(SCHEDULE)
        plan = await store.load_plan(tx, uid)
        back = [row.become(row.planned, row.cancelled) for row in plan.values() if row.removed_at == before.deleted_at]
        after = await store.save_schedule(tx, before, living.next_version() if back else living, now)
        entries = await plan_changed(tx, after, plan.values(), back, Why(Cause.SCHEDULE_UNDELETED, reason), now)
        await ledger.record(tx, schedule_entry("undeleted", before, after, reason), *entries)
    return after


def emptied(plan: Collection[PlannedShow], now: datetime) -> list[PlannedShow]:
    """The shows that leave a plan which is emptied: those that are live or over stay."""
    return [row.remove(now) for row in plan if not row.started and row.removed_at is None]


async def plan_changed(
    tx: Tx, schedule: Schedule, was: Collection[PlannedShow], rows: Sequence[PlannedShow], why: Why, now: datetime
) -> list[Entry]:
    """Save what a change of the schedule did to its plan as a version, if it did something."""
    return await save_version(tx, schedule, was, rows, why, now) if rows else []
