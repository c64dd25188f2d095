"""Rooms and MCs: what a show takes for its time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from libs.common.entities import Entity
from libs.common.errors import Refused

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
    equipment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mc(Entity):
    """Somebody who presents shows of a studio."""

    studio_uid: str
    name: str
    alias: str = ""
    user_uid: str = ""
    profile: str = ""
    banned_at: datetime | None = None
    ban_reason: str = ""

    def ban(self, reason: str, now: datetime) -> Mc:
        """Not to be booked from now on."""
        if self.banned_at is not None:
            raise Refused("MC_BANNED", f"MC {self.uid} is banned already", uid=self.uid)
        return replace(self, banned_at=now, ban_reason=reason)

    def unban(self) -> Mc:
        """To be booked again."""
        if self.banned_at is None:
            raise Refused("MC_NOT_BANNED", f"MC {self.uid} is not banned", uid=self.uid)
        return replace(self, banned_at=None, ban_reason="")


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
    living: bool = True
