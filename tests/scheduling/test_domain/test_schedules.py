"""The life of a schedule and of a planned show: every move from every status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from libs.common.errors import Invalid, Refused, Stale
from services.scheduling.domain.schedule import (
    ARCHIVED,
    CANCELLED,
    CONFIRMED,
    DRAFT,
    PROPOSED,
    Planned,
    PlannedShow,
    Schedule,
    ScheduleStatus,
)

NOW = datetime(2026, 2, 1, tzinfo=UTC)
MARCH = Schedule(
    uid="sched_1",
    created_at=NOW,
    updated_at=NOW,
    studio_uid="studio_1",
    client_uid="client_1",
    name="March",
    time_zone="UTC",
    starts_at=datetime(2026, 3, 1, tzinfo=UTC),
    ends_at=datetime(2026, 4, 1, tzinfo=UTC),
    plan_version=3,
)
MOVES: dict[str, tuple[Callable[[Schedule], Schedule], set[ScheduleStatus], ScheduleStatus]] = {
    "propose": (Schedule.propose, {DRAFT}, PROPOSED),
    "withdraw": (Schedule.withdraw, {PROPOSED}, DRAFT),
    "confirm": (lambda one: one.confirm(0), {PROPOSED, CONFIRMED}, CONFIRMED),
    "approve": (lambda one: one.approve(3, "user_1", NOW), {PROPOSED}, PROPOSED),
    "revise": (Schedule.revise, {CONFIRMED}, DRAFT),
    "archive": (Schedule.archive, {CONFIRMED}, ARCHIVED),
    "cancel": (Schedule.cancel, {DRAFT, PROPOSED, CONFIRMED}, CANCELLED),
}


@pytest.mark.parametrize("status", ScheduleStatus)
@pytest.mark.parametrize("verb", MOVES)
def test_a_move_is_made_from_its_sources_and_refused_elsewhere(verb: str, status: ScheduleStatus) -> None:
    move, sources, target = MOVES[verb]
    schedule = replace(MARCH, status=status)
    if status in sources:
        assert move(schedule).status is target
    else:
        with pytest.raises(Refused) as refusal:
            move(schedule)
        assert refusal.value.reason == "SCHEDULE_MOVE_REFUSED"
        assert refusal.value.facts == {"move": verb, "status": status}


@pytest.mark.parametrize("status", ScheduleStatus)
def test_only_a_draft_is_edited(status: ScheduleStatus) -> None:
    schedule = replace(MARCH, status=status)
    if status is DRAFT:
        assert schedule.edit().plan_version == 4
    else:
        with pytest.raises(Refused) as refusal:
            schedule.edit()
        assert refusal.value.reason == "SCHEDULE_NOT_DRAFT"


def test_a_schedule_that_never_had_a_plan_cannot_be_proposed() -> None:
    with pytest.raises(Refused) as refusal:
        replace(MARCH, plan_version=0).propose()
    assert refusal.value.reason == "PLAN_EMPTY"


def test_a_confirmation_remembers_its_plan_version_and_refuses_another_one() -> None:
    proposed = replace(MARCH, status=PROPOSED)
    assert proposed.confirm(3) == proposed.confirm(0)
    assert proposed.confirm(3).confirmed_version == 3
    with pytest.raises(Stale) as refusal:
        proposed.confirm(2)
    assert refusal.value.reason == "STALE"


def test_a_show_belongs_to_the_period_by_its_start() -> None:
    assert MARCH.covers(MARCH.starts_at)
    assert not MARCH.covers(MARCH.ends_at)
    assert MARCH.covers(datetime(2026, 3, 31, 23, 59, tzinfo=UTC))


def test_a_row_that_left_and_comes_back_is_wanted_again_under_its_old_show() -> None:
    planned = Planned(external_id="1", name="One", starts_at=NOW, ends_at=NOW)
    row = PlannedShow(uid="plan_1", show_uid="show_1", schedule_uid="sched_1", planned=planned)
    assert row.wanted
    assert not row.withhold().wanted
    assert not row.begin().wanted
    gone = row.withhold().remove(NOW)
    assert not gone.wanted
    back = gone.follow(planned)
    assert (back.wanted, back.show_uid, back.version) == (True, "show_1", 4)
    assert row.withhold().follow(planned).cancelled


def test_the_client_approves_the_version_that_it_has_seen_once() -> None:
    proposed = replace(MARCH, status=PROPOSED)
    approved = proposed.approve(3, "user_1", NOW)
    assert (approved.approved_version, approved.approved_by, approved.approved_at) == (3, "user_1", NOW)
    assert approved.approve(3, "user_2", NOW) is approved
    with pytest.raises(Stale):
        proposed.approve(2, "user_1", NOW)
    approved.require_approval()
    with pytest.raises(Refused) as refusal:
        proposed.require_approval()
    assert (refusal.value.reason, refusal.value.facts) == (
        "NOT_APPROVED",
        {"plan_version": "3", "approved_version": "0"},
    )


def test_an_edit_ends_the_approval_and_what_becomes_of_a_show_does_not() -> None:
    approved = replace(MARCH, status=PROPOSED).approve(3, "user_1", NOW)
    edited = approved.withdraw().edit()
    assert (edited.plan_version, edited.approved_version, edited.approved_by, edited.approved_at) == (4, 0, "", None)
    followed = approved.confirm(3).follow_shows()
    assert (followed.plan_version, followed.confirmed_version, followed.approved_version) == (4, 4, 4)
    behind = replace(MARCH, confirmed_version=2, approved_version=1).follow_shows()
    assert (behind.plan_version, behind.confirmed_version, behind.approved_version) == (4, 2, 1)


def test_a_draft_changes_its_period_as_long_as_it_is_one() -> None:
    assert MARCH.change({"name": "April"}).name == "April"
    with pytest.raises(Invalid) as refusal:
        MARCH.change({"ends_at": MARCH.starts_at})
    assert refusal.value.reason == "PERIOD_INVALID"
    with pytest.raises(Refused) as other:
        replace(MARCH, status=PROPOSED).change({"name": "April"})
    assert other.value.reason == "SCHEDULE_NOT_DRAFT"


@pytest.mark.parametrize("status", ScheduleStatus)
def test_a_draft_and_a_cancelled_schedule_are_deleted_when_nothing_is_booked(status: ScheduleStatus) -> None:
    schedule = replace(MARCH, status=status)
    if status in (DRAFT, CANCELLED):
        schedule.require_deletable(0)
        reason = "SCHEDULE_IN_USE"
    else:
        reason = "SCHEDULE_MOVE_REFUSED"
    with pytest.raises(Refused) as refusal:
        schedule.require_deletable(1)
    assert refusal.value.reason == reason
