"""What production hears: from scheduling, plans and bookings."""

from __future__ import annotations

from typing import Any

from eridu.scheduling.v1.events_pb2 import BookingConfirmed, BookingMoved, BookingReleased, PlanChanged

from libs.common.clock import Clock
from libs.common.consumers import Heard, Hears
from libs.common.db import Database
from libs.common.messages import time_of
from services.production import convert
from services.production.commands import following


def from_scheduling(db: Database, clock: Clock) -> list[Hears[Any]]:
    """What is heard on scheduling's stream."""

    async def plan_changed(heard: Heard[PlanChanged]) -> None:
        rows = [row for event in heard.events for row in convert.planned(event)]
        await following.follow_plans(db, heard.caller, clock, rows)

    async def booking_changed(heard: Heard[BookingConfirmed | BookingMoved | BookingReleased]) -> None:
        booked = [
            convert.booked(event.booking, time_of(event.change.occurred_at), event.change.reason)
            for event in heard.events
        ]
        await following.follow_bookings(db, heard.caller, clock, booked)

    return [
        Hears({"scheduling.plan.changed": PlanChanged}, plan_changed),
        Hears(
            {
                "scheduling.booking.confirmed": BookingConfirmed,
                "scheduling.booking.moved": BookingMoved,
                "scheduling.booking.released": BookingReleased,
            },
            booking_changed,
        ),
    ]
