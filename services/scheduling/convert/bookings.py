"""Bookings, problems and confirmations as messages."""

from __future__ import annotations

from collections.abc import Sequence

from eridu.scheduling.v1 import booking_pb2, booking_service_pb2, confirmation_pb2, schedule_pb2

from libs.common.access import Caller
from libs.common.messages import set_time, time_of
from services.scheduling.convert.resources import KIND_OF, KINDS
from services.scheduling.convert.schedules import schedule
from services.scheduling.domain.booking import Problem, Rule, Severity, ShowBooking, ShowRef
from services.scheduling.domain.confirmation import Confirmation, Mode, ShowOutcome
from services.scheduling.domain.schedule import Planned
from services.scheduling.store.bookings import BookedResource, BookingQuery

RULES = {rule: schedule_pb2.Rule.Value(f"RULE_{rule.name}") for rule in Rule}
SEVERITIES = {one: schedule_pb2.Severity.Value(f"SEVERITY_{one.name}") for one in Severity}
SHOW_OUTCOMES = {one: confirmation_pb2.ShowOutcome.Value(f"SHOW_OUTCOME_{one.name}") for one in ShowOutcome}
MODES = {
    confirmation_pb2.CONFIRM_MODE_UNSPECIFIED: Mode.ALL_OR_NOTHING,
    confirmation_pb2.CONFIRM_MODE_ALL_OR_NOTHING: Mode.ALL_OR_NOTHING,
    confirmation_pb2.CONFIRM_MODE_BEST_EFFORT: Mode.BEST_EFFORT,
    confirmation_pb2.CONFIRM_MODE_VALIDATE_ONLY: Mode.VALIDATE_ONLY,
}


def show_ref(ref: ShowRef, caller: Caller) -> schedule_pb2.ShowRef:
    """A show in a problem: nothing but `busy` when it is not the caller's to see."""
    if not caller.sees(ref.studio_uid, ref.client_uid):
        return schedule_pb2.ShowRef(busy=True)
    return schedule_pb2.ShowRef(
        show_uid=ref.show_uid,
        external_id=ref.external_id,
        name=ref.name,
        schedule_uid=ref.schedule_uid,
        hold_uid=ref.hold_uid,
    )


def problem(found: Problem, caller: Caller) -> schedule_pb2.Problem:
    """A problem as a message, with its sentence."""
    message = schedule_pb2.Problem(
        rule=RULES[found.rule],
        show=show_ref(found.show, caller),
        inside_plan=found.inside_plan,
        message=sentence(found, caller),
        severity=SEVERITIES[found.severity],
    )
    if found.resource:
        message.resource_uid, message.resource_name = found.resource.uid, found.resource.name
    if found.blackout_uid and caller.sees(found.show.studio_uid):
        message.blackout_uid, message.reason = found.blackout_uid, found.reason
    if found.other:
        message.other.CopyFrom(show_ref(found.other, caller))
    set_time(getattr(message, "from"), found.start)
    set_time(message.until, found.until)
    return message


def sentence(found: Problem, caller: Caller) -> str:
    """A problem in words."""
    resource = found.resource.name if found.resource else ""
    if found.rule is Rule.OUTSIDE_PERIOD:
        return f"{found.show.name} starts outside the schedule's period"
    time = f"from {found.start:%Y-%m-%d %H:%M} to {found.until:%H:%M} UTC" if found.start and found.until else ""
    if found.rule is Rule.BLACKOUT:
        why = f": {found.reason}" if caller.sees(found.show.studio_uid) else ""
        return f"{found.show.name}: {resource} cannot be used {time}{why}"
    if found.rule in (Rule.ROOM_UNAVAILABLE, Rule.MC_UNAVAILABLE) or found.other is None:
        return f"{found.show.name}: {resource} cannot be booked"
    other = found.other.name if caller.sees(found.other.studio_uid, found.other.client_uid) else "another show"
    is_taken = "is held by" if found.rule is Rule.HELD_BY_OTHER else "is taken by"
    return f"{found.show.name}: {resource} {is_taken} {other} {time}"


def problems(found: Sequence[Problem], caller: Caller) -> list[schedule_pb2.Problem]:
    """Problems by start of the show."""
    return [problem(one, caller) for one in found]


def confirmation(answer: Confirmation, caller: Caller) -> confirmation_pb2.ConfirmScheduleResponse:
    """What a confirmation did."""
    return confirmation_pb2.ConfirmScheduleResponse(
        schedule=schedule(answer.schedule),
        confirmed=answer.confirmed,
        results=[
            confirmation_pb2.ShowResult(
                show=show_ref(result.show, caller),
                outcome=SHOW_OUTCOMES[result.outcome],
                problems=problems(result.problems, caller),
            )
            for result in answer.results
        ],
    )


def show_booking(booked: ShowBooking) -> booking_pb2.ShowBooking:
    """All that a show has booked."""
    planned = booked.planned
    message = booking_pb2.ShowBooking(
        show_uid=booked.show_uid,
        confirmation=booked.confirmation,
        version=booked.version,
        in_force=booked.in_force,
        studio_uid=booked.studio_uid,
        client_uid=booked.client_uid,
        schedule_uid=booked.schedule_uid,
        external_id=planned.external_id,
        name=planned.name,
        room_uid=planned.room_uid,
        mc_uids=planned.mc_uids,
        platform_uids=planned.platform_uids,
        type=planned.type,
        standard=planned.standard,
    )
    set_time(message.starts_at, planned.starts_at)
    set_time(message.ends_at, planned.ends_at)
    return message


def booking(booked: BookedResource, caller: Caller) -> booking_pb2.Booking:
    """One booking as a message: nothing but what is taken, and when, if it is not the caller's to see."""
    released = booking_pb2.BOOKING_STATE_RELEASED if booked.released_at else booking_pb2.BOOKING_STATE_CONFIRMED
    message = booking_pb2.Booking(
        studio_uid=booked.studio_uid,
        resource_kind=KINDS[booked.kind],
        resource_uid=booked.resource_uid,
        state=released,
    )
    set_time(getattr(message, "from"), booked.start)
    set_time(message.until, booked.until)
    if not caller.sees(booked.studio_uid, booked.client_uid):
        message.busy = True
        return message
    message.uid, message.show_uid, message.confirmation = booked.uid, booked.show_uid, booked.confirmation
    message.client_uid = booked.client_uid
    set_time(message.created_at, booked.created_at)
    set_time(message.released_at, booked.released_at)
    return message


def booking_query(request: booking_service_pb2.ListBookingsRequest) -> BookingQuery:
    """Which bookings a list asks for."""
    states = set(request.states) or {booking_pb2.BOOKING_STATE_CONFIRMED}
    if request.show_released and not request.states:
        states.add(booking_pb2.BOOKING_STATE_RELEASED)
    return BookingQuery(
        studio_uid=request.studio_uid,
        client_uid=request.client_uid,
        resource_uid=request.resource_uid,
        kind=KIND_OF[request.resource_kind],
        show_uid=request.show_uid,
        in_force=booking_pb2.BOOKING_STATE_CONFIRMED in states,
        released=booking_pb2.BOOKING_STATE_RELEASED in states,
        busy=request.show_busy,
    )


def asked(request: booking_service_pb2.BookShowRequest) -> ShowBooking:
    """What an ad-hoc show asks for, under its confirmation number."""
    return ShowBooking(
        show_uid=request.show_uid,
        confirmation=request.confirmation,
        version=1,
        in_force=True,
        studio_uid=request.studio_uid,
        client_uid=request.client_uid,
        planned=Planned(
            external_id="",
            name=request.name,
            room_uid=request.room_uid,
            mc_uids=tuple(request.mc_uids),
            platform_uids=tuple(request.platform_uids),
            type=request.type,
            standard=request.standard,
            starts_at=time_of(request.starts_at),
            ends_at=time_of(request.ends_at),
        ),
    )
