"""What scheduling tells about shows. A run of many is a handful of statements: lock, decide, save, record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.ledger import Entry
from services.production import convert, store
from services.production.domain.following import Booked, Planned, Step, follow_booking, follow_plan
from services.production.domain.show import Show

Told = TypeVar("Told", Booked, Planned)


async def follow_bookings(db: Database, caller: Caller, clock: Clock, told: Sequence[Booked]) -> None:
    """Confirm, move and cancel shows as their bookings say."""
    async with db.begin(caller) as tx:
        await follow(tx, told, follow_booking, clock())


async def follow_plans(db: Database, caller: Caller, clock: Clock, told: Sequence[Planned]) -> None:
    """Make, change and remove drafts as their plans say."""
    async with db.begin(caller) as tx:
        await follow(tx, told, follow_plan, clock())


async def follow(
    tx: Tx, told: Sequence[Told], rule: Callable[[Show | None, Told, datetime], Step | None], now: datetime
) -> None:
    """Tell the shows one thing after the other, in memory, and store how they end: every step has its ledger entry."""
    before = await store.lock_shows(tx, [one.show_uid for one in told])
    after = dict(before)
    entries: list[Entry] = []
    for one in told:
        show = after.get(one.show_uid)
        step = rule(show, one, now)
        if step is None:
            continue
        after[one.show_uid] = step.show
        if step.done:
            entries.append(convert.change(step.done, show, step.show, one.reason))
    changed = [(before.get(uid), show) for uid, show in after.items() if version(before.get(uid)) != show.version]
    noted = [
        show for uid, show in after.items() if show != before.get(uid) and version(before.get(uid)) == show.version
    ]
    await store.save_shows(tx, changed)
    await store.note_told(tx, noted)
    await ledger.record(tx, *entries)


def version(show: Show | None) -> int:
    """A show's version; 0 for one that was not there."""
    return show.version if show else 0
