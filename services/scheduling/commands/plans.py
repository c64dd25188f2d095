"""Changes of a plan: a new sheet, and what the shows themselves say back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eridu.scheduling.v1 import events_pb2, schedule_pb2

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.ledger import Entry
from services.scheduling.convert import schedules as convert
from services.scheduling.domain import plan as rules
from services.scheduling.domain import sheet
from services.scheduling.domain.plan import RowResult
from services.scheduling.domain.resource import ResourceKind
from services.scheduling.domain.schedule import SCHEDULE, Planned, PlannedShow, Schedule
from services.scheduling.neighbours import Identity
from services.scheduling.store import resources as resource_store
from services.scheduling.store import schedules as store

ROWS_PER_EVENT = 500
BYTES_PER_EVENT = 64 * 1024  # of planned shows; the audit part of the event has them once more, in JSON


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
    csv: str,
    all_or_nothing: bool,
    validate_only: bool,
    etag: str,
    reason: str,
    category: str,
) -> Imported:
    """Replace the plan of a draft by a sheet: what changed is saved as one new version, what is bad is refused."""
    rows = sheet.rows_of(csv)
    platforms = await identity.platforms_by_word({word for row in rows for word in row.several("platforms")})
    now = clock()
    async with db.begin(caller) as tx:
        before = await store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        after = before.edit()
        names = await names_of(tx, before.studio_uid, rows, platforms)
        plan = await store.load_plan(tx, uid)
        diff = rules.diff(sheet.read(rows, before, names), plan, now, lambda planned: new_row(before, planned))
        if validate_only or diff.empty or (all_or_nothing and diff.refused):
            return Imported(before, False, rules.unsaved(diff))
        after = await store.save_schedule(tx, before, after, now)
        await store.save_plan(tx, [*diff.created, *diff.changed])
        await ledger.record(
            tx, *plan_entries(after, [*diff.created, *diff.changed], reason, category, before.plan_version)
        )
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


async def protect_shows(db: Database, caller: Caller, show_uids: Collection[str]) -> None:
    """These shows went live: from now on no plan changes them."""
    async with db.begin(caller) as tx:
        for schedule, rows in await planned_by_schedule(tx, show_uids):
            begun = [row.begin() for row in rows if not row.started]
            await store.save_plan(tx, begun)
            await ledger.record(tx, *plan_entries(schedule, begun, "the show is live"))


async def planned_by_schedule(tx: Tx, show_uids: Collection[str]) -> list[tuple[Schedule, list[PlannedShow]]]:
    """The rows that plan these shows, by schedule, each schedule locked in one order."""
    schedules = sorted({row.schedule_uid for row in await store.find_planned(tx, show_uids)})
    locked = [await store.load_schedule(tx, uid, lock=True) for uid in schedules]
    rows = await store.find_planned(tx, show_uids)
    return [(schedule, [row for row in rows if row.schedule_uid == schedule.uid]) for schedule in locked]


def plan_entries(
    schedule: Schedule, rows: Sequence[PlannedShow], reason: str, category: str = "", version_before: int | None = None
) -> list[Entry]:
    """The ledger entries of changed rows of a plan, as many as it takes for the events not to be too large."""
    old = {} if version_before is None else {"plan_version": version_before}
    return [
        Entry(
            "scheduling.plan.changed",
            events_pb2.PlanChanged(schedule=convert.schedule(schedule), planned_shows=[message for _, message in part]),
            schedule.uid,
            schedule.version,
            schedule.studio_uid,
            schedule.client_uid,
            reason,
            old,
            {
                "plan_version": schedule.plan_version,
                "change_category": category,
                "planned_shows": [as_audited(row) for row, _ in part],
            },
        )
        for part in parts_of(rows)
    ]


def parts_of(rows: Sequence[PlannedShow]) -> Iterator[list[tuple[PlannedShow, schedule_pb2.PlannedShow]]]:
    """Rows and their messages, in parts that fit into one event each."""
    part: list[tuple[PlannedShow, schedule_pb2.PlannedShow]] = []
    size = 0
    for row in rows:
        message = convert.planned_show(row)
        if part and (len(part) == ROWS_PER_EVENT or size + message.ByteSize() > BYTES_PER_EVENT):
            yield part
            part, size = [], 0
        part.append((row, message))
        size += message.ByteSize()
    if part:
        yield part


def as_audited(row: PlannedShow) -> Mapping[str, object]:
    """A row of a plan as the audit trail keeps it."""
    return {
        "show_uid": row.show_uid,
        "external_id": row.external_id,
        "planned": row.planned,
        "cancelled": row.cancelled,
        "started": row.started,
        "removed_at": row.removed_at,
    }
