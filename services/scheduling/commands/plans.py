"""Changes of a plan: a new sheet, and what the shows themselves say back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from services.scheduling.commands.versions import follow_shows, save_version
from services.scheduling.domain import plan as rules
from services.scheduling.domain import sheet
from services.scheduling.domain.plan import RowResult
from services.scheduling.domain.resource import ResourceKind
from services.scheduling.domain.schedule import SCHEDULE, Planned, PlannedShow, Schedule
from services.scheduling.domain.version import Cause, Why
from services.scheduling.neighbours import Identity
from services.scheduling.store import resources as resource_store
from services.scheduling.store import schedules as store


@dataclass(frozen=True, slots=True)
class Imported:
    """The answer to ImportPlan."""

    schedule: Schedule
    saved: bool
    rows: Sequence[RowResult]


async def import_plan(
    db: Database,
    caller: Caller,
    clock: Clock,
    identity: Identity,
    *,
    uid: str,
    rows: Sequence[sheet.SheetRow],
    all_or_nothing: bool,
    validate_only: bool,
    etag: str,
    why: Why,
) -> Imported:
    """Replace the plan of a draft by a sheet: what changed is saved as one new version, what is bad is refused."""
    platforms = await identity.platforms_by_word({word for row in rows for word in row.several("platforms")})
    now = clock()
    async with db.begin(caller) as tx:
        before = await store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        after = before.edit()
        plan = await store.load_plan(tx, uid)
        names = await names_of(tx, before.studio_uid, rows, known_platforms(plan.values()) | platforms)
        diff = rules.diff(sheet.read(rows, before, names), plan, now, lambda planned: new_row(before, planned))
        diff.require_fits(plan)
        if validate_only or diff.empty or (all_or_nothing and diff.refused):
            return Imported(before, False, rules.unsaved(diff))
        after = await store.save_schedule(tx, before, after, now)
        changed = [*diff.created, *diff.changed]
        await ledger.record(tx, *await save_version(tx, after, plan.values(), changed, why, now))
    return Imported(after, True, diff.results)


def new_row(schedule: Schedule, planned: Planned) -> PlannedShow:
    """A show is born: it has its uid from now on and for ever."""
    return PlannedShow(uid=uids.new("plan"), show_uid=uids.new("show"), schedule_uid=schedule.uid, planned=planned)


async def names_of(
    tx: Tx, studio_uid: str, rows: Sequence[sheet.SheetRow], platforms: Mapping[str, str]
) -> sheet.Names:
    """What the words in a sheet mean in this studio."""
    words = {row.cells["room"] for row in rows} | {word for row in rows for word in row.several("mcs")}
    found = await resource_store.find_resources(tx, studio_uid, words - {""})
    by_kind: dict[ResourceKind, dict[str, str]] = {kind: {} for kind in ResourceKind}
    for resource in found:
        by_kind[resource.kind] |= {resource.name: resource.uid} if resource.living else {}
        by_kind[resource.kind][resource.uid] = resource.uid
    return sheet.Names(by_kind[ResourceKind.ROOM], by_kind[ResourceKind.MC], platforms)


def known_platforms(plan: Iterable[PlannedShow]) -> dict[str, str]:
    """The platforms that a plan names already: their uids stay readable when a platform is deleted meanwhile."""
    return {uid: uid for row in plan for uid in row.planned.platform_uids}


async def protect_shows(db: Database, caller: Caller, clock: Clock, show_uids: Collection[str]) -> None:
    """These shows went live: from now on no plan changes them."""
    why = Why(Cause.SHOW_STARTED, "the show is live")
    async with db.begin(caller) as tx:
        for schedule, rows in await planned_by_schedule(tx, show_uids):
            begun = [row.begin() for row in rows if not row.started]
            await ledger.record(tx, *await follow_shows(tx, schedule, rows, begun, why, clock()))


async def planned_by_schedule(tx: Tx, show_uids: Collection[str]) -> list[tuple[Schedule, list[PlannedShow]]]:
    """The rows that plan these shows, by schedule, each schedule locked in one order."""
    schedules = sorted({row.schedule_uid for row in await store.find_planned(tx, show_uids)})
    locked = [await store.load_schedule(tx, uid, lock=True, deleted=True) for uid in schedules]
    rows = await store.find_planned(tx, show_uids)
    return [(schedule, [row for row in rows if row.schedule_uid == schedule.uid]) for schedule in locked]
