"""What people do to shows. Neighbours are asked first, then the transaction looks again and decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eridu.common.v1 import access_pb2

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.errors import Denied, Stale
from libs.common.moves import Move
from services.production import convert, queries, store
from services.production.domain.following import follow_booking
from services.production.domain.gate import OPEN, Gate
from services.production.domain.show import (
    CANCEL,
    CANCELLED,
    COMPLETE,
    CONFIRM,
    DRAFT,
    SHOW,
    SHOW_PREFIX,
    START,
    Details,
    Done,
    Show,
    ShowStatus,
    blockers,
    new_show,
)
from services.production.neighbours import Others


async def create_show(
    db: Database, caller: Caller, clock: Clock, others: Others, details: Details, metadata: Mapping[str, Any]
) -> Show:
    """Make an ad-hoc draft; STUDIO_NOT_FOUND or CLIENT_NOT_FOUND when identity knows none."""
    caller.require("studio", details.studio_uid, details.studio_uid)
    await others.require_studio(details.studio_uid)
    await others.require_client(details.client_uid)
    show = replace(new_show(uids.new(SHOW_PREFIX), details, clock()), metadata=metadata)
    async with db.begin(caller) as tx:
        return await save(tx, Done.CREATED, None, show)


async def confirm_show(
    db: Database, caller: Caller, clock: Clock, others: Others, uid: str, etag: str, reason: str
) -> Show:
    """Book the room and the MCs of an ad-hoc draft, and follow the booking as its event would.

    The event may have been here first. A retry asks for the same number, which scheduling answers the same.
    """
    seen = await look(db, caller, uid)
    booked = None
    if may_ask(seen, etag) and not blockers(seen, CONFIRM):
        booked = await others.book(seen, seen.confirmation + 1, clock())
    async with db.begin(caller) as tx:
        show = await store.lock_show(tx, uid)
        if booked and show.confirmation == booked.confirmation:
            return show
        show.expect(SHOW, etag)
        for blocker in blockers(show, CONFIRM):
            raise blocker.refusal
        step = follow_booking(show, booked, clock()) if booked else None
        if step is None or step.done is None:
            raise Stale.of(SHOW, uid)
        return await save(tx, step.done, show, step.show, reason)


async def start_show(
    db: Database, caller: Caller, clock: Clock, others: Others, uid: str, waiver: str, etag: str, reason: str
) -> Show:
    """Go live; TASKS_OPEN or TASKS_NOT_GENERATED while the gate holds and nobody waives it."""
    seen, gate = await look_at_gate(db, caller, others, uid, START, waiver, etag)
    async with db.begin(caller) as tx:
        show = await lock_as_seen(tx, seen, etag)
        now = clock()
        after = show.start(gate, waiver, now).next_version(now)
        waived = waiver if gate.holds else ""
        return await save(tx, Done.STARTED, show, after, waived or reason, waived)


async def complete_show(
    db: Database, caller: Caller, clock: Clock, others: Others, uid: str, waiver: str, etag: str, reason: str
) -> Show:
    """End; TASKS_OPEN or TASKS_NOT_GENERATED while the gate holds and nobody waives it."""
    seen, gate = await look_at_gate(db, caller, others, uid, COMPLETE, waiver, etag)
    async with db.begin(caller) as tx:
        show = await lock_as_seen(tx, seen, etag)
        now = clock()
        after = show.complete(gate, waiver, now).next_version(now)
        waived = waiver if gate.holds else ""
        return await save(tx, Done.COMPLETED, show, after, waived or reason, waived)


async def cancel_show(
    db: Database, caller: Caller, clock: Clock, others: Others, uid: str, etag: str, reason: str
) -> Show:
    """Release what the show has booked, then cancel it; the event of the release may have done that first.

    A planned draft has nothing booked, but its next number is released: its plan must not book it later.
    """
    seen = await look(db, caller, uid)
    number = seen.confirmation + 1 if seen.status is DRAFT else seen.confirmation
    ask = may_ask(seen, etag) and not blockers(seen, CANCEL) and (seen.status is not DRAFT or bool(seen.schedule_uid))
    if ask:
        await others.release(seen, number, reason)
    async with db.begin(caller) as tx:
        show = await store.lock_show(tx, uid)
        if ask and show.status is CANCELLED and show.confirmation in (seen.confirmation, number):
            return show
        show = as_seen(show, seen, "" if ask else etag)  # once released, it is too late to be refused for the etag
        after = show.cancel(reason, number if ask else 0).next_version(clock())
        return await save(tx, Done.CANCELLED, show, after, reason)


async def look(db: Database, caller: Caller, uid: str) -> Show:
    """The show before anybody is asked, if the caller may touch it."""
    return await queries.get_show(db, caller, uid)


async def look_at_gate(
    db: Database, caller: Caller, others: Others, uid: str, move: Move[ShowStatus], waiver: str, etag: str
) -> tuple[Show, Gate]:
    """The show, and what its gate says about a move. What the transaction will refuse anyway is not asked."""
    seen = await look(db, caller, uid)
    if waiver and not caller.has_role(seen.studio_uid, access_pb2.ROLE_MANAGER):
        raise Denied("WAIVER_DENIED", f"only a manager of the studio may waive the tasks of show {uid}", uid=uid)
    ask = may_ask(seen, etag) and move.allowed(seen.status)
    return seen, await others.gate(seen, move) if ask else OPEN


def may_ask(seen: Show, etag: str) -> bool:
    """Whether the etag fits. The refusal itself is the transaction's, which first replays an answered request."""
    return etag in ("", seen.etag)


async def lock_as_seen(tx: Tx, seen: Show, etag: str) -> Show:
    """The show, locked, if it still stands where it stood when the neighbours were asked."""
    return as_seen(await store.lock_show(tx, seen.uid), seen, etag)


def as_seen(show: Show, seen: Show, etag: str) -> Show:
    """The show, if what the neighbours answered is still about it."""
    show.expect(SHOW, etag)
    if (show.status, show.confirmation) != (seen.status, seen.confirmation):
        raise Stale.of(SHOW, show.uid)
    return show


async def save(tx: Tx, done: Done, before: Show | None, after: Show, reason: str = "", waiver: str = "") -> Show:
    """Store a changed show with its ledger entry."""
    await store.save_shows(tx, [(before, after)])
    await ledger.record(tx, convert.change(done, before, after, reason, waiver))
    return after
