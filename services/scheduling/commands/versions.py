"""A changed plan is saved as its next version, and told; an earlier version is brought back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from eridu.scheduling.v1 import events_pb2, schedule_pb2

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.ledger import Entry
from services.scheduling.convert import schedules as convert
from services.scheduling.domain import version as rules
from services.scheduling.domain.plan import RowResult
from services.scheduling.domain.schedule import SCHEDULE, PlannedShow, Schedule
from services.scheduling.domain.version import PlanVersion, Why, change_of, counted
from services.scheduling.store import schedules as schedule_store
from services.scheduling.store import versions as store

ROWS_PER_EVENT = 500
BYTES_PER_EVENT = 64 * 1024  # of planned shows; the audit part of the event has them once more, in JSON


async def save_version(
    tx: Tx, schedule: Schedule, was: Iterable[PlannedShow], rows: Sequence[PlannedShow], why: Why, now: datetime
) -> list[Entry]:
    """Save the changed rows of a plan as the version that the schedule, saved already, has now; what to record of it.

    `was` are the rows as they were, those that are new excepted.
    """
    before = {row.show_uid: row for row in was}
    await schedule_store.save_plan(tx, rows)
    changes = (change_of(before.get(row.show_uid), row) for row in rows)
    version = PlanVersion(
        uid=uids.new("ver"),
        schedule_uid=schedule.uid,
        number=schedule.plan_version,
        cause=why.cause,
        actor=tx.caller.actor,
        on_behalf_of=tx.caller.on_behalf_of,
        reason=why.reason,
        category=why.category,
        restored_number=why.restored_number,
        show_count=await store.count_shows(tx, schedule.uid),
        **counted(change for change in changes if change),
        created_at=now,
    )
    await store.insert_version(tx, version, [row.uid for row in rows])
    return plan_entries(schedule, rows, version)


async def follow_shows(
    tx: Tx, schedule: Schedule, was: Sequence[PlannedShow], rows: Sequence[PlannedShow], why: Why, now: datetime
) -> list[Entry]:
    """Save what became of shows as a version; the etag stays, so that whoever edits the plan is not interrupted."""
    if not rows:
        return []
    after = schedule.follow_shows()
    await schedule_store.note_version(tx, after)
    return await save_version(tx, after, was, rows, why, now)


def plan_entries(schedule: Schedule, rows: Sequence[PlannedShow], version: PlanVersion) -> list[Entry]:
    """The ledger entries of changed rows of a plan, as many as it takes for the events not to be too large."""
    return [
        Entry(
            "scheduling.plan.changed",
            events_pb2.PlanChanged(
                schedule=convert.schedule(schedule),
                planned_shows=[message for _, message in part],
                plan_version_uid=version.uid,
                plan_version=version.number,
                change_category=convert.category_value(version.category),
            ),
            schedule.uid,
            schedule.version,
            schedule.studio_uid,
            schedule.client_uid,
            version.reason,
            {"plan_version": version.number - 1},
            {
                "plan_version": version.number,
                "change_category": version.category,
                "cause": version.cause,
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


@dataclass(frozen=True, slots=True)
class Restored:
    """The answer to RestoreVersion."""

    schedule: Schedule
    saved: bool
    rows: Sequence[RowResult]


async def restore_version(
    db: Database, caller: Caller, clock: Clock, uid: str, number: int, validate_only: bool, etag: str, why: Why
) -> Restored:
    """Make a new version that is equal to an earlier one; refused when it would touch what is live or completed."""
    now = clock()
    async with db.begin(caller) as tx:
        before = await schedule_store.load_schedule(tx, uid, lock=True)
        caller.require(SCHEDULE, uid, before.studio_uid, before.client_uid)
        before.expect(SCHEDULE, etag)
        after = before.edit()
        await store.load_version(tx, uid, number)
        then = await store.plan_at(tx, uid, number)
        plan = await schedule_store.load_plan(tx, uid)
        restoration = rules.restore(then, plan.values(), now)
        if validate_only:
            return Restored(before, False, restoration.results)
        restoration.require_allowed()
        if not restoration.rows:
            return Restored(before, False, restoration.results)
        after = await schedule_store.save_schedule(tx, before, after, now)
        why = replace(why, restored_number=number)
        await ledger.record(tx, *await save_version(tx, after, plan.values(), restoration.rows, why, now))
    return Restored(after, True, restoration.results)
