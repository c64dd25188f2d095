"""Versions of a plan: how two differ, and what bringing one back does to each show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.common.errors import Refused
from services.scheduling.domain.schedule import Planned, PlannedShow
from services.scheduling.domain.version import change_of, changes_between, counted, restore

NOW = datetime(2026, 2, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def row(external_id: str, name: str = "Show", **more: object) -> PlannedShow:
    return PlannedShow(
        uid=f"plan_{external_id}",
        show_uid=f"show_{external_id}",
        schedule_uid="sched_1",
        planned=Planned(external_id=external_id, name=name, starts_at=NOON, ends_at=NOON + timedelta(hours=1)),
        **more,  # type: ignore[arg-type]
    )


def plan(*rows: PlannedShow) -> dict[str, PlannedShow]:
    return {one.show_uid: one for one in rows}


GONE = row("1").remove(NOW)

CHANGES = [
    ("never there", None, None, None),
    ("new", None, row("1"), ("added", [])),
    ("new and gone in one go", None, GONE, None),
    ("gone", row("1"), GONE, ("removed", [])),
    ("gone as before", GONE, replace(GONE, version=5), None),
    ("back", GONE, row("1"), ("added", [])),
    ("the same in a later version", row("1"), row("1", version=4), None),
    ("another name", row("1"), row("1", "Other"), ("changed", ["name"])),
    ("cancelled", row("1"), row("1").withhold(), ("changed", ["cancelled"])),
    ("live", row("1"), row("1").begin(), ("changed", ["started"])),
]


@pytest.mark.parametrize(
    ("before", "after", "expected"), [case[1:] for case in CHANGES], ids=[one[0] for one in CHANGES]
)
def test_how_a_show_differs(
    before: PlannedShow | None, after: PlannedShow | None, expected: tuple[str, list[str]] | None
) -> None:
    change = change_of(before, after)
    assert (change and (str(change.kind), list(change.fields))) == expected
    if change:
        assert change.external_id == "1"


def test_versions_differ_by_their_shows_in_the_order_of_their_keys_and_are_counted() -> None:
    older, newer = plan(row("2"), row("3"), row("4")), plan(row("4", "New"), row("3"), row("1"))
    changes = changes_between(older, newer)
    assert [(one.external_id, str(one.kind)) for one in changes] == [("1", "added"), ("2", "removed"), ("4", "changed")]
    assert counted(changes) == {"added": 1, "removed": 1, "changed": 1}


# As it was then, as it is now, what bringing it back does, and what is saved of it: in the plan, cancelled, its name.
RESTORED = [
    ("the same", row("1"), row("1", version=3), None, None),
    ("changed", row("1"), row("1", "Other"), "updated", (True, False, "Show")),
    ("left", row("1"), GONE, "restored", (True, False, "Show")),
    ("came later", None, row("1"), "removed", (False, False, "Show")),
    ("came and left", None, GONE, None, None),
    ("had left then, is back", GONE, row("1"), "removed", (False, False, "Show")),
    ("had left then, has left", GONE, GONE, None, None),
    ("cancelled since", row("1"), row("1").withhold(), "updated", (True, False, "Show")),
    ("cancelled then, not now", row("1").withhold(), row("1"), "updated", (True, True, "Show")),
    ("cancelled then, gone now", row("1").withhold(), GONE, "restored", (True, True, "Show")),
    ("live since and as it was", row("1"), row("1").begin(), None, None),
    ("live and other", row("1"), row("1", "Other").begin(), "protected", None),
    ("live and came later", None, row("1").begin(), "protected", None),
    ("live and was cancelled then", row("1").withhold(), row("1").begin(), "protected", None),
]


@pytest.mark.parametrize(
    ("then", "now", "outcome", "saved"), [case[1:] for case in RESTORED], ids=[one[0] for one in RESTORED]
)
def test_what_bringing_a_version_back_does_to_a_show(
    then: PlannedShow | None, now: PlannedShow, outcome: str | None, saved: tuple[bool, bool, str] | None
) -> None:
    restoration = restore(plan(then) if then else {}, [now], NOW)
    assert [str(one.outcome) for one in restoration.results] == ([outcome] if outcome else [])
    assert [(one.removed_at is None, one.cancelled, one.planned.name) for one in restoration.rows] == (
        [saved] if saved else []
    )
    for one in restoration.rows:
        assert (one.uid, one.show_uid, one.version) == (now.uid, now.show_uid, now.version + 1)


def test_a_version_that_would_touch_what_is_live_is_refused_with_the_list() -> None:
    now = [row("1", "Other").begin(), row("2").begin(), row("3")]
    restoration = restore(plan(row("1"), row("3", "Old")), now, NOW)
    with pytest.raises(Refused) as refusal:
        restoration.require_allowed()
    assert refusal.value.reason == "PROTECTED_SHOWS"
    assert refusal.value.facts == {"external_ids": "1, 2", "count": "2"}
    restore(plan(row("1")), [row("1").begin()], NOW).require_allowed()


def test_a_restored_version_differs_from_the_old_one_in_nothing() -> None:
    then = plan(row("1"), row("2"), row("3").withhold(), row("4").remove(NOW))
    now = [row("1", "Other"), row("2").remove(NOW), row("3"), row("4"), row("5")]
    saved = restore(then, now, NOW).rows
    assert changes_between(then, plan(*now) | plan(*saved)) == []
    assert restore(then, list((plan(*now) | plan(*saved)).values()), NOW).rows == []
