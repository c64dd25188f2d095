"""How a show follows scheduling: its plan while it is a draft, its bookings from then on.

Everything that scheduling tells carries a full state and a version, so that telling it twice, late or in another
order ends in the same show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from services.production.domain.show import (
    CANCELLED,
    CONFIRMED,
    DRAFT,
    Details,
    Done,
    Show,
    ShowStatus,
    new_show,
)

FOLLOWING = (DRAFT, CONFIRMED, CANCELLED)  # on air or over, a show follows nobody any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """All that a show has booked, or has given back.

    A number that is released before it was ever booked comes without details.
    """

    show_uid: str
    version: int
    confirmation: int
    in_force: bool
    details: Details | None
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A show as its schedule plans it."""

    show_uid: str
    version: int
    cancelled: bool = False
    removed: bool = False
    details: Details
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A show after it was told something, and what was done to it; with None it only knows that it was told."""

    show: Show
    done: Done | None


def follow_booking(show: Show | None, booked: Booked, now: datetime) -> Step | None:
    """What a booking makes of a show; None for old news."""
    if show is not None and booked.version <= show.booking_version:
        return None
    if show is not None:
        before = show
    elif booked.details is not None:
        before = new_show(booked.show_uid, booked.details, now)
    else:
        return None  # released before it was booked, and nobody knows what it is
    before = replace(before, booking_version=booked.version)
    if booked.in_force and booked.details is not None:
        after, done = in_force(before, booked.confirmation, booked.details, now)
    else:
        after, done = released(before, booked, now)
    return settle(after, done, now, born=show is None)


def in_force(show: Show, confirmation: int, details: Details, now: datetime) -> tuple[Show, Done | None]:
    """The show has its room and MCs."""
    if show.status not in FOLLOWING or confirmation < show.confirmation:
        return show, None
    taken = show.take(details, now)
    if confirmation > show.confirmation:
        return drafted(taken).confirm(confirmation), Done.CONFIRMED
    if show.status is CONFIRMED and taken != show:
        return taken, Done.MOVED
    return show, None


def released(show: Show, booked: Booked, now: datetime) -> tuple[Show, Done | None]:
    """The show has given its room and MCs back, or shall never have them under this number."""
    ends_it = booked.confirmation == show.confirmation and show.status is CONFIRMED
    never_heard_of = booked.confirmation > show.confirmation and show.status in FOLLOWING
    if not (ends_it or never_heard_of):
        return show, None
    taken = show.take(booked.details, now) if booked.details else show
    living = replace(taken, confirmation=booked.confirmation, deleted_at=None, released_at=booked.at)
    return replace(living, status=CANCELLED, cancel_reason=booked.reason), Done.CANCELLED


def follow_plan(show: Show | None, planned: Planned, now: datetime) -> Step | None:
    """What a row of a plan makes of a show; None for old news."""
    if show is None:
        draft = replace(new_show(planned.show_uid, planned.details, now), plan_version=planned.version)
        if planned.removed:  # its birth is still on the way: it must not live when it arrives
            return settle(replace(draft, deleted_at=now), Done.DELETED, now, born=True)
        if planned.cancelled:
            return settle(draft.cancel(planned.reason), Done.CANCELLED, now, born=True)
        return settle(draft, Done.CREATED, now, born=True)
    if planned.version <= show.plan_version:
        return None
    after, done = drafted_by(replace(show, plan_version=planned.version), planned, now)
    return settle(after, done, now, born=False)


def drafted_by(show: Show, planned: Planned, now: datetime) -> tuple[Show, Done | None]:
    """A draft is what its plan says; a booked show waits for its bookings to say it."""
    gone = show.deleted_at is not None
    taken = show.take(planned.details, now)
    match show.status, planned.removed, planned.cancelled:
        case ShowStatus.DRAFT, True, _ if not gone:
            return replace(show, deleted_at=now), Done.DELETED
        case ShowStatus.DRAFT, False, True:
            return taken.cancel(planned.reason), Done.CANCELLED
        case ShowStatus.DRAFT, False, False if taken != show:
            return taken, Done.UPDATED
        case ShowStatus.CANCELLED, False, False if show.released_at is None or planned.at > show.released_at:
            return taken.restore(), Done.UPDATED
    return show, None


def drafted(show: Show) -> Show:
    """The show as a draft, whatever it missed on the way: the number that is in force now is the truth."""
    if show.status is CONFIRMED:
        show = show.cancel("")
    return show.restore() if show.status is CANCELLED else show


def settle(after: Show, done: Done | None, now: datetime, born: bool) -> Step:
    """One version up for a change of something that was there."""
    return Step(after if born or done is None else after.next_version(now), done)
