"""What a new sheet changes in a plan: a diff by external_id."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.common.errors import Refused
from services.scheduling.domain.plan import PlanDiff, diff
from services.scheduling.domain.schedule import Planned, PlannedShow
from services.scheduling.domain.sheet import LARGEST, ReadRow, RowError, SheetRow

NOW = datetime(2026, 2, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def planned(external_id: str, name: str = "Show") -> Planned:
    return Planned(external_id=external_id, name=name, starts_at=NOON, ends_at=NOON + timedelta(hours=1))


def row(external_id: str, name: str = "Show") -> PlannedShow:
    return PlannedShow(
        uid=f"plan_{external_id}",
        show_uid=f"show_{external_id}",
        schedule_uid="sched_1",
        planned=planned(external_id, name),
    )


def good(external_id: str, name: str = "Show") -> ReadRow:
    return ReadRow(SheetRow(2, {"external_id": external_id}), planned(external_id, name))


def bad(external_id: str, torn: bool = False) -> ReadRow:
    return ReadRow(SheetRow(2, {"external_id": external_id}, torn), None, [RowError("name", "MISSING", "")])


def held_against(rows: list[ReadRow], *plan: PlannedShow) -> PlanDiff:
    return diff(rows, {one.external_id: one for one in plan}, NOW, lambda new: row(new.external_id))


def outcomes(answer: PlanDiff) -> list[tuple[int, str, str, str]]:
    return [(one.line, one.external_id, str(one.outcome), one.show_uid) for one in answer.results]


def test_a_sheet_creates_updates_and_removes_and_leaves_what_is_the_same() -> None:
    answer = held_against([good("1"), good("2"), good("3", "New")], row("2"), row("3"), row("4"))
    assert outcomes(answer) == [
        (2, "1", "created", "show_1"),
        (2, "2", "unchanged", "show_2"),
        (2, "3", "updated", "show_3"),
        (0, "4", "removed", "show_4"),
    ]
    assert [one.external_id for one in answer.created] == ["1"]
    assert [(one.external_id, one.version, one.removed_at) for one in answer.changed] == [("3", 2, None), ("4", 2, NOW)]


def test_a_row_that_left_comes_back_under_its_old_show_also_when_it_says_the_same() -> None:
    gone = row("1").remove(NOW)
    answer = held_against([good("1")], gone)
    assert outcomes(answer) == [(2, "1", "restored", "show_1")]
    assert answer.changed[0].removed_at is None


def test_a_row_that_left_is_not_removed_again() -> None:
    assert held_against([good("1")], row("1"), row("2").remove(NOW)).empty


def test_a_refused_row_leaves_what_the_plan_has() -> None:
    answer = held_against([bad("1"), bad("2")], row("1"))
    assert outcomes(answer) == [(2, "1", "refused", "show_1"), (2, "2", "refused", "")]
    assert answer.empty
    assert answer.refused


def test_a_started_show_is_protected_from_change_and_removal() -> None:
    started = [replace(row(name), started=True) for name in ("1", "2", "3")]
    answer = held_against([good("1", "New"), good("2")], *started)
    assert outcomes(answer) == [
        (2, "1", "protected", "show_1"),
        (2, "2", "unchanged", "show_2"),
        (0, "3", "protected", "show_3"),
    ]
    assert answer.empty


def test_nothing_is_removed_while_a_rows_external_id_is_unknown() -> None:
    assert held_against([bad("")], row("1")).empty
    assert held_against([bad("2026-03-02", torn=True)], row("1")).empty
    assert held_against([bad("2")], row("1")).changed[0].removed_at == NOW


def test_a_plan_has_no_more_rows_than_a_sheet_whatever_a_bad_sheet_leaves_in_it() -> None:
    plan = {one.external_id: one for one in (row(str(n)) for n in range(LARGEST))}
    for sheet, fits in (
        ([good("0"), good("new")], True),
        ([bad(""), good("new")], False),
        ([bad(""), good("0")], True),
    ):
        answer = held_against(sheet, *plan.values())
        if fits:
            answer.require_fits(plan)
        else:
            with pytest.raises(Refused) as refusal:
                answer.require_fits(plan)
            assert refusal.value.reason == "PLAN_TOO_LARGE"
