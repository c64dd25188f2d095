"""Capacity: where a show could still be, and how much of their time rooms and MCs are taken."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.common.errors import NotFound, Refused
from services.scheduling.domain.day import Span
from services.scheduling.domain.resource import Resource, ResourceKind

LONGEST_SEARCH = timedelta(days=62)
LONGEST_USE = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a show that looks for a place needs; no `room_uids` means any room."""

    studio_uid: str
    duration: timedelta
    room_uids: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    least_capacity: int = 0
    mc_uids: Sequence[str] = ()
    most: int = 10


@dataclass(frozen=True, slots=True)
class FreeSlot:
    """A show of the length that was asked for may start in this room from `first` to `last`."""

    room_uid: str
    room_name: str
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """How much one room or MC is taken: in the whole period, and in its bookable hours."""

    kind: ResourceKind
    uid: str
    name: str
    bookings: int
    booked: timedelta
    booked_bookable: timedelta


def require_bookable(search: Search, found: Collection[Resource]) -> list[Resource]:
    """The MCs that must be free, if the studio has them all and they can be booked; and it must have the rooms."""
    known = {resource.uid: resource for resource in found}
    for kind, wanted in ((ResourceKind.ROOM, search.room_uids), (ResourceKind.MC, search.mc_uids)):
        for uid in wanted:
            if uid not in known:
                raise NotFound.of(kind.value, uid)
    mcs = [known[uid] for uid in search.mc_uids]
    for mc in mcs:
        if not mc.bookable:
            raise Refused("MC_UNAVAILABLE", f"{mc.name} cannot be booked", uid=mc.uid, name=mc.name)
    return mcs


def total(spans: Iterable[Span]) -> timedelta:
    """How long they are together; none may overlap another."""
    return sum((span.length for span in spans), timedelta())
