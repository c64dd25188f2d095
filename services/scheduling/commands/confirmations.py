"""The confirmation of a schedule: all its bookings, moves and releases in one transaction."""

from __future__ import annotations

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.errors import Stale
from services.scheduling.commands.bookings import SlotLost, booking_entries, released_entries
from services.scheduling.commands.hold_ends import settle_holds
from services.scheduling.commands.schedules import schedule_entry
from services.scheduling.domain.confirmation import Changes, Confirmation, Mode, nothing_booked, with_warnings, work_out
from services.scheduling.domain.schedule import SCHEDULE
from services.scheduling.neighbours import Identity
from services.scheduling.queries.conflicts import held_by_others, situation_of
from services.scheduling.queries.schedules import get_schedule
from services.scheduling.store import bookings as store
from services.scheduling.store import hold_locks
from services.scheduling.store import schedules as schedule_store

ATTEMPTS = 5  # a race takes a slot away between the look and the insert: look again


async def confirm_schedule(
    db: Database,
    caller: Caller,
    clock: Clock,
    identity: Identity,
    uid: str,
    plan_version: int,
    mode: Mode,
    etag: str,
    reason: str,
) -> Confirmation:
    """Bring a plan's bookings into force, by the difference to those in force now."""
    seen = await get_schedule(db, caller, uid)
    needs_approval = (await identity.studio(seen.studio_uid)).client_approval
    async with db.begin(caller) as tx:
        before = await schedule_store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        after = before.confirm(plan_version)
        if needs_approval:
            before.require_approval()
        await hold_locks.pass_gate(tx, before.studio_uid)
        for _ in range(ATTEMPTS):
            changes = work_out(after, *await situation_of(tx, after, lock=True))
            if mode is Mode.VALIDATE_ONLY:
                warnings = await held_by_others(tx, changes.take, clock())
                return Confirmation(before, False, with_warnings(changes.results, warnings))
            if mode is Mode.ALL_OR_NOTHING and changes.refused:
                return Confirmation(before, False, nothing_booked(changes))
            if await carry_out(tx, changes, clock):
                break
        else:
            raise Stale("CONFLICT", "other bookings keep taking these slots away: try again")
        if after != before or changes.show_bookings:
            after = await schedule_store.save_schedule(tx, before, after, clock())
            await ledger.record(
                tx,
                schedule_entry("confirmed", before, after, reason),
                *booking_entries(changes.booked, changes.moved, reason),
                *released_entries(changes.released, reason),
            )
        warnings = await settle_holds(tx, after.studio_uid, changes.take, clock)
    return Confirmation(after, True, with_warnings(changes.results, warnings))


async def carry_out(tx: Tx, changes: Changes, clock: Clock) -> bool:
    """Release first, then insert: a swap inside one confirmation is legal. False, and undone, when a slot was lost."""
    try:
        async with tx.attempt():
            await store.release(tx, changes.give_back, clock())
            await store.save_show_bookings(tx, changes.show_bookings)
            if not await store.book(tx, changes.take, changes.confirmations(), clock()):
                raise SlotLost
    except SlotLost:
        return False
    return True
