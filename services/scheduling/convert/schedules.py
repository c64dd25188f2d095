"""Schedules and their plans as messages."""

from __future__ import annotations

from eridu.scheduling.v1 import plan_pb2, schedule_pb2

from libs.common.messages import set_time, stamp
from services.scheduling.domain.plan import RowOutcome, RowResult
from services.scheduling.domain.schedule import PlannedShow, Schedule, ScheduleStatus

STATUSES = {status: schedule_pb2.ScheduleStatus.Value(f"SCHEDULE_STATUS_{status.name}") for status in ScheduleStatus}
STATUS_OF = {value: status for status, value in STATUSES.items()}
ROW_OUTCOMES = {one: plan_pb2.RowOutcome.Value(f"ROW_OUTCOME_{one.name}") for one in RowOutcome}


def schedule(entity: Schedule) -> schedule_pb2.Schedule:
    """A schedule as a message."""
    message = schedule_pb2.Schedule(
        uid=entity.uid,
        studio_uid=entity.studio_uid,
        client_uid=entity.client_uid,
        name=entity.name,
        status=STATUSES[entity.status],
        time_zone=entity.time_zone,
        plan_version=entity.plan_version,
        confirmed_version=entity.confirmed_version,
        approved_version=entity.approved_version,
        approved_by=entity.approved_by,
    )
    set_time(message.approved_at, entity.approved_at)
    set_time(message.starts_at, entity.starts_at)
    set_time(message.ends_at, entity.ends_at)
    stamp(message, entity)
    return message


def planned_show(row: PlannedShow) -> schedule_pb2.PlannedShow:
    """A row of a plan as a message."""
    message = schedule_pb2.PlannedShow(
        uid=row.uid,
        show_uid=row.show_uid,
        schedule_uid=row.schedule_uid,
        external_id=row.planned.external_id,
        name=row.planned.name,
        room_uid=row.planned.room_uid,
        mc_uids=row.planned.mc_uids,
        platform_uids=row.planned.platform_uids,
        type=row.planned.type,
        standard=row.planned.standard,
        cancelled=row.cancelled,
        started=row.started,
        version=row.version,
    )
    set_time(message.starts_at, row.planned.starts_at)
    set_time(message.ends_at, row.planned.ends_at)
    set_time(message.removed_at, row.removed_at)
    return message


def row_result(result: RowResult) -> plan_pb2.RowResult:
    """The answer for a row of a sheet."""
    return plan_pb2.RowResult(
        line=result.line,
        external_id=result.external_id,
        outcome=ROW_OUTCOMES[result.outcome],
        show_uid=result.show_uid,
        errors=[
            plan_pb2.RowError(field=error.field, reason=error.reason, message=error.message) for error in result.errors
        ],
    )


def category(value: schedule_pb2.ChangeCategory.ValueType) -> str:
    """A change category as the audit trail keeps it: `client_request`."""
    return schedule_pb2.ChangeCategory.Name(value).removeprefix("CHANGE_CATEGORY_").lower()


def category_value(word: str) -> schedule_pb2.ChangeCategory.ValueType:
    """The change category that the audit trail keeps as this word; none for none."""
    return schedule_pb2.ChangeCategory.Value(f"CHANGE_CATEGORY_{word.upper() or 'UNSPECIFIED'}")
