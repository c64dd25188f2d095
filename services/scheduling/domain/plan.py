"""The plan of a schedule: what a new sheet changes in it. A diff by external_id, never delete and make anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from libs.common.errors import Refused
from services.scheduling.domain.schedule import Planned, PlannedShow
from services.scheduling.domain.sheet import LARGEST, ReadRow, RowError


class RowOutcome(StrEnum):
    """What became of a row of the sheet, or of a show that is not in it."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    RESTORED = "restored"
    REFUSED = "refused"
    PROTECTED = "protected"


@dataclass(frozen=True, slots=True)
class RowResult:
    """The answer for one row; line 0 for a show that is not in the sheet."""

    line: int
    external_id: str
    outcome: RowOutcome
    show_uid: str = ""
    errors: Sequence[RowError] = ()


@dataclass(slots=True)
class PlanDiff:
    """What a sheet does to a plan: an answer per row, and the rows that are new or changed."""

    results: list[RowResult] = field(default_factory=list)
    created: list[PlannedShow] = field(default_factory=list)
    changed: list[PlannedShow] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Some row was refused."""
        return any(result.outcome is RowOutcome.REFUSED for result in self.results)

    @property
    def empty(self) -> bool:
        """Nothing would be saved."""
        return not self.created and not self.changed

    def require_fits(self, plan: Mapping[str, PlannedShow]) -> None:
        """Refused when the plan would have more shows than a sheet can; what a bad sheet leaves in it counts too."""
        left = sum(1 for row in self.changed if row.removed_at is not None)
        back = sum(1 for result in self.results if result.outcome is RowOutcome.RESTORED)
        there = sum(1 for row in plan.values() if row.removed_at is None)
        if there + len(self.created) + back - left > LARGEST:
            raise Refused("PLAN_TOO_LARGE", f"a plan may have {LARGEST} shows")


def diff(
    rows: Sequence[ReadRow],
    plan: Mapping[str, PlannedShow],
    now: datetime,
    new_show: Callable[[Planned], PlannedShow],
) -> PlanDiff:
    """Hold a sheet against the plan, keyed by external_id (rows that left it included).

    A refused row leaves what the plan has under its external_id as it was. A row so bad that its external_id is not
    known for sure (empty, or cells are missing or too many) might be any of the plan's: then nothing is taken out.
    """
    answer = PlanDiff()
    for read in rows:
        answer.results.append(place(read, plan.get(read.row.external_id), answer, new_show))
    if any(read.row.torn or not read.row.external_id for read in rows):
        return answer
    mentioned = {read.row.external_id for read in rows}
    for row in sorted(plan.values(), key=lambda row: (row.planned.starts_at, row.external_id)):
        if row.external_id in mentioned or row.removed_at is not None:
            continue
        if row.started:
            answer.results.append(RowResult(0, row.external_id, RowOutcome.PROTECTED, row.show_uid))
        else:
            answer.changed.append(row.remove(now))
            answer.results.append(RowResult(0, row.external_id, RowOutcome.REMOVED, row.show_uid))
    return answer


def place(
    read: ReadRow, row: PlannedShow | None, answer: PlanDiff, new_show: Callable[[Planned], PlannedShow]
) -> RowResult:
    """One row of the sheet against the plan's row of the same external_id."""

    def result(outcome: RowOutcome, show_uid: str = "") -> RowResult:
        return RowResult(read.row.line, read.row.external_id, outcome, show_uid, read.errors)

    if read.planned is None:
        return result(RowOutcome.REFUSED, row.show_uid if row else "")
    if row is None:
        created = new_show(read.planned)
        answer.created.append(created)
        return result(RowOutcome.CREATED, created.show_uid)
    if row.removed_at is None and row.planned == read.planned:
        return result(RowOutcome.UNCHANGED, row.show_uid)
    if row.started:
        return result(RowOutcome.PROTECTED, row.show_uid)
    answer.changed.append(row.follow(read.planned))
    return result(RowOutcome.UPDATED if row.removed_at is None else RowOutcome.RESTORED, row.show_uid)


def unsaved(answer: PlanDiff) -> list[RowResult]:
    """The answers of an import that saves nothing: the shows that it would make are not there and have no uid."""
    return [
        replace(result, show_uid="") if result.outcome is RowOutcome.CREATED else result for result in answer.results
    ]
