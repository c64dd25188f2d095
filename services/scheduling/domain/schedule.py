"""A schedule: one client's plan for one period in one studio, and the shows it plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from libs.common.entities import Entity
from libs.common.errors import FieldViolation, Invalid, Refused, Stale
from libs.common.moves import Move

SCHEDULE = "schedule"
PLANNED_SHOW = "planned_show"


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
APPROVE = Move(SCHEDULE, "approve", {PROPOSED}, PROPOSED)  # by the client
DELETABLE = {DRAFT, CANCELLED}


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
    approved_version: int = 0
    approved_by: str = ""
    approved_at: datetime | None = None

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
        self.expect_plan(plan_version)
        return replace(self, status=status, confirmed_version=self.plan_version)

    def approve(self, plan_version: int, user_uid: str, now: datetime) -> Schedule:
        """The client says yes to the version that it has seen; twice is once."""
        status = APPROVE.apply(self.status)
        self.expect_plan(plan_version)
        if self.approved_version == plan_version:
            return self
        return replace(self, status=status, approved_version=plan_version, approved_by=user_uid, approved_at=now)

    def expect_plan(self, plan_version: int) -> None:
        """Stale when the caller means another version of the plan than this one; 0 means whichever it is."""
        if plan_version not in (0, self.plan_version):
            raise Stale("STALE", f"the plan has version {self.plan_version}, not {plan_version}: look at it again")

    def require_approval(self) -> None:
        """In a studio whose clients approve, only the version that was approved is confirmed."""
        if self.approved_version != self.plan_version:
            raise Refused(
                "NOT_APPROVED",
                f"the client has not approved version {self.plan_version} of the plan",
                plan_version=self.plan_version,
                approved_version=self.approved_version,
            )

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
        self.require_draft()
        return self.next_version()

    def change(self, given: Mapping[str, Any]) -> Schedule:
        """Another name, period or metadata: only of a draft."""
        self.require_draft()
        changed = self.but(given)
        if changed.ends_at <= changed.starts_at:
            message = "ends_at must be after starts_at"
            raise Invalid("PERIOD_INVALID", message, [FieldViolation("ends_at", message)])
        return changed

    def require_draft(self) -> None:
        """Refused for whoever wants to edit what is no draft."""
        if self.status is not DRAFT:
            raise Refused(
                "SCHEDULE_NOT_DRAFT", f"a {self.status} schedule cannot be edited: revise or withdraw it first"
            )

    def require_deletable(self, booked: int) -> None:
        """Only what was never confirmed or is given up is deleted, and only when no show of it holds anything."""
        if self.status not in DELETABLE:
            raise Refused(
                "SCHEDULE_MOVE_REFUSED",
                f"a {self.status} schedule cannot be deleted: cancel it first",
                move="delete",
                status=self.status,
            )
        if booked:
            raise Refused("SCHEDULE_IN_USE", f"{booked} shows of the schedule are booked", bookings=booked)

    def next_version(self) -> Schedule:
        """Its plan is another one: what the client approved was the one before."""
        return replace(self, plan_version=self.plan_version + 1, approved_version=0, approved_by="", approved_at=None)

    def follow_shows(self) -> Schedule:
        """One plan version on because of what became of shows: they went live, or were cancelled by hand.

        Nobody planned anything else, so what was confirmed and what was approved stays so.
        """
        now = self.plan_version + 1
        return replace(
            self,
            plan_version=now,
            confirmed_version=now if self.confirmed_version == self.plan_version else self.confirmed_version,
            approved_version=now if self.approved_version == self.plan_version else self.approved_version,
        )


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

    def become(self, planned: Planned, cancelled: bool) -> PlannedShow:
        """As an earlier version of the plan had it, under the same show."""
        return replace(self, planned=planned, cancelled=cancelled, removed_at=None, version=self.version + 1)

    def remove(self, now: datetime) -> PlannedShow:
        """Out of the plan."""
        return replace(self, removed_at=now, version=self.version + 1)

    def withhold(self) -> PlannedShow:
        """Cancelled by hand: stays in the plan, and is not booked again."""
        return replace(self, cancelled=True, version=self.version + 1)

    def begin(self) -> PlannedShow:
        """Live now: the plan no longer changes it."""
        return replace(self, started=True, version=self.version + 1)
