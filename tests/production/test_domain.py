from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.common.errors import Invalid, Refused
from services.production.domain.following import Booked, Planned, follow_booking, follow_plan
from services.production.domain.gate import OPEN, Gate, GateState, OpenTask, Policy
from services.production.domain.show import (
    CANCEL,
    CANCELLED,
    COMPLETE,
    COMPLETED,
    CONFIRM,
    CONFIRMED,
    DRAFT,
    LIVE,
    RESTORE,
    START,
    Details,
    Done,
    Show,
    ShowStatus,
    blockers,
    new_show,
)

NOW = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(hours=1)

DETAILS = Details(
    studio_uid="studio_a",
    client_uid="client_a",
    schedule_uid="sched_a",
    external_id="7",
    name="Morning",
    room_uid="room_a",
    starts_at=NOW + timedelta(days=1),
    ends_at=NOW + timedelta(days=1, hours=2),
    mc_uids=("mc_a", "mc_b"),
    platform_uids=("plat_a",),
)
OTHER = replace(DETAILS, name="Evening", mc_uids=("mc_b", "mc_c"))
AD_HOC = replace(DETAILS, schedule_uid="", external_id="")

CLEAR = Gate(Policy.BLOCK)
TASKS = tuple(OpenTask(f"task_{n}", f"Task {n}") for n in range(12))
OPEN_TASKS = Gate(Policy.BLOCK, GateState.OPEN_TASKS, TASKS)
NOT_GENERATED = Gate(Policy.BLOCK, GateState.NOT_GENERATED)


def show_in(status: ShowStatus, confirmation: int = 1, **more: Any) -> Show:
    show = new_show("show_a", more.pop("details", DETAILS), NOW)
    return replace(show, status=status, confirmation=confirmation, booking_version=10, plan_version=10, **more)


MOVES = {
    CONFIRM.verb: lambda show: show.confirm(1),
    START.verb: lambda show: show.start(CLEAR, "", SOON),
    COMPLETE.verb: lambda show: show.complete(CLEAR, "", SOON),
    CANCEL.verb: lambda show: show.cancel("rain"),
    RESTORE.verb: lambda show: show.restore(),
}
ALLOWED = {
    (CONFIRM.verb, DRAFT): CONFIRMED,
    (START.verb, CONFIRMED): LIVE,
    (COMPLETE.verb, LIVE): COMPLETED,
    (CANCEL.verb, DRAFT): CANCELLED,
    (CANCEL.verb, CONFIRMED): CANCELLED,
    (CANCEL.verb, LIVE): CANCELLED,
    (RESTORE.verb, CANCELLED): DRAFT,
}


@pytest.mark.parametrize("status", ShowStatus)
@pytest.mark.parametrize("verb", MOVES)
def test_a_show_makes_the_moves_of_its_life_and_no_others(verb, status):
    show = show_in(status)
    if (verb, status) in ALLOWED:
        assert MOVES[verb](show).status is ALLOWED[verb, status]
    else:
        with pytest.raises(Refused) as refusal:
            MOVES[verb](show)
        assert refusal.value.reason == "SHOW_MOVE_REFUSED"
        assert refusal.value.facts == {"move": verb, "status": status}


def test_moves_write_down_when_and_why():
    live = show_in(CONFIRMED).start(CLEAR, "", SOON)
    assert live.started_at == SOON
    assert live.complete(CLEAR, "", SOON).completed_at == SOON
    assert live.cancel("rain").cancel_reason == "rain"
    assert live.cancel("rain").restore().cancel_reason == ""
    assert show_in(DRAFT, 0).cancel("rain", released=1).confirmation == 1


@pytest.mark.parametrize(
    ("gate", "waiver", "reason"),
    [
        (OPEN, "", None),
        (CLEAR, "", None),
        (OPEN_TASKS, "", "TASKS_OPEN"),
        (OPEN_TASKS, "the mayor waits", None),
        (NOT_GENERATED, "", "TASKS_NOT_GENERATED"),
        (NOT_GENERATED, "the mayor waits", None),
        (replace(OPEN_TASKS, policy=Policy.WARN), "", None),
        (replace(NOT_GENERATED, policy=Policy.WARN), "", None),
        (replace(OPEN_TASKS, policy=Policy.OFF), "", None),
    ],
)
def test_the_gate_holds_a_show_until_its_tasks_are_done_or_waived(gate, waiver, reason):
    for status, move in ((CONFIRMED, "start"), (LIVE, "complete")):
        if reason is None:
            assert getattr(show_in(status), move)(gate, waiver, SOON).status is not status
        else:
            with pytest.raises(Refused) as refusal:
                getattr(show_in(status), move)(gate, waiver, SOON)
            assert refusal.value.reason == reason


def test_a_waiver_helps_against_tasks_only():
    with pytest.raises(Refused) as refusal:
        show_in(DRAFT).start(OPEN_TASKS, "the mayor waits", SOON)
    assert refusal.value.reason == "SHOW_MOVE_REFUSED"


def test_open_tasks_are_counted_and_ten_are_named():
    (blocker,) = blockers(show_in(CONFIRMED), START, OPEN_TASKS)
    assert blocker.refusal.facts["count"] == "12"
    assert blocker.refusal.facts["task_uids"].split(", ") == [f"task_{n}" for n in range(10)]
    assert blocker.refusal.facts["titles"].split(", ") == [f"Task {n}" for n in range(10)]
    assert len(blocker.task_uids) == 12


@pytest.mark.parametrize("status", ShowStatus)
@pytest.mark.parametrize("move", [CONFIRM, START, COMPLETE, CANCEL], ids=lambda move: move.verb)
@pytest.mark.parametrize("gate", [OPEN, CLEAR, OPEN_TASKS, NOT_GENERATED, replace(OPEN_TASKS, policy=Policy.WARN)])
def test_what_is_explained_is_what_the_move_does(gate, move, status):
    show = show_in(status, details=AD_HOC)
    stops = [blocker for blocker in blockers(show, move, gate) if blocker.stops]
    make: Callable[[], Show] = {
        CONFIRM.verb: lambda: show.confirm(2),
        START.verb: lambda: show.start(gate, "", SOON),
        COMPLETE.verb: lambda: show.complete(gate, "", SOON),
        CANCEL.verb: lambda: show.cancel("rain"),
    }[move.verb]
    if not stops:
        assert make().status is move.target
    else:
        with pytest.raises(Refused) as refusal:
            make()
        assert refusal.value.reason == stops[0].refusal.reason


def test_a_planned_show_is_confirmed_with_its_schedule_only():
    (blocker,) = blockers(show_in(DRAFT), CONFIRM)
    assert (blocker.refusal.reason, blocker.refusal.facts["schedule_uid"]) == ("PLANNED_IN_SCHEDULE", "sched_a")
    assert blockers(show_in(DRAFT, details=AD_HOC), CONFIRM) == ()


def test_a_show_ends_after_it_starts():
    with pytest.raises(Invalid) as refusal:
        replace(DETAILS, ends_at=DETAILS.starts_at)
    assert (refusal.value.reason, refusal.value.violations[0].field) == ("END_BEFORE_START", "ends_at")


def test_what_stays_on_a_show_keeps_its_uid_and_what_comes_back_has_its_old_one():
    first = new_show("show_a", DETAILS, NOW)
    second = first.take(OTHER, SOON)
    a, b, c = second.mcs
    assert (second.mc_uids, a.deleted_at) == (["mc_b", "mc_c"], SOON)
    assert (a.uid, b) == (first.mcs[0].uid, first.mcs[1])
    third = second.take(DETAILS, SOON)
    assert third.mcs[:2] == first.mcs
    assert (third.mcs[2].uid, third.mcs[2].deleted_at) == (c.uid, SOON)
    assert third.take(DETAILS, SOON) == third
    assert third.platforms == first.platforms


def booked(
    confirmation: int = 1, in_force: bool = True, version: int = 11, details: Details | None = DETAILS
) -> Booked:
    return Booked(
        show_uid="show_a",
        version=version,
        confirmation=confirmation,
        in_force=in_force,
        details=details,
        at=SOON,
        reason="rain",
    )


# (status and number of the show), (number, in force, details of the booking), (what is done, status and number then)
BOOKINGS = [
    (None, (1, True, DETAILS), (Done.CONFIRMED, CONFIRMED, 1)),
    (None, (1, False, DETAILS), (Done.CANCELLED, CANCELLED, 1)),
    ((DRAFT, 0), (1, True, OTHER), (Done.CONFIRMED, CONFIRMED, 1)),
    ((DRAFT, 0), (1, False, OTHER), (Done.CANCELLED, CANCELLED, 1)),
    ((DRAFT, 0), (1, False, None), (Done.CANCELLED, CANCELLED, 1)),
    ((DRAFT, 1), (1, True, DETAILS), (None, DRAFT, 1)),
    ((DRAFT, 1), (1, False, DETAILS), (None, DRAFT, 1)),
    ((DRAFT, 1), (2, True, DETAILS), (Done.CONFIRMED, CONFIRMED, 2)),
    ((CONFIRMED, 1), (1, True, DETAILS), (None, CONFIRMED, 1)),
    ((CONFIRMED, 1), (1, True, OTHER), (Done.MOVED, CONFIRMED, 1)),
    ((CONFIRMED, 1), (2, True, DETAILS), (Done.CONFIRMED, CONFIRMED, 2)),
    ((CONFIRMED, 1), (1, False, DETAILS), (Done.CANCELLED, CANCELLED, 1)),
    ((CONFIRMED, 1), (2, False, DETAILS), (Done.CANCELLED, CANCELLED, 2)),
    ((CONFIRMED, 2), (1, True, OTHER), (None, CONFIRMED, 2)),
    ((CONFIRMED, 2), (1, False, OTHER), (None, CONFIRMED, 2)),
    ((LIVE, 1), (1, True, OTHER), (None, LIVE, 1)),
    ((LIVE, 1), (1, False, OTHER), (None, LIVE, 1)),
    ((LIVE, 1), (2, True, OTHER), (None, LIVE, 1)),
    ((LIVE, 1), (2, False, OTHER), (None, LIVE, 1)),
    ((COMPLETED, 1), (2, True, OTHER), (None, COMPLETED, 1)),
    ((COMPLETED, 1), (1, False, OTHER), (None, COMPLETED, 1)),
    ((CANCELLED, 1), (1, True, OTHER), (None, CANCELLED, 1)),
    ((CANCELLED, 1), (1, False, OTHER), (None, CANCELLED, 1)),
    ((CANCELLED, 1), (2, True, OTHER), (Done.CONFIRMED, CONFIRMED, 2)),
    ((CANCELLED, 1), (2, False, OTHER), (Done.CANCELLED, CANCELLED, 2)),
]


@pytest.mark.parametrize(("known", "told", "expected"), BOOKINGS)
def test_a_show_follows_its_bookings(known, told, expected):
    before = show_in(*known) if known else None
    step = follow_booking(before, booked(told[0], told[1], details=told[2]), SOON)
    done, status, confirmation = expected
    assert step is not None
    after = step.show
    assert (step.done, after.status, after.confirmation, after.booking_version) == (done, status, confirmation, 11)
    if before is not None:
        assert after.version == before.version + (done is not None)
        assert done is not None or replace(after, booking_version=10) == before
    if status is CANCELLED and done:
        assert after.cancel_reason == "rain"
    if done in (Done.CONFIRMED, Done.MOVED):
        assert (after.name, after.mc_uids) == (told[2].name, list(told[2].mc_uids))
        assert (after.cancel_reason, after.deleted_at) == ("", None)


def test_a_release_of_what_nobody_knows_makes_no_show():
    assert follow_booking(None, booked(in_force=False, details=None), SOON) is None


def test_a_booked_show_lives_again_when_its_draft_was_deleted():
    step = follow_booking(show_in(DRAFT, 0, deleted_at=NOW), booked(), SOON)
    assert step is not None
    assert step.show.deleted_at is None


def planned(
    removed: bool = False, cancelled: bool = False, details: Details = OTHER, version: int = 11, at: datetime = SOON
) -> Planned:
    return Planned(
        show_uid="show_a",
        version=version,
        cancelled=cancelled,
        removed=removed,
        details=details,
        at=at,
        reason="rain",
    )


# (status of the show, deleted), (row removed, cancelled), (what is done, status, deleted)
PLANS = [
    (None, (False, False), (Done.CREATED, DRAFT, False)),
    (None, (True, False), (Done.DELETED, DRAFT, True)),
    (None, (False, True), (Done.CANCELLED, CANCELLED, False)),
    ((DRAFT, False), (False, False), (Done.UPDATED, DRAFT, False)),
    ((DRAFT, False), (True, False), (Done.DELETED, DRAFT, True)),
    ((DRAFT, False), (True, True), (Done.DELETED, DRAFT, True)),
    ((DRAFT, False), (False, True), (Done.CANCELLED, CANCELLED, False)),
    ((DRAFT, True), (True, False), (None, DRAFT, True)),
    ((DRAFT, True), (False, False), (Done.UPDATED, DRAFT, False)),
    ((DRAFT, True), (False, True), (Done.CANCELLED, CANCELLED, False)),
    ((CANCELLED, False), (False, False), (Done.UPDATED, DRAFT, False)),
    ((CANCELLED, False), (True, False), (None, CANCELLED, False)),
    ((CANCELLED, False), (False, True), (None, CANCELLED, False)),
    *(
        ((status, False), row, (None, status, False))
        for status in (CONFIRMED, LIVE, COMPLETED)
        for row in ((False, False), (True, False), (False, True))
    ),
]


@pytest.mark.parametrize(("known", "row", "expected"), PLANS)
def test_a_draft_follows_its_plan(known, row, expected):
    before = show_in(known[0], deleted_at=NOW if known[1] else None) if known else None
    step = follow_plan(before, planned(*row), SOON)
    done, status, deleted = expected
    assert step is not None
    after = step.show
    assert (step.done, after.status, after.deleted_at is not None) == (done, status, deleted)
    assert after.plan_version == 11
    if before is not None:
        assert after.version == before.version + (done is not None)
        assert done is not None or replace(after, plan_version=10) == before
    if done in (Done.CREATED, Done.UPDATED):
        assert (after.name, after.mc_uids) == ("Evening", ["mc_b", "mc_c"])


@pytest.mark.parametrize(("at", "status"), [(NOW, CANCELLED), (SOON, CANCELLED), (SOON + timedelta(seconds=1), DRAFT)])
def test_what_the_plan_said_before_the_release_does_not_bring_a_show_back(at, status):
    released = follow_booking(show_in(CONFIRMED), booked(in_force=False), NOW)
    assert released is not None
    step = follow_plan(released.show, planned(at=at), NOW)
    assert step is not None
    assert step.show.status is status


def test_a_plan_that_says_nothing_new_is_only_noted():
    step = follow_plan(show_in(DRAFT), planned(details=DETAILS), SOON)
    assert step is not None
    assert (step.done, step.show.version) == (None, 1)


@pytest.mark.parametrize("status", ShowStatus)
@pytest.mark.parametrize("version", [9, 10])
def test_old_news_is_no_news(status, version):
    assert follow_booking(show_in(status), booked(5, version=version, details=OTHER), SOON) is None
    assert follow_plan(show_in(status), planned(version=version), SOON) is None
