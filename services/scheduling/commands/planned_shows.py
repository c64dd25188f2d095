"""Edits of single rows of a plan. Each is a version; the schedule's lock lets one editor after the other in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.errors import NotFound
from services.scheduling.commands.plans import known_platforms, names_of, new_row
from services.scheduling.commands.versions import save_version
from services.scheduling.domain import planned_show as rules
from services.scheduling.domain import sheet
from services.scheduling.domain.plan import RowOutcome
from services.scheduling.domain.planned_show import Edited, RowEdit
from services.scheduling.domain.schedule import PLANNED_SHOW, SCHEDULE, PlannedShow, Schedule
from services.scheduling.domain.version import Why
from services.scheduling.neighbours import Identity
from services.scheduling.store import schedules as store
from services.scheduling.store import versions as version_store

Lists = Mapping[str, Sequence[str]]


async def add_planned_show(
    db: Database,
    caller: Caller,
    clock: Clock,
    identity: Identity,
    uid: str,
    etag: str,
    why: Why,
    cells: Mapping[str, str],
    lists: Lists,
) -> Edited:
    """Add one show to the plan of a draft."""
    row = sheet.row_of(1, cells, lists)
    platforms = await identity.platforms_by_word(set(row.several("platforms")))
    async with db.begin(caller) as tx:
        before = await store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        before.require_draft()
        planned = rules.planned_of(row, before, await names_of(tx, before.studio_uid, [row], platforms))
        there = await store.find_row(tx, uid, planned.external_id)
        count = await version_store.count_shows(tx, uid)
        edit = rules.add(there, planned, count, lambda one: new_row(before, one))
        return await save(tx, clock, before, there, edit, why)


async def update_planned_show(
    db: Database,
    caller: Caller,
    clock: Clock,
    identity: Identity,
    uid: str,
    etag: str,
    why: Why,
    cells: Mapping[str, str],
    lists: Lists,
) -> Edited:
    """Change one show in the plan of a draft."""
    platforms = await identity.platforms_by_word({word.strip() for word in lists.get("platforms", ())} - {""})
    async with db.begin(caller) as tx:
        before, there = await lock_row(tx, caller, uid, etag)
        row = rules.sheet_row(there, cells, lists)
        names = await names_of(tx, before.studio_uid, [row], known_platforms([there]) | platforms)
        edit = rules.update(there, rules.planned_of(row, before, names))
        if edit.outcome is RowOutcome.UNCHANGED:
            return Edited(before, there, edit.outcome)
        return await save(tx, clock, before, there, edit, why)


async def remove_planned_show(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, why: Why) -> Edited:
    """Take one show out of the plan of a draft."""
    async with db.begin(caller) as tx:
        before, there = await lock_row(tx, caller, uid, etag)
        return await save(tx, clock, before, there, rules.remove(there, clock()), why)


async def lock_row(tx: Tx, caller: Caller, uid: str, etag: str) -> tuple[Schedule, PlannedShow]:
    """A row of a draft's plan that may be edited now, and its schedule, locked."""
    row = await store.load_planned(tx, uid)
    schedule = await store.load_schedule(tx, row.schedule_uid, lock=True, deleted=True)
    caller.require(PLANNED_SHOW, uid, schedule.studio_uid, schedule.client_uid)
    if schedule.deleted_at is not None:
        raise NotFound.of(PLANNED_SHOW, uid)
    row = await store.load_planned(tx, uid)  # as it is behind the lock
    rules.expect(row, etag)
    schedule.require_draft()
    return schedule, row


async def save(tx: Tx, clock: Clock, before: Schedule, there: PlannedShow | None, edit: RowEdit, why: Why) -> Edited:
    """Save an edited row as the next version of its plan."""
    now = clock()
    after = await store.save_schedule(tx, before, before.edit(), now)
    was = [] if there is None else [there]
    await ledger.record(tx, *await save_version(tx, after, was, [edit.row], why, now))
    return Edited(after, edit.row, edit.outcome)
