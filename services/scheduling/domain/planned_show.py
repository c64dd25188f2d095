"""Edits of one row of a plan: the same rules and the same protection as for a row of a sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.errors import AlreadyExists, FieldViolation, Invalid, Refused, Stale
from services.scheduling.domain.plan import RowOutcome
from services.scheduling.domain.schedule import PLANNED_SHOW, Planned, PlannedShow, Schedule
from services.scheduling.domain.sheet import LARGEST, Names, SheetRow, read, row_of

LISTS = ("mcs", "platforms")


@dataclass(frozen=True, slots=True)
class RowEdit:
    """What an edit makes of a row."""

    row: PlannedShow
    outcome: RowOutcome


@dataclass(frozen=True, slots=True)
class Edited:
    """The answer to an edit of one row."""

    schedule: Schedule
    row: PlannedShow
    outcome: RowOutcome


def add(
    there: PlannedShow | None, planned: Planned, show_count: int, new_show: Callable[[Planned], PlannedShow]
) -> RowEdit:
    """A show comes into the plan; one that had left it comes back, as new, under its old show."""
    if there is not None and there.removed_at is None:
        raise AlreadyExists(
            "EXTERNAL_ID_TAKEN",
            f"the plan has a row {there.external_id} already",
            uid=there.uid,
            show_uid=there.show_uid,
        )
    if show_count >= LARGEST:
        raise Refused("PLAN_TOO_LARGE", f"a plan may have {LARGEST} shows")
    if there is None:
        return RowEdit(new_show(planned), RowOutcome.CREATED)
    require_not_started(there)
    return RowEdit(there.follow(planned), RowOutcome.RESTORED)


def update(row: PlannedShow, planned: Planned) -> RowEdit:
    """The plan says other things about a show."""
    if planned == row.planned:
        return RowEdit(row, RowOutcome.UNCHANGED)
    require_not_started(row)
    return RowEdit(row.follow(planned), RowOutcome.UPDATED)


def remove(row: PlannedShow, now: datetime) -> RowEdit:
    """A show leaves the plan."""
    require_not_started(row)
    return RowEdit(row.remove(now), RowOutcome.REMOVED)


def require_not_started(row: PlannedShow) -> None:
    """Refused for what is live or completed."""
    if row.started:
        raise Refused(
            "SHOW_PROTECTED",
            f"show {row.external_id} is live or completed: the plan no longer changes it",
            external_id=row.external_id,
            show_uid=row.show_uid,
        )


def expect(row: PlannedShow, etag: str) -> None:
    """Stale when the caller saw another version of the row; an empty etag asks for no check."""
    if etag and etag != str(row.version):
        raise Stale.of(PLANNED_SHOW, row.uid)


def sheet_row(row: PlannedShow, given: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> SheetRow:
    """The row of a sheet that says what the plan says, save for what is given."""
    planned = row.planned
    cells = {
        "external_id": planned.external_id,
        "name": planned.name,
        "room": planned.room_uid,
        "type": planned.type,
        "standard": planned.standard,
        "start": planned.starts_at.isoformat(),
        "end": planned.ends_at.isoformat(),
    }
    return row_of(1, {**cells, **given}, {"mcs": planned.mc_uids, "platforms": planned.platform_uids, **lists})


def planned_of(row: SheetRow, schedule: Schedule, names: Names) -> Planned:
    """What a single row plans; Invalid with the reason of the first thing that is wrong with it, all of them named."""
    (answer,) = read([row], schedule, names)
    if answer.planned is None:
        raise Invalid(
            answer.errors[0].reason,
            "; ".join(error.message for error in answer.errors),
            [FieldViolation(error.field, f"{error.reason}: {error.message}") for error in answer.errors],
        )
    return answer.planned
