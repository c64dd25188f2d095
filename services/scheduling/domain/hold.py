"""Holds: options on rooms and MCs. They stand in a row, the oldest first, and are in nobody's way.

Whoever is confirmed has the slot: a hold of the same client is taken up by it, all others are lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from libs.common.entities import Entity
from libs.common.errors import FieldViolation, Invalid, Refused
from libs.common.moves import Move
from services.scheduling.domain.booking import MOST_CLASHES, Problem, Rule, Slot, clash

HOLD = "hold"
LONGEST = timedelta(days=90)  # that an option stands


class HoldState(StrEnum):
    """Where a hold stands."""

    HELD = "held"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"
    LOST = "lost"


HELD, CONFIRMED, RELEASED, EXPIRED, LOST = HoldState

CONFIRM = Move(HOLD, "be confirmed", {HELD}, CONFIRMED)
RELEASE = Move(HOLD, "be released", {HELD}, RELEASED)
EXPIRE = Move(HOLD, "expire", {HELD}, EXPIRED)
LOSE = Move(HOLD, "be lost", {HELD}, LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Entity):
    """An option of a client on a room, on MCs or both; `rank` is 1 for the first option, as it was last told."""

    studio_uid: str
    client_uid: str
    name: str
    room_uid: str = ""
    mc_uids: tuple[str, ...] = ()
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime
    state: HoldState = HELD
    rank: int = 1
    show_uid: str = ""
    ended_at: datetime | None = None

    def as_of(self, now: datetime) -> Hold:
        """Over by the clock is over, also before anybody has swept it up."""
        over = self.state is HELD and self.expires_at <= now
        return replace(self, state=EXPIRED, ended_at=self.expires_at) if over else self

    def behind(self, slots: Iterable[Slot], held: Iterable[Slot]) -> Hold:
        """A new one: it stands behind all that hold one of its resources at its time already."""
        return replace(self, rank=1 + len({other.show.hold_uid for _, other in overlapping(slots, held)}))

    def confirm(self, show_uid: str, now: datetime) -> Hold:
        """Taken up by a show of the client's."""
        return self.end(CONFIRM, now, show_uid)

    def release(self, now: datetime) -> Hold:
        """Given back."""
        return self.end(RELEASE, now)

    def expire(self, now: datetime) -> Hold:
        """Its time is over."""
        return self.end(EXPIRE, now)

    def lose(self, now: datetime) -> Hold:
        """Another show has the slot."""
        return self.end(LOSE, now)

    def end(self, move: Move[HoldState], now: datetime, show_uid: str = "") -> Hold:
        """Held no more."""
        state = move.apply(self.state)
        return replace(self, state=state, show_uid=show_uid, ended_at=now, version=self.version + 1, updated_at=now)

    def move_up(self, rank: int, now: datetime) -> Hold:
        """A better option than before: older ones ended."""
        return replace(self, rank=rank, version=self.version + 1, updated_at=now)


def require_expiry(expires_at: datetime, now: datetime) -> None:
    """An option ends in the future, and not too far in it."""
    if not now < expires_at <= now + LONGEST:
        message = f"must be in the future, at most {LONGEST.days} days from now"
        raise Invalid("EXPIRY_INVALID", f"expires_at {message}", [FieldViolation("expires_at", message)])


def overlapping(slots: Iterable[Slot], others: Iterable[Slot]) -> list[tuple[Slot, Slot]]:
    """All pairs of one resource that share some time, in the order in which they came."""
    by_resource: dict[int, list[Slot]] = defaultdict(list)
    for other in others:
        by_resource[other.resource.id].append(other)
    return [
        (slot, other)
        for slot in slots
        for other in by_resource.get(slot.resource.id, ())
        if slot.start < other.until and other.start < slot.until
    ]


def held_by_others(wanted: Iterable[Slot], held: Sequence[Slot]) -> list[Problem]:
    """Warnings: which holds of other clients a booking of these slots would push aside; `held` by age."""
    pushed: dict[Slot, list[Slot]] = defaultdict(list)
    for slot, other in overlapping(wanted, held):
        if other.show.client_uid != slot.show.client_uid:
            pushed[slot].append(other)
    return [
        replace(clash(slot, other, False), rule=Rule.HELD_BY_OTHER)
        for slot, others in pushed.items()
        for other in islice(others, MOST_CLASHES)
    ]


def settle(
    holds: Mapping[str, Hold], held: Sequence[Slot], taken: Sequence[Slot], named: str, now: datetime
) -> list[Hold]:
    """What becomes of the holds (by uid; `held` are their slots, by age) when these slots are booked.

    The named one is taken up; without a name, the client's own oldest one of each show is. All others are lost.
    """
    shows: dict[str, list[Slot]] = defaultdict(list)  # the slots of shows that a hold meets
    for mine, slot in overlapping(held, taken):
        shows[mine.show.hold_uid].append(slot)
    if named and named not in shows:
        raise Refused("HOLD_ELSEWHERE", "the hold is on other resources or at another time", uid=named)
    ended: dict[str, Hold] = {}
    served: set[str] = set()
    for uid, slots in shows.items():
        hold = holds[uid]
        own = (
            slot.show.show_uid
            for slot in slots
            if slot.show.client_uid == hold.client_uid and slot.show.show_uid not in served
        )
        show_uid = next(own, "") if named in ("", uid) else ""
        served.add(show_uid)
        ended[uid] = hold.confirm(show_uid, now) if show_uid else hold.lose(now)
    return list(ended.values())
