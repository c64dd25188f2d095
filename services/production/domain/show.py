"""The life of a show. Pure: no SQL, no gRPC, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from libs.common import uids
from libs.common.entities import Entity
from libs.common.errors import FieldViolation, Invalid, Refused
from libs.common.moves import Move
from services.production.domain.gate import OPEN, Blocker, Gate

SHOW = "show"
SHOW_PREFIX, MC_PREFIX, PLATFORM_PREFIX = "show", "smc", "spl"


class ShowStatus(StrEnum):
    """Where a show stands."""

    DRAFT = "draft"
    CONFIRMED = "confirmed"
    LIVE = "live"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


DRAFT, CONFIRMED, LIVE, COMPLETED, CANCELLED = ShowStatus

CONFIRM = Move(SHOW, "confirm", {DRAFT}, CONFIRMED)  # its room and MCs are booked
START = Move(SHOW, "start", {CONFIRMED}, LIVE)
COMPLETE = Move(SHOW, "complete", {LIVE}, COMPLETED)
CANCEL = Move(SHOW, "cancel", {DRAFT, CONFIRMED, LIVE}, CANCELLED)
RESTORE = Move(SHOW, "restore", {CANCELLED}, DRAFT)  # its plan has it again

EXPLAINED = (CONFIRM, START, COMPLETE, CANCEL)  # the moves that people make
GATED = (START, COMPLETE)  # the moves that wait for tasks


class Done(StrEnum):
    """What was done to a show: the last word of its event's subject."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    CONFIRMED = "confirmed"
    MOVED = "moved"
    STARTED = "started"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Part:
    """An MC on a show, or a platform that it is broadcast on; tasks hang on its uid.

    One that left stays known, so that it comes back with its old uid.
    """

    uid: str
    of_uid: str
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a plan, a booking or a planner says about a show."""

    studio_uid: str
    client_uid: str
    schedule_uid: str = ""
    external_id: str = ""
    name: str
    room_uid: str = ""
    type: str = ""
    standard: str = ""
    starts_at: datetime
    ends_at: datetime
    mc_uids: Sequence[str] = ()
    platform_uids: Sequence[str] = ()

    def __post_init__(self) -> None:
        """A show has a length, also after its times were cut to microseconds."""
        if not self.starts_at < self.ends_at:
            message = "ends_at must be after starts_at"
            raise Invalid("END_BEFORE_START", message, [FieldViolation("ends_at", message)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Show(Entity):
    """A show with its MCs and platforms: what changes together.

    `booking_version` and `plan_version` say how much of what scheduling told is in it: older news changes nothing.
    `released_at` is when scheduling released it: what its plan said before that does not bring it back.
    """

    studio_uid: str
    client_uid: str
    schedule_uid: str = ""
    external_id: str = ""
    name: str
    room_uid: str = ""
    type: str = ""
    standard: str = ""
    starts_at: datetime
    ends_at: datetime
    status: ShowStatus = DRAFT
    confirmation: int = 0
    booking_version: int = 0
    plan_version: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    cancel_reason: str = ""
    released_at: datetime | None = None
    mcs: tuple[Part, ...] = ()
    platforms: tuple[Part, ...] = ()

    @property
    def mc_uids(self) -> list[str]:
        """The MCs that present it."""
        return [part.of_uid for part in self.mcs if part.deleted_at is None]

    @property
    def platform_uids(self) -> list[str]:
        """The platforms that it is broadcast on."""
        return [part.of_uid for part in self.platforms if part.deleted_at is None]

    def take(self, details: Details, now: datetime) -> Show:
        """Have these details, and live; MCs and platforms that stay keep their uids."""
        return replace(
            self,
            deleted_at=None,
            studio_uid=details.studio_uid,
            client_uid=details.client_uid,
            schedule_uid=details.schedule_uid,
            external_id=details.external_id,
            name=details.name,
            room_uid=details.room_uid,
            type=details.type,
            standard=details.standard,
            starts_at=details.starts_at,
            ends_at=details.ends_at,
            mcs=recast(self.mcs, details.mc_uids, MC_PREFIX, now),
            platforms=recast(self.platforms, details.platform_uids, PLATFORM_PREFIX, now),
        )

    def confirm(self, confirmation: int) -> Show:
        """Happen: the room and the MCs are booked under this confirmation number."""
        return replace(self, status=CONFIRM.apply(self.status), confirmation=confirmation, released_at=None)

    def start(self, gate: Gate, waiver: str, now: datetime) -> Show:
        """Go live, if the tasks before it are done or waived."""
        return replace(self, status=self.pass_gate(START, gate, waiver), started_at=now)

    def complete(self, gate: Gate, waiver: str, now: datetime) -> Show:
        """End, if the tasks during it are done or waived."""
        return replace(self, status=self.pass_gate(COMPLETE, gate, waiver), completed_at=now)

    def cancel(self, reason: str, released: int = 0) -> Show:
        """Not happen, and say why; a confirmation number that was released for it is used up."""
        used_up = max(self.confirmation, released)
        return replace(self, status=CANCEL.apply(self.status), cancel_reason=reason, confirmation=used_up)

    def restore(self) -> Show:
        """Be a draft again."""
        return replace(self, status=RESTORE.apply(self.status), cancel_reason="", released_at=None)

    def pass_gate(self, move: Move[ShowStatus], gate: Gate, waiver: str) -> ShowStatus:
        """Make a move that waits for tasks, or be refused with the first thing that stops it."""
        for blocker in blockers(self, move, gate):
            if blocker.stops and not (blocker.waivable and waiver):
                raise blocker.refusal
        return move.target

    def next_version(self, now: datetime) -> Show:
        """The show as it is stored after a change."""
        return replace(self, version=self.version + 1, updated_at=now)


def new_show(uid: str, details: Details, now: datetime) -> Show:
    """A draft with these details."""
    return Show(
        uid=uid,
        created_at=now,
        updated_at=now,
        studio_uid=details.studio_uid,
        client_uid=details.client_uid,
        schedule_uid=details.schedule_uid,
        external_id=details.external_id,
        name=details.name,
        room_uid=details.room_uid,
        type=details.type,
        standard=details.standard,
        starts_at=details.starts_at,
        ends_at=details.ends_at,
        mcs=recast((), details.mc_uids, MC_PREFIX, now),
        platforms=recast((), details.platform_uids, PLATFORM_PREFIX, now),
    )


def recast(parts: tuple[Part, ...], wanted: Sequence[str], prefix: str, now: datetime) -> tuple[Part, ...]:
    """The parts of a show that shall have exactly the wanted ones: some stay, leave or come back, some are new."""
    known = {part.of_uid for part in parts}
    return (
        *(replace(part, deleted_at=None if part.of_uid in wanted else part.deleted_at or now) for part in parts),
        *(Part(uids.new(prefix), of_uid) for of_uid in dict.fromkeys(wanted) if of_uid not in known),
    )


def blockers(show: Show, move: Move[ShowStatus], gate: Gate = OPEN) -> tuple[Blocker, ...]:
    """What stands in the way of a move, the weightiest first."""
    try:
        move.apply(show.status)
    except Refused as refusal:
        return (Blocker(refusal),)
    if move is CONFIRM and show.schedule_uid:
        return (Blocker(planned_in_schedule(show)),)
    return gate.blockers() if move in GATED else ()


def planned_in_schedule(show: Show) -> Refused:
    """Why a planned show is not confirmed by itself."""
    message = f"show {show.uid} is confirmed with its schedule {show.schedule_uid}"
    return Refused("PLANNED_IN_SCHEDULE", message, uid=show.uid, schedule_uid=show.schedule_uid)
