"""Periods, conflicts, free slots and utilisation as messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from eridu.scheduling.v1 import capacity_pb2, conflict_pb2

from libs.common.access import Caller
from libs.common.messages import set_time, time_of
from libs.common.pages import Page
from services.scheduling.convert.bookings import problems
from services.scheduling.convert.resources import KINDS
from services.scheduling.domain.capacity import FreeSlot, Search, Use, total
from services.scheduling.domain.conflict import Conflicts, asked_row
from services.scheduling.domain.day import Asked, Hours, Span, day_of
from services.scheduling.domain.schedule import Planned, PlannedShow

MOST_PROBLEMS = 2_000  # in one answer: a megabyte
DEFAULT_MOST = 10
MINUTE = timedelta(minutes=1)


def asked_period(request: Any) -> Asked:
    """The period that a request names by `from` and `until`, or by `from_day` and `until_day`."""

    def instant(field: str) -> datetime | None:
        return time_of(getattr(request, field)) if request.HasField(field) else None

    return Asked(
        instant("from"),
        instant("until"),
        day_of(request.from_day, "from_day"),
        day_of(request.until_day, "until_day"),
    )


def hours_of(request: Any) -> Hours | None:
    """The bookable hours that a request names, if it does."""
    if not request.HasField("hours"):
        return None
    return Hours(time.fromisoformat(getattr(request.hours, "from")), time.fromisoformat(request.hours.until))


def asked_slots(request: conflict_pb2.CheckConflictsRequest) -> list[PlannedShow]:
    """The slots that are asked about."""
    return [
        asked_row(
            slot.key,
            slot.show_uid,
            Planned(
                external_id=slot.key,
                name=slot.name or slot.key,
                room_uid=slot.room_uid,
                mc_uids=tuple(slot.mc_uids),
                starts_at=time_of(slot.starts_at),
                ends_at=time_of(slot.ends_at),
            ),
        )
        for slot in request.slots
    ]


def conflicts(found: Conflicts, caller: Caller) -> conflict_pb2.CheckConflictsResponse:
    """All that would be in the way."""
    return conflict_pb2.CheckConflictsResponse(
        problems=problems(found.problems[:MOST_PROBLEMS], caller),
        problem_count=len(found.problems),
        free_keys=found.free_keys,
    )


def search(request: capacity_pb2.FindFreeSlotsRequest) -> Search:
    """What a show that looks for a place needs."""
    return Search(
        studio_uid=request.studio_uid,
        duration=timedelta(minutes=request.duration_minutes),
        room_uids=list(request.room_uids),
        capabilities=list(request.capabilities),
        least_capacity=request.least_capacity,
        mc_uids=list(request.mc_uids),
        most=request.most or DEFAULT_MOST,
    )


def free_slot(found: FreeSlot, duration: timedelta) -> capacity_pb2.FreeSlot:
    """A free slot as a message."""
    message = capacity_pb2.FreeSlot(room_uid=found.room_uid, room_name=found.room_name)
    set_time(message.starts_at, found.first)
    set_time(message.ends_at, found.first + duration)
    set_time(message.latest_starts_at, found.last)
    return message


def utilisations(page: Page[Use], span: Span, bookable: Sequence[Span]) -> capacity_pb2.GetUtilisationResponse:
    """A page of the use of rooms and MCs."""
    message = capacity_pb2.GetUtilisationResponse(
        utilisations=[utilisation(use, total(bookable)) for use in page.rows], next_page_token=page.next_token
    )
    set_time(getattr(message, "from"), span.start)
    set_time(message.until, span.until)
    return message


def utilisation(use: Use, bookable: timedelta) -> capacity_pb2.Utilisation:
    """The use of a room or an MC as a message."""
    return capacity_pb2.Utilisation(
        resource_kind=KINDS[use.kind],
        resource_uid=use.uid,
        resource_name=use.name,
        booking_count=use.bookings,
        booked_minutes=use.booked // MINUTE,
        bookable_minutes=bookable // MINUTE,
        booked_bookable_minutes=use.booked_bookable // MINUTE,
        share=use.booked_bookable / bookable if bookable else 0,
    )
