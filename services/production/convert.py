"""Between production's domain and its messages, and what the neighbours say."""

from __future__ import annotations

from datetime import datetime

from eridu.identity.v1 import studio_pb2
from eridu.production.v1 import events_pb2, show_pb2, show_service_pb2
from eridu.scheduling.v1 import booking_pb2, booking_service_pb2, schedule_pb2
from eridu.scheduling.v1.events_pb2 import PlanChanged
from eridu.tasks.v1 import task_service_pb2, template_pb2

from libs.common.ledger import Entry, entry
from libs.common.messages import set_time, stamp, time_of
from libs.common.moves import Move
from services.production.domain.following import Booked, Planned
from services.production.domain.gate import Blocker, Gate, GateState, OpenTask, Policy
from services.production.domain.show import COMPLETE, START, Details, Done, Show, ShowStatus

STATUSES = {
    ShowStatus.DRAFT: show_pb2.SHOW_STATUS_DRAFT,
    ShowStatus.CONFIRMED: show_pb2.SHOW_STATUS_CONFIRMED,
    ShowStatus.LIVE: show_pb2.SHOW_STATUS_LIVE,
    ShowStatus.COMPLETED: show_pb2.SHOW_STATUS_COMPLETED,
    ShowStatus.CANCELLED: show_pb2.SHOW_STATUS_CANCELLED,
}
STATUS_OF = {value: status for status, value in STATUSES.items()}

EVENTS = {
    Done.CREATED: events_pb2.ShowCreated,
    Done.UPDATED: events_pb2.ShowUpdated,
    Done.DELETED: events_pb2.ShowDeleted,
    Done.CONFIRMED: events_pb2.ShowConfirmed,
    Done.MOVED: events_pb2.ShowMoved,
    Done.STARTED: events_pb2.ShowStarted,
    Done.COMPLETED: events_pb2.ShowCompleted,
    Done.CANCELLED: events_pb2.ShowCancelled,
}

POLICY_OF = {
    studio_pb2.TASK_GATE_UNSPECIFIED: Policy.BLOCK,
    studio_pb2.TASK_GATE_BLOCK: Policy.BLOCK,
    studio_pb2.TASK_GATE_WARN: Policy.WARN,
    studio_pb2.TASK_GATE_OFF: Policy.OFF,
}
PHASES = {START.verb: template_pb2.TASK_TYPE_PRE_PRODUCTION, COMPLETE.verb: template_pb2.TASK_TYPE_PRODUCTION}
GATE_STATES = {
    task_service_pb2.GATE_STATE_CLEAR: GateState.CLEAR,
    task_service_pb2.GATE_STATE_OPEN_TASKS: GateState.OPEN_TASKS,
    task_service_pb2.GATE_STATE_NOT_GENERATED: GateState.NOT_GENERATED,
}


def show(entity: Show) -> show_pb2.Show:
    """A show as a message."""
    message = show_pb2.Show(
        uid=entity.uid,
        studio_uid=entity.studio_uid,
        client_uid=entity.client_uid,
        schedule_uid=entity.schedule_uid,
        external_id=entity.external_id,
        name=entity.name,
        room_uid=entity.room_uid,
        type=entity.type,
        standard=entity.standard,
        status=STATUSES[entity.status],
        confirmation=entity.confirmation,
        cancel_reason=entity.cancel_reason,
    )
    for mc in entity.mcs:
        if mc.deleted_at is None:
            message.mcs.add(uid=mc.uid, mc_uid=mc.of_uid)
    for platform in entity.platforms:
        if platform.deleted_at is None:
            message.platforms.add(uid=platform.uid, platform_uid=platform.of_uid)
    set_time(message.starts_at, entity.starts_at)
    set_time(message.ends_at, entity.ends_at)
    set_time(message.started_at, entity.started_at)
    set_time(message.completed_at, entity.completed_at)
    stamp(message, entity)
    return message


def change(done: Done, before: Show | None, after: Show, reason: str = "", waiver: str = "") -> Entry:
    """The ledger entry of what was done to a show, with its event."""
    event = EVENTS[done](show=show(after))
    if isinstance(event, (events_pb2.ShowStarted, events_pb2.ShowCompleted)):
        event.waiver = waiver
    scope = {"studio_uid": after.studio_uid, "client_uid": after.client_uid}
    return entry(f"production.show.{done}", event, before, after, reason=reason, **scope)


def transition(move: Move[ShowStatus], found: tuple[Blocker, ...]) -> show_service_pb2.TransitionAnswer:
    """A move and what is in its way."""
    return show_service_pb2.TransitionAnswer(
        move=move.verb,
        allowed=not any(blocker.stops for blocker in found),
        blockers=[
            show_pb2.Blocker(
                reason=blocker.refusal.reason, message=blocker.refusal.message, task_uids=blocker.task_uids
            )
            for blocker in found
        ],
    )


def created(request: show_service_pb2.CreateShowRequest) -> Details:
    """What CreateShow says about a show."""
    return Details(
        studio_uid=request.studio_uid,
        client_uid=request.client_uid,
        name=request.name,
        room_uid=request.room_uid,
        type=request.type,
        standard=request.standard,
        starts_at=time_of(request.starts_at),
        ends_at=time_of(request.ends_at),
        mc_uids=tuple(request.mc_uids),
        platform_uids=tuple(request.platform_uids),
    )


def details(told: booking_pb2.ShowBooking | schedule_pb2.PlannedShow, studio_uid: str, client_uid: str) -> Details:
    """What a booking or a row of a plan says about a show."""
    return Details(
        studio_uid=studio_uid,
        client_uid=client_uid,
        schedule_uid=told.schedule_uid,
        external_id=told.external_id,
        name=told.name,
        room_uid=told.room_uid,
        type=told.type,
        standard=told.standard,
        starts_at=time_of(told.starts_at),
        ends_at=time_of(told.ends_at),
        mc_uids=tuple(told.mc_uids),
        platform_uids=tuple(told.platform_uids),
    )


def booked(told: booking_pb2.ShowBooking, at: datetime, reason: str = "") -> Booked:
    """A show's bookings; what was released before it was booked says nothing about the show."""
    says_what = told.in_force or bool(told.studio_uid)
    return Booked(
        show_uid=told.show_uid,
        version=told.version,
        confirmation=told.confirmation,
        in_force=told.in_force,
        details=details(told, told.studio_uid, told.client_uid) if says_what else None,
        at=at,
        reason=reason,
    )


def planned(event: PlanChanged) -> list[Planned]:
    """The rows of a plan that changed."""
    return [
        Planned(
            show_uid=row.show_uid,
            version=row.version,
            cancelled=row.cancelled,
            removed=row.HasField("removed_at"),
            details=details(row, event.schedule.studio_uid, event.schedule.client_uid),
            at=time_of(event.change.occurred_at),
            reason=event.change.reason,
        )
        for row in event.planned_shows
    ]


def booking(entity: Show, confirmation: int) -> booking_service_pb2.BookShowRequest:
    """What a show wants to book under a confirmation number."""
    request = booking_service_pb2.BookShowRequest(
        show_uid=entity.uid,
        confirmation=confirmation,
        studio_uid=entity.studio_uid,
        client_uid=entity.client_uid,
        name=entity.name,
        room_uid=entity.room_uid,
        mc_uids=entity.mc_uids,
        platform_uids=entity.platform_uids,
        type=entity.type,
        standard=entity.standard,
    )
    set_time(request.starts_at, entity.starts_at)
    set_time(request.ends_at, entity.ends_at)
    return request


def gate(policy: Policy, answer: task_service_pb2.CheckGateResponse) -> Gate:
    """What the tasks answered."""
    tasks = tuple(OpenTask(task.uid, task.title) for task in answer.open_tasks)
    return Gate(policy, GATE_STATES[answer.state], tasks)
