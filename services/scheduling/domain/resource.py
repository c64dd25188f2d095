"""Rooms and MCs: what a show takes for its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from libs.common.entities import Entity

ROOM, MC = "room", "mc"


class ResourceKind(StrEnum):
    """The two kinds of thing that can be taken."""

    ROOM = "room"
    MC = "mc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room(Entity):
    """A room of a studio; taken from `turnaround_before` minutes before a show to `turnaround_after` after it."""

    studio_uid: str
    name: str
    capacity: int = 0
    capabilities: tuple[str, ...] = ()
    turnaround_before: int = 0
    turnaround_after: int = 0
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mc(Entity):
    """Somebody who presents shows of a studio."""

    studio_uid: str
    name: str
    alias: str = ""
    user_uid: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """A room or an MC as bookings see it. Both kinds draw `id` from one sequence: one constraint serves both."""

    id: int
    uid: str
    kind: ResourceKind
    name: str
    before: timedelta
    after: timedelta
    bookable: bool
