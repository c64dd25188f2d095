"""Bookings in force that a change endangers. They are named, and nothing is done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.errors import Refused
from services.scheduling.domain.booking import ShowRef

MOST_NAMED = 500  # bookings in one answer


@dataclass(frozen=True, slots=True)
class BookingAtRisk:
    """One booking of the resource that changes."""

    uid: str
    show: ShowRef
    start: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class AtRisk:
    """The first of them by start, and how many there are."""

    bookings: Sequence[BookingAtRisk] = ()
    total: int = 0


NOTHING_AT_RISK = AtRisk()


def require_unused(noun: str, uid: str, at_risk: AtRisk) -> None:
    """A room or an MC goes only when no booking of it is still to come."""
    if at_risk.total:
        message = f"{noun} {uid} still has {at_risk.total} booking(s) in force"
        raise Refused(f"{noun.upper()}_IN_USE", message, uid=uid, booking_count=at_risk.total)
