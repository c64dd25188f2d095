"""Versions of a plan: what each saved change made of it, and how two of them differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from libs.common.errors import Refused
from services.scheduling.domain.plan import RowOutcome, RowResult
from services.scheduling.domain.schedule import Planned, PlannedShow

PLAN_VERSION = "plan_version"


class Cause(StrEnum):
    """What made a version."""

    IMPORTED = "imported"
    ADDED = "added"
    UPDATED = "updated"
    REMOVED = "removed"
    RESTORED = "restored"
    SHOW_CANCELLED = "show_cancelled"
    SHOW_STARTED = "show_started"
    SCHEDULE_CANCELLED = "schedule_cancelled"
    SCHEDULE_DELETED = "schedule_deleted"
    SCHEDULE_UNDELETED = "schedule_undeleted"


class ChangeKind(StrEnum):
    """What a version did to a show of the plan."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Why:
    """What a change of a plan is, and why it is made, in words and in a category."""

    cause: Cause
    reason: str = ""
    category: str = ""
    restored_number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersion:
    """One saved change of a plan: who, when, why, and how much. It is never changed."""

    uid: str
    schedule_uid: str
    number: int
    cause: Cause
    actor: str
    on_behalf_of: str
    reason: str
    category: str
    restored_number: int
    show_count: int
    added: int
    changed: int
    removed: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ShowChange:
    """How one show of a plan differs between two versions: `before` and `after` where the plan has it."""

    kind: ChangeKind
    before: PlannedShow | None
    after: PlannedShow | None
    fields: Sequence[str] = ()

    @property
    def external_id(self) -> str:
        """The planner's own key."""
        row = self.after or self.before
        return row.external_id if row else ""


def in_plan(row: PlannedShow | None) -> PlannedShow | None:
    """The row, if the plan has it."""
    return row if row is not None and row.removed_at is None else None


def change_of(before: PlannedShow | None, after: PlannedShow | None) -> ShowChange | None:
    """How a show differs; None when it does not."""
    before, after = in_plan(before), in_plan(after)
    if before is None or after is None:
        if before is after:
            return None
        return ShowChange(ChangeKind.ADDED if before is None else ChangeKind.REMOVED, before, after)
    differing = [
        *(f.name for f in fields(Planned) if getattr(before.planned, f.name) != getattr(after.planned, f.name)),
        *(name for name in ("cancelled", "started") if getattr(before, name) != getattr(after, name)),
    ]
    return ShowChange(ChangeKind.CHANGED, before, after, differing) if differing else None


def changes_between(before: Mapping[str, PlannedShow], after: Mapping[str, PlannedShow]) -> list[ShowChange]:
    """How the shows of two versions, by show uid, differ, by external_id."""
    found = (change_of(before.get(uid), after.get(uid)) for uid in {*before, *after})
    return sorted((one for one in found if one), key=lambda one: one.external_id)


def counted(changes: Iterable[ShowChange]) -> dict[str, int]:
    """How many shows were added, changed and removed."""
    kinds = [one.kind for one in changes]
    return {str(kind): kinds.count(kind) for kind in ChangeKind}


@dataclass(frozen=True, slots=True)
class Restoration:
    """What bringing an earlier version back does: an answer per show that differs, and the rows to save."""

    results: Sequence[RowResult]
    rows: Sequence[PlannedShow]

    @property
    def protected(self) -> list[str]:
        """The shows that it would have to touch and may not."""
        return [one.external_id for one in self.results if one.outcome is RowOutcome.PROTECTED]

    def require_allowed(self) -> None:
        """Refused when a show that is live or completed would be touched."""
        if self.protected:
            raise Refused(
                "PROTECTED_SHOWS",
                f"{len(self.protected)} shows that are live or completed would change: {', '.join(self.protected)}",
                external_ids=", ".join(self.protected),
                count=len(self.protected),
            )


def restore(then: Mapping[str, PlannedShow], plan: Collection[PlannedShow], now: datetime) -> Restoration:
    """Hold an earlier version (by show uid) against the plan: every show becomes as it was, under its own uid.

    What was cancelled by hand since then is planned again, as it was then; what is live or completed stays as it is.
    """
    results, rows = [], []
    for row in sorted(plan, key=lambda row: (row.planned.starts_at, row.external_id)):
        old = in_plan(then.get(row.show_uid))
        if old is None and row.removed_at is not None:
            continue
        if old and row.removed_at is None and (old.planned, old.cancelled) == (row.planned, row.cancelled):
            continue
        if row.started:
            outcome = RowOutcome.PROTECTED
        elif old is None:
            outcome = RowOutcome.REMOVED
            rows.append(row.remove(now))
        else:
            outcome = RowOutcome.UPDATED if row.removed_at is None else RowOutcome.RESTORED
            rows.append(row.become(old.planned, old.cancelled))
        results.append(RowResult(0, row.external_id, outcome, row.show_uid))
    return Restoration(results, rows)
