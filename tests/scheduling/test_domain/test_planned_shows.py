"""Edits of one row of a plan: what each may do to a row in each state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from libs.common.errors import AlreadyExists, Invalid, Refused, Stale
from services.scheduling.domain import planned_show as rules
from services.scheduling.domain.schedule import PlannedShow
from services.scheduling.domain.sheet import LARGEST, Names, row_of
from tests.scheduling.test_domain.test_plans import NOW, planned, row
from tests.scheduling.test_domain.test_schedules import MARCH

ROWS = {
    "none": None,
    "in the plan": row("1"),
    "left": row("1").remove(NOW),
    "live": row("1").begin(),
    "live and left": row("1").begin().remove(NOW),
}
ADDED = {  # what becomes of it, or the reason of the refusal
    "none": "created",
    "in the plan": "EXTERNAL_ID_TAKEN",
    "left": "restored",
    "live": "EXTERNAL_ID_TAKEN",
    "live and left": "SHOW_PROTECTED",
}


def add(state: str, count: int = 0) -> rules.RowEdit:
    return rules.add(ROWS[state], planned("1", "New"), count, lambda new: row(new.external_id, new.name))


@pytest.mark.parametrize("state", ROWS)
def test_a_show_is_added_when_the_plan_does_not_have_it(state: str) -> None:
    expected = ADDED[state]
    if expected.isupper():
        with pytest.raises((AlreadyExists, Refused)) as other:
            add(state)
        assert other.value.reason == expected
        return
    edit = add(state)
    assert (str(edit.outcome), edit.row.planned.name, edit.row.removed_at) == (expected, "New", None)
    assert edit.row.show_uid == "show_1"
    with pytest.raises(Refused) as refusal:
        add(state, LARGEST)
    assert refusal.value.reason == "PLAN_TOO_LARGE"


def test_an_update_that_says_the_same_changes_nothing_and_one_of_a_live_show_is_refused() -> None:
    assert str(rules.update(row("1"), planned("1", "New")).outcome) == "updated"
    assert str(rules.update(row("1"), planned("1")).outcome) == "unchanged"
    assert str(rules.update(row("1").begin(), planned("1")).outcome) == "unchanged"
    assert rules.update(row("1").withhold(), planned("1", "New")).row.cancelled
    edits: list[Callable[[PlannedShow], rules.RowEdit]] = [
        lambda live: rules.update(live, planned("1", "New")),
        lambda live: rules.remove(live, NOW),
    ]
    for edit in edits:
        with pytest.raises(Refused) as refusal:
            edit(row("1").begin())
        assert refusal.value.reason == "SHOW_PROTECTED"
        assert refusal.value.facts == {"external_id": "1", "show_uid": "show_1"}
    assert rules.remove(row("1"), NOW).row.removed_at == NOW


def test_the_etag_of_a_row_is_its_version() -> None:
    for etag in ("", "1"):
        rules.expect(row("1"), etag)
    with pytest.raises(Stale):
        rules.expect(replace(row("1"), version=2), "1")


def test_a_single_row_is_read_by_the_rules_of_a_sheet_and_every_fault_is_named() -> None:
    names = Names({"room_1": "room_1"}, {"Ada; Bob": "mc_1"}, {})
    there = PlannedShow(uid="plan_1", show_uid="show_1", schedule_uid="sched_1", planned=planned("1"))
    changed = rules.planned_of(rules.sheet_row(there, {"name": " New "}, {"mcs": ["Ada; Bob"]}), MARCH, names)
    assert changed == replace(planned("1", "New"), mc_uids=("mc_1",))
    assert rules.planned_of(rules.sheet_row(there, {}, {}), MARCH, names) == there.planned
    bad = {"external_id": "1", "name": "One", "room": "Z", "start": "2026-02-28T10:00", "end": "2026-02-28T11:00"}
    with pytest.raises(Invalid) as refusal:
        rules.planned_of(row_of(1, bad, {"mcs": ["Eve"]}), MARCH, names)
    assert refusal.value.reason == "ROOM_UNKNOWN"
    assert [(one.field, one.description.partition(":")[0]) for one in refusal.value.violations] == [
        ("room", "ROOM_UNKNOWN"),
        ("mcs", "MC_UNKNOWN"),
        ("start", "OUTSIDE_PERIOD"),
    ]
