from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from libs.common import uids
from libs.common.errors import Denied, Refused
from services.tasks.domain.show import KnownShow, ShowStatus, newest
from services.tasks.domain.task import (
    ASSIGNED,
    BLOCKED,
    CLOSED,
    COMPLETED,
    IN_PROGRESS,
    OPEN,
    PENDING,
    REVIEW,
    Doer,
    DueAnchor,
    Gate,
    GateState,
    Task,
    TaskStatus,
    TaskType,
)
from services.tasks.domain.template import Template, TemplateItem, plan_tasks

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
START, END = NOW + timedelta(hours=1), NOW + timedelta(hours=3)

ASSIGNEE = Doer(user_uid="user_a", manager=False)
MANAGER = Doer(user_uid="user_m", manager=True)
OTHER = Doer(user_uid="user_o", manager=False)


def a_task(**more: Any) -> Task:
    given: dict[str, Any] = {
        "uid": "task_1",
        "created_at": NOW,
        "updated_at": NOW,
        "studio_uid": "studio_1",
        "client_uid": "client_1",
        "show_uid": "show_1",
        "confirmation": 1,
        "target_uid": "show_1",
        "template_item_uid": "titem_1",
        "title": "Check lights",
        "type": TaskType.PRE_PRODUCTION,
        "required": True,
        "needs_review": False,
        "assignee_uid": "user_a",
        "due_at": START - timedelta(minutes=60),
        "due_anchor": DueAnchor.SHOW_START,
        "due_offset_minutes": -60,
    }
    return Task(**given | more)


def a_show(**more: Any) -> KnownShow:
    given: dict[str, Any] = {
        "uid": "show_1",
        "studio_uid": "studio_1",
        "client_uid": "client_1",
        "name": "Morning show",
        "type": "talk",
        "standard": "premium",
        "status": ShowStatus.CONFIRMED,
        "confirmation": 1,
        "starts_at": START,
        "ends_at": END,
        "version": 2,
    }
    return KnownShow(**given | more)


def an_item(type_: TaskType = TaskType.PRE_PRODUCTION, **more: Any) -> TemplateItem:
    given: dict[str, Any] = {
        "uid": uids.new("titem"),
        "title": "Check lights",
        "type": type_,
        "required": True,
        "needs_review": False,
        "due_anchor": DueAnchor.SHOW_START,
        "due_offset_minutes": -60,
    }
    return TemplateItem(**given | more)


def a_template(*items: TemplateItem, **more: Any) -> Template:
    given: dict[str, Any] = {
        "uid": "tpl_1",
        "created_at": NOW,
        "updated_at": NOW,
        "studio_uid": "studio_1",
        "name": "T",
    }
    return Template(**given | {"active": True, "items": items} | more)


LIFE_CYCLE: dict[str, tuple[Callable[[Task], Task], dict[TaskStatus, TaskStatus]]] = {
    "assign": (lambda task: task.assign("user_b"), {PENDING: ASSIGNED, ASSIGNED: ASSIGNED}),
    "start": (lambda task: task.start(ASSIGNEE), {ASSIGNED: IN_PROGRESS}),
    "submit": (lambda task: task.submit(ASSIGNEE), {IN_PROGRESS: REVIEW}),
    "approve": (lambda task: task.approve(MANAGER, NOW), {REVIEW: COMPLETED}),
    "return": (lambda task: task.send_back(), {REVIEW: IN_PROGRESS}),
    "complete": (lambda task: task.complete(ASSIGNEE, NOW), {IN_PROGRESS: COMPLETED}),
    "close": (lambda task: task.close(), dict.fromkeys(OPEN, CLOSED)),
    "revive": (lambda task: task.revive(), {CLOSED: PENDING}),
}


@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("verb", LIFE_CYCLE)
def test_every_move_is_allowed_from_its_states_only(verb: str, status: TaskStatus):
    move, allowed = LIFE_CYCLE[verb]
    task = a_task(status=status)
    if status in allowed:
        assert move(task).status is allowed[status]
    else:
        with pytest.raises(Refused) as refused:
            move(task)
        assert refused.value.reason == "TASK_MOVE_REFUSED"
        assert refused.value.facts == {"move": verb, "status": status}


@pytest.mark.parametrize("verb", ["start", "submit", "complete"])
def test_work_is_done_by_the_assignee_or_a_manager(verb: str):
    task = a_task(status=ASSIGNED if verb == "start" else IN_PROGRESS)
    moves: dict[str, Callable[[Doer], Task]] = {
        "start": task.start,
        "submit": task.submit,
        "complete": partial(task.complete, now=NOW),
    }
    work = moves[verb]
    assert work(ASSIGNEE) != task
    assert work(MANAGER) != task
    with pytest.raises(Denied) as denied:
        work(OTHER)
    assert denied.value.reason == "NOT_YOUR_TASK"


def test_a_task_that_needs_a_look_is_not_completed_without_one():
    with pytest.raises(Refused) as refused:
        a_task(status=IN_PROGRESS, needs_review=True).complete(ASSIGNEE, NOW)
    assert refused.value.reason == "REVIEW_NEEDED"


def test_a_completed_task_says_when_and_by_whom():
    done = a_task(status=IN_PROGRESS).complete(ASSIGNEE, NOW)
    looked_at = a_task(status=REVIEW).approve(MANAGER, NOW)
    assert (done.completed_at, done.completed_by) == (NOW, "user_a")
    assert (looked_at.completed_at, looked_at.completed_by) == (NOW, "user_m")


def test_a_template_is_activated_with_items_only_and_once():
    inactive = a_template(an_item(), active=False)
    assert inactive.activate().active
    assert not inactive.activate().deactivate().active
    for act, reason in (
        (a_template(active=False).activate, "TEMPLATE_EMPTY"),
        (inactive.activate().activate, "TEMPLATE_ACTIVE"),
        (inactive.deactivate, "TEMPLATE_INACTIVE"),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({}, True),
        ({"client_uid": "client_1", "show_type": "talk", "show_standard": "premium"}, True),
        ({"client_uid": "client_2"}, False),
        ({"show_type": "sale"}, False),
        ({"show_standard": "basic"}, False),
        ({"studio_uid": "studio_2"}, False),
        ({"active": False}, False),
    ],
)
def test_a_template_matches_by_every_condition_that_it_has(conditions: dict[str, Any], matches: bool):
    assert a_template(an_item(), **conditions).matches(a_show()) is matches


@pytest.mark.parametrize(
    ("type_", "targets"),
    [
        (TaskType.PRE_PRODUCTION, ["show_1"]),
        (TaskType.PRODUCTION, ["show_1"]),
        (TaskType.POST_PRODUCTION, ["show_1"]),
        (TaskType.OTHER, ["show_1"]),
        (TaskType.SHOW_MC_REVIEW, ["smc_1", "smc_2"]),
        (TaskType.SHOW_PLATFORM_REVIEW, ["spl_1"]),
    ],
)
def test_tasks_hang_on_what_their_type_is_about(type_: TaskType, targets: list[str]):
    show = a_show(targets=("smc_1", "smc_2", "spl_1"))
    tasks = plan_tasks(show, [a_template(an_item(type_))], show.all_targets(), NOW)
    assert [task.target_uid for task in tasks] == targets


def test_due_dates_count_from_the_start_or_the_end_of_the_show():
    items = (
        an_item(due_offset_minutes=-90),
        an_item(due_anchor=DueAnchor.SHOW_END, due_offset_minutes=30),
    )
    before, after = plan_tasks(a_show(), [a_template(*items)], a_show().all_targets(), NOW)
    assert before.due_at == START - timedelta(minutes=90)
    assert after.due_at == END + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("show", "targets"),
    [
        (a_show(status=ShowStatus.DRAFT), ()),
        (a_show(status=ShowStatus.CANCELLED), ()),
        (a_show(), ("show_1",)),
        (a_show(status=ShowStatus.LIVE), ("show_1",)),
        (a_show(generated=1), ()),
        (a_show(confirmation=2, generated=1, targets=("smc_1",)), ("show_1", "smc_1")),
        (a_show(generated=1, targets=("smc_1", "smc_2"), generated_targets=("smc_1",)), ("smc_2",)),
    ],
)
def test_tasks_are_made_for_what_has_none_of_the_confirmation_in_force(show: KnownShow, targets: tuple[str, ...]):
    assert show.targets_to_generate() == targets


@pytest.mark.parametrize(
    ("show", "task", "status"),
    [
        (a_show(), a_task(), PENDING),
        (a_show(status=ShowStatus.COMPLETED), a_task(status=IN_PROGRESS), IN_PROGRESS),
        (a_show(status=ShowStatus.CANCELLED), a_task(status=IN_PROGRESS), CLOSED),
        (a_show(status=ShowStatus.CANCELLED), a_task(status=BLOCKED), CLOSED),
        (a_show(status=ShowStatus.CANCELLED), a_task(status=CLOSED), CLOSED),
        (a_show(confirmation=2), a_task(), CLOSED),
        (a_show(), a_task(target_uid="smc_1"), CLOSED),
        (a_show(targets=("smc_1",)), a_task(target_uid="smc_1"), PENDING),
        (a_show(targets=("smc_1",)), a_task(target_uid="smc_1", status=CLOSED), PENDING),
    ],
)
def test_a_task_is_to_be_done_while_its_show_needs_it(show: KnownShow, task: Task, status: TaskStatus):
    assert show.settle(task).status is status


def test_due_dates_follow_the_show_unless_somebody_chose_them():
    moved = a_show(starts_at=START + timedelta(hours=5))
    assert moved.settle(a_task()).due_at == START + timedelta(hours=4)
    chosen = a_task(due_edited=True)
    assert moved.settle(chosen) == chosen


def test_of_what_was_heard_the_newest_word_about_each_show_counts():
    first, second = a_show(version=3), a_show(version=4, name="Later")
    other = a_show(uid="show_2")
    assert newest([second, first, other, first]) == [second, other]
    assert newest([]) == []


@pytest.mark.parametrize(
    ("gate", "state"),
    [
        (Gate(), GateState.NOT_GENERATED),
        (Gate(studio_uid="studio_1", generated=1), GateState.NOT_GENERATED),
        (Gate(studio_uid="studio_1", generated=1, open_tasks=(a_task(),)), GateState.NOT_GENERATED),
        (Gate(studio_uid="studio_1", generated=2), GateState.CLEAR),
        (Gate(studio_uid="studio_1", generated=3), GateState.CLEAR),
        (Gate(studio_uid="studio_1", generated=2, open_tasks=(a_task(),)), GateState.OPEN_TASKS),
    ],
)
def test_the_gate_is_clear_when_the_tasks_are_made_and_none_is_open(gate: Gate, state: GateState):
    assert gate.state(confirmation=2) is state


def test_planning_twice_plans_the_same_work_under_other_uids():
    templates = [a_template(an_item(), an_item())]
    once, again = (plan_tasks(a_show(), templates, a_show().all_targets(), NOW) for _ in range(2))
    assert [task.key for task in once] == [task.key for task in again]
    assert [replace(task, uid="") for task in once] == [replace(task, uid="") for task in again]
    assert len({task.uid for task in (*once, *again)}) == 4
