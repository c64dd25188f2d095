"""A schedule: one client's plan for one period in one studio, and the shows it plans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from libs.common.entities import Entity
from libs.common.errors import Refused, Stale
from libs.common.moves import Move

SCHEDULE = "schedule"


class ScheduleStatus(StrEnum):
    """Where a schedule stands."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    ARCHIVED = "archived"
    CANCELLED = "cancelled"


DRAFT, PROPOSED, CONFIRMED, ARCHIVED, CANCELLED = ScheduleStatus

PROPOSE = Move(SCHEDULE, "propose", {DRAFT}, PROPOSED)
WITHDRAW = Move(SCHEDULE, "withdraw", {PROPOSED}, DRAFT)
CONFIRM = Move(SCHEDULE, "confirm", {PROPOSED, CONFIRMED}, CONFIRMED)  # again: tries what was refused
REVISE = Move(SCHEDULE, "revise", {CONFIRMED}, DRAFT)
ARCHIVE = Move(SCHEDULE, "archive", {CONFIRMED}, ARCHIVED)
CANCEL = Move(SCHEDULE, "cancel", {DRAFT, PROPOSED, CONFIRMED}, CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Entity):
    """A plan's frame: whose, where, when, and how far it has come."""

    studio_uid: str
    client_uid: str
    name: str
    starts_at: datetime
    ends_at: datetime
    status: ScheduleStatus = DRAFT
    time_zone: str
    plan_version: int = 0
    confirmed_version: int = 0

    def covers(self, start: datetime) -> bool:
        """A show belongs into the period by its start; it may end after it."""
        return self.starts_at <= start < self.ends_at

    def propose(self) -> Schedule:
        """Finished by the planner: there must be something to confirm."""
        status = PROPOSE.apply(self.status)
        if self.plan_version == 0:
            raise Refused("PLAN_EMPTY", "a schedule without shows cannot be proposed")
        return replace(self, status=status)

    def withdraw(self) -> Schedule:
        """Back to the planner."""
        return replace(self, status=WITHDRAW.apply(self.status))

    def confirm(self, plan_version: int) -> Schedule:
        """Its bookings come into force: of the version that the caller means."""
        status = CONFIRM.apply(self.status)
        if plan_version not in (0, self.plan_version):
            raise Stale("STALE", f"the plan has version {self.plan_version}, not {plan_version}: look at it again")
        return replace(self, status=status, confirmed_version=self.plan_version)

    def revise(self) -> Schedule:
        """Open for edits again, while its bookings stay in force."""
        return replace(self, status=REVISE.apply(self.status))

    def archive(self) -> Schedule:
        """Over and put away."""
        return replace(self, status=ARCHIVE.apply(self.status))

    def cancel(self) -> Schedule:
        """Given up."""
        return replace(self, status=CANCEL.apply(self.status))

    def edit(self) -> Schedule:
        """One plan version on: only a draft may be edited."""
        if self.status is not DRAFT:
            raise Refused(
                "SCHEDULE_NOT_DRAFT", f"a {self.status} schedule cannot be edited: revise or withdraw it first"
            )
        return replace(self, plan_version=self.plan_version + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a plan says about one show; two rows are the same when all of this is."""

    external_id: str
    name: str
    room_uid: str = ""
    mc_uids: tuple[str, ...] = ()
    platform_uids: tuple[str, ...] = ()
    type: str = ""
    standard: str = ""
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShow:
    """A show as a row of its schedule. It keeps `show_uid` for ever, also when it leaves the plan and comes back."""

    uid: str
    show_uid: str
    schedule_uid: str
    planned: Planned
    cancelled: bool = False
    started: bool = False
    removed_at: datetime | None = None
    version: int = 1

    @property
    def external_id(self) -> str:
        """The planner's own key."""
        return self.planned.external_id

    @property
    def wanted(self) -> bool:
        """To be booked: in the plan, not cancelled by hand, not begun."""
        return self.removed_at is None and not self.cancelled and not self.started

    def follow(self, planned: Planned) -> PlannedShow:
        """The row with what the sheet says now; a row that had left comes back, as new, under its old show."""
        returning = self.removed_at is not None
        return replace(
            self,
            planned=planned,
            removed_at=None,
            cancelled=self.cancelled and not returning,
            version=self.version + 1,
        )

    def remove(self, now: datetime) -> PlannedShow:
        """Out of the plan."""
        return replace(self, removed_at=now, version=self.version + 1)

    def withhold(self) -> PlannedShow:
        """Cancelled by hand: stays in the plan, and is not booked again."""
        return replace(self, cancelled=True, version=self.version + 1)

    def begin(self) -> PlannedShow:
        """Live now: the plan no longer changes it."""
        return replace(self, started=True, version=self.version + 1)
