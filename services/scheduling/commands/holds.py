"""Changes of holds: made, given back, swept up when their time is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database
from services.scheduling.commands.bookings import free_slots_of
from services.scheduling.commands.hold_ends import end_holds, hold_entry
from services.scheduling.commands.resources import require_studio
from services.scheduling.domain.booking import ShowBooking
from services.scheduling.domain.hold import HOLD, Hold, require_expiry
from services.scheduling.domain.schedule import Planned
from services.scheduling.neighbours import Identity
from services.scheduling.store import hold_locks
from services.scheduling.store import holds as store
from services.scheduling.store.holds import Shown

SWEPT_AT_ONCE = 500


async def create_hold(
    db: Database,
    caller: Caller,
    clock: Clock,
    identity: Identity,
    studio_uid: str,
    client_uid: str,
    reason: str,
    given: Mapping[str, Any],
) -> Shown:
    """Hold what could be booked now, behind those who held it before."""
    caller.require("studio", studio_uid, studio_uid)
    await require_studio(identity, caller, studio_uid)
    await identity.require_client(client_uid)
    async with db.begin(caller) as tx:
        await hold_locks.shut_gate(tx, studio_uid)
        await hold_locks.lock_holds(tx, studio_uid)
        now = clock()
        hold = Hold(
            uid=uids.new(HOLD), created_at=now, updated_at=now, studio_uid=studio_uid, client_uid=client_uid, **given
        )
        slots = await free_slots_of(tx, caller, as_booking(hold), None)
        require_expiry(hold.expires_at, now)
        hold = hold.behind(slots, await store.slots_held(tx, slots, now))
        await store.insert_hold(tx, hold, slots)
        held = (await store.load_slots(tx, [hold.uid]))[hold.uid]
        await ledger.record(tx, hold_entry("created", None, hold, held, reason))
    return Shown(hold, hold.rank, held)


def as_booking(hold: Hold) -> ShowBooking:
    """What the show would book if there were one: a hold may lie where a booking could."""
    planned = Planned(
        external_id="",
        name=hold.name,
        room_uid=hold.room_uid,
        mc_uids=hold.mc_uids,
        starts_at=hold.starts_at,
        ends_at=hold.ends_at,
    )
    return ShowBooking(
        show_uid="",
        confirmation=0,
        version=0,
        in_force=False,
        studio_uid=hold.studio_uid,
        client_uid=hold.client_uid,
        planned=planned,
    )


async def release_hold(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Shown:
    """Give an option back."""
    async with db.begin(caller) as tx:
        hold = await store.load_hold(tx, uid)
        caller.require(HOLD, uid, hold.studio_uid, hold.client_uid)
        await hold_locks.lock_holds(tx, hold.studio_uid)
        hold, now = await store.load_hold(tx, uid), clock()
        hold.expect(HOLD, etag)
        after = hold.as_of(now).release(now)
        await end_holds(tx, {uid: hold}, [after], now, reason)
        slots = await store.load_slots(tx, [uid])
    return Shown(after, 0, slots[uid])


async def sweep_holds(db: Database, clock: Clock) -> int:
    """End holds whose time is over; how many. Any number of replicas may do so at once: each hold is swept once."""
    count = 0
    while True:
        now = clock()
        async with db.read() as reader:
            if not await store.any_due(reader, now):
                return count
        async with db.begin(Caller.system("scheduling")) as tx:
            due = await store.load_due(tx, await hold_locks.lock_due(tx, now), now, SWEPT_AT_ONCE)
            if due:
                ended = [hold.expire(now) for hold in due]
                await end_holds(tx, {hold.uid: hold for hold in due}, ended, now, "its time is over")
        if not due:  # somebody else has them in hand
            return count
        count += len(due)
