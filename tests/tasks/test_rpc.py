"""Tasks and the gate as their callers see them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from eridu.tasks.v1 import task_pb2, template_pb2
from eridu.tasks.v1.task_service_pb2 import (
    GATE_STATE_CLEAR,
    GATE_STATE_NOT_GENERATED,
    GATE_STATE_OPEN_TASKS,
    ApproveTaskRequest,
    AssignTaskRequest,
    CheckGateRequest,
    CheckGateResponse,
    CompleteTaskRequest,
    GenerateTasksRequest,
    GetTaskRequest,
    ListTasksRequest,
    ReturnTaskRequest,
    StartTaskRequest,
    SubmitTaskRequest,
)

from libs.common import uids
from tests.support.house import House, build_house
from tests.support.suite import Suite, refused, request_id
from tests.tasks.production import CANCELLED, DRAFT, Production, a_show, a_template, an_item, later, tasks_of

PRE_PRODUCTION, PRODUCTION = template_pb2.TASK_TYPE_PRE_PRODUCTION, template_pb2.TASK_TYPE_PRODUCTION
NOT_FOUND, DENIED, REFUSED, STALE, UNAVAILABLE = (
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.UNAVAILABLE,
)


async def a_task(house: House, production: Production, **item: Any) -> task_pb2.Task:
    """A task of a confirmed show of the house."""
    await a_template(house, an_item(**item))
    show = a_show(house)
    await production.say("confirmed", show, 2)
    tasks: list[task_pb2.Task] = await tasks_of(house, show)
    [task] = tasks
    return task


async def assigned(house: House, task: task_pb2.Task) -> task_pb2.Task:
    """The task, given to the studio's member."""
    request = AssignTaskRequest(uid=task.uid, assignee_uid=house.people["member"].uid)
    answer: task_pb2.Task = await house.manager(request)
    return answer


async def test_a_task_is_seen_by_the_people_of_its_studio_only(suite: Suite, house: House, production: Production):
    task = await a_task(house, production)
    for who in (house.member, house.manager, house.root):
        assert await who(GetTaskRequest(uid=task.uid)) == task
    await house.reads_as_missing(GetTaskRequest(uid=task.uid), GetTaskRequest(uid=uids.new("task")), "TASK_NOT_FOUND")
    other = await build_house(suite)
    for who in (house.client_member, house.stranger, other.manager):
        for request in (ListTasksRequest(studio_uid=house.studio.uid), ListTasksRequest(show_uid=task.show_uid)):
            assert not (await who(request)).tasks


async def test_a_task_goes_from_hand_to_hand(house: House, production: Production):
    task = await a_task(house, production, needs_review=True)
    member = house.people["member"].uid
    steps: list[tuple[Any, Any, int]] = [
        (house.manager, AssignTaskRequest(uid=task.uid, assignee_uid=member), task_pb2.TASK_STATUS_ASSIGNED),
        (house.member, StartTaskRequest(uid=task.uid), task_pb2.TASK_STATUS_IN_PROGRESS),
        (house.member, SubmitTaskRequest(uid=task.uid), task_pb2.TASK_STATUS_REVIEW),
        (house.manager, ReturnTaskRequest(uid=task.uid, reason="too dark"), task_pb2.TASK_STATUS_IN_PROGRESS),
        (house.member, SubmitTaskRequest(uid=task.uid), task_pb2.TASK_STATUS_REVIEW),
        (house.manager, ApproveTaskRequest(uid=task.uid), task_pb2.TASK_STATUS_COMPLETED),
    ]
    for version, (who, request, status) in enumerate(steps, start=2):
        answer = await who(request)
        assert (answer.status, answer.etag, answer.assignee_uid) == (status, str(version), member)
    assert answer.completed_by == house.people["manager"].uid
    assert answer.HasField("completed_at")
    trail = await production.ask(
        "SELECT action, actor, reason FROM ledger WHERE entity_uid = :uid ORDER BY id", uid=task.uid
    )
    assert [row.action for row in trail] == [
        f"task.{verb}" for verb in ("assigned", "started", "submitted", "returned", "submitted", "completed")
    ]
    assert (trail[3].actor, trail[3].reason) == (house.people["manager"].uid, "too dark")


async def test_a_task_without_a_look_is_completed_by_its_assignee(house: House, production: Production):
    task = await assigned(house, await a_task(house, production))
    await house.member(StartTaskRequest(uid=task.uid))
    done = await house.member(CompleteTaskRequest(uid=task.uid))
    assert (done.status, done.completed_by) == (task_pb2.TASK_STATUS_COMPLETED, house.people["member"].uid)
    refusal = await refused(house.member(StartTaskRequest(uid=task.uid)))
    assert (refusal.code, refusal.reason) == (REFUSED, "TASK_MOVE_REFUSED")
    assert refusal.facts == {"move": "start", "status": "completed"}


async def test_a_task_that_needs_a_look_is_not_completed_without(house: House, production: Production):
    task = await assigned(house, await a_task(house, production, needs_review=True))
    await house.member(StartTaskRequest(uid=task.uid))
    for who in (house.member, house.manager):
        assert (await refused(who(CompleteTaskRequest(uid=task.uid)))).reason == "REVIEW_NEEDED"


async def test_only_the_assignee_and_managers_do_the_work(house: House, production: Production):
    task = await a_task(house, production)
    manager = house.people["manager"].uid
    await house.manager(AssignTaskRequest(uid=task.uid, assignee_uid=manager))
    refusal = await refused(house.member(StartTaskRequest(uid=task.uid)))
    assert (refusal.code, refusal.reason) == (DENIED, "NOT_YOUR_TASK")
    await assigned(house, task)
    assert (await house.manager(StartTaskRequest(uid=task.uid))).status == task_pb2.TASK_STATUS_IN_PROGRESS


async def test_managers_assign_and_look_and_members_do_not(house: House, production: Production):
    task = await a_task(house, production)
    for request in (
        AssignTaskRequest(uid=task.uid, assignee_uid=house.people["member"].uid),
        ApproveTaskRequest(uid=task.uid),
        ReturnTaskRequest(uid=task.uid, reason="no"),
        GenerateTasksRequest(show_uid=task.show_uid),
    ):
        refusal = await refused(house.member(request))
        assert (refusal.code, refusal.reason) == (DENIED, "ROLE_TOO_LOW")


async def test_an_assignee_is_a_member_of_the_studio(house: House, production: Production):
    task = await a_task(house, production)
    for outsider in (house.people["stranger"].uid, house.people["client_member"].uid, uids.new("user")):
        refusal = await refused(house.manager(AssignTaskRequest(uid=task.uid, assignee_uid=outsider)))
        assert (refusal.code, refusal.reason) == (REFUSED, "ASSIGNEE_NOT_MEMBER")
        assert refusal.facts == {"user_uid": outsider}


@pytest.mark.parametrize(
    "request_for",
    [
        lambda uid: AssignTaskRequest(uid=uid, assignee_uid=uids.new("user")),
        lambda uid: StartTaskRequest(uid=uid),
        lambda uid: SubmitTaskRequest(uid=uid),
        lambda uid: ApproveTaskRequest(uid=uid),
        lambda uid: ReturnTaskRequest(uid=uid, reason="no"),
        lambda uid: CompleteTaskRequest(uid=uid),
    ],
)
async def test_a_foreign_task_cannot_be_told_from_a_missing_one(
    house: House, production: Production, request_for: Callable[[str], Any]
):
    task = await a_task(house, production)
    await house.reads_as_missing(request_for(task.uid), request_for(uids.new("task")), "TASK_NOT_FOUND")


async def test_an_etag_that_is_not_the_last_is_stale(house: House, production: Production):
    task = await assigned(house, await a_task(house, production))
    refusal = await refused(house.member(StartTaskRequest(uid=task.uid, etag="1")))
    assert (refusal.code, refusal.reason) == (STALE, "STALE")
    assert await house.member(StartTaskRequest(uid=task.uid, etag=task.etag))


async def test_a_request_id_replays_its_answer(house: House, production: Production):
    task = await assigned(house, await a_task(house, production))
    request = StartTaskRequest(uid=task.uid, request_id=request_id())
    assert await house.member(request) == await house.member(request)


async def test_of_many_at_once_one_begins_a_task(house: House, production: Production):
    task = await assigned(house, await a_task(house, production))
    answers = await asyncio.gather(
        *(house.member(StartTaskRequest(uid=task.uid)) for _ in range(8)), return_exceptions=True
    )
    assert len([answer for answer in answers if isinstance(answer, task_pb2.Task)]) == 1


async def test_tasks_are_listed_by_due_date_and_narrowed(house: House, production: Production):
    await a_template(
        house,
        *(an_item(f"At {minutes}", due_offset_minutes=minutes) for minutes in (30, -30, 0, -60)),
        an_item("Later", type=PRODUCTION, due_offset_minutes=90),
    )
    shows = [a_show(house), a_show(house)]
    for show in shows:
        await production.say("confirmed", show, 2)
    tasks = await tasks_of(house, shows[0])
    assert [task.title for task in tasks] == ["At -60", "At -30", "At 0", "At 30", "Later"]
    mine = await assigned(house, tasks[2])

    async def uids_of(**query: Any) -> list[str]:
        return [task.uid for task in (await house.member(ListTasksRequest(**query))).tasks]

    studio = {"studio_uid": house.studio.uid}
    assert len(await uids_of(**studio)) == 10
    assert await uids_of(assignee_uid=house.people["member"].uid) == [mine.uid]
    assert await uids_of(**studio, statuses=[task_pb2.TASK_STATUS_ASSIGNED]) == [mine.uid]
    assert await uids_of(**studio, statuses=[task_pb2.TASK_STATUS_COMPLETED, task_pb2.TASK_STATUS_CLOSED]) == []
    assert await uids_of(show_uid=shows[0].uid, type=PRODUCTION) == [tasks[4].uid]
    assert (await refused(house.member(ListTasksRequest()))).reason == "REQUEST_INVALID"

    seen, token = [], ""
    while True:
        page = await house.member(ListTasksRequest(**studio, page_size=3, page_token=token))
        seen += [(task.due_at.seconds, task.uid) for task in page.tasks]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(seen)
    assert len(set(seen)) == 10


async def test_tasks_are_generated_on_request_and_only_what_is_missing(house: House, production: Production):
    await a_template(house, an_item("First"))
    show = a_show(house)
    await production.say("confirmed", show, 2)
    assert not (await house.manager(GenerateTasksRequest(show_uid=show.uid))).tasks
    await a_template(house, an_item("Second"), an_item("Third"))
    request = GenerateTasksRequest(show_uid=show.uid, request_id=request_id())
    made = await house.manager(request)
    assert {task.title for task in made.tasks} == {"Second", "Third"}
    assert await house.manager(request) == made
    assert not (await house.manager(GenerateTasksRequest(show_uid=show.uid))).tasks
    assert len(await tasks_of(house, show)) == 3


async def test_tasks_are_generated_for_confirmed_shows_that_are_known(house: House, production: Production):
    unknown = GenerateTasksRequest(show_uid=uids.new("show"))
    refusal = await refused(house.root(unknown))
    assert (refusal.code, refusal.reason) == (UNAVAILABLE, "SHOW_NOT_SEEN")
    refusal = await refused(house.manager(unknown))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "SHOW_NOT_FOUND")
    for show in (a_show(house, status=DRAFT, confirmation=0), a_show(house, status=CANCELLED)):
        await production.say("updated", show, 2)
        refusal = await refused(house.manager(GenerateTasksRequest(show_uid=show.uid)))
        assert (refusal.code, refusal.reason) == (REFUSED, "SHOW_NOT_CONFIRMED")
        refusal = await refused(house.stranger(GenerateTasksRequest(show_uid=show.uid)))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, "SHOW_NOT_FOUND")


async def test_the_gate_holds_a_show_while_required_tasks_of_the_phase_are_open(
    suite: Suite, house: House, production: Production
):
    await a_template(
        house,
        an_item("Late", due_offset_minutes=-10),
        an_item("Early", due_offset_minutes=-90),
        an_item("Nice to have", required=False),
        an_item("On air", type=PRODUCTION),
    )
    show = a_show(house)

    async def gate(phase: Any, who: Callable[[Any], Awaitable[Any]], confirmation: int = 1) -> CheckGateResponse:
        request = CheckGateRequest(show_uid=show.uid, confirmation=confirmation, phase=phase)
        answer: CheckGateResponse = await who(request)
        return answer

    for who in (suite.service("production"), house.root):
        assert (await gate(PRE_PRODUCTION, who)).state == GATE_STATE_NOT_GENERATED
    for who in (house.member, house.manager):  # nothing was heard of it: it might be anybody's
        assert (await refused(gate(PRE_PRODUCTION, who))).reason == "SHOW_NOT_FOUND"
    await production.say("confirmed", show, 2)
    for who in (suite.service("production"), house.member, house.manager, house.root):
        answer = await gate(PRE_PRODUCTION, who)
        assert answer.state == GATE_STATE_OPEN_TASKS
        assert [task.title for task in answer.open_tasks] == ["Early", "Late"]
        assert [task.title for task in (await gate(PRODUCTION, who)).open_tasks] == ["On air"]
        later_one = await gate(PRE_PRODUCTION, who, confirmation=2)
        assert (later_one.state, len(later_one.open_tasks)) == (GATE_STATE_NOT_GENERATED, 0)
    for task in answer.open_tasks:
        await assigned(house, task)
        await house.member(StartTaskRequest(uid=task.uid))
        await house.member(CompleteTaskRequest(uid=task.uid))
    assert (await gate(PRE_PRODUCTION, house.member)).state == GATE_STATE_CLEAR
    for who in (house.stranger, house.client_member):
        refusal = await refused(gate(PRE_PRODUCTION, who))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, "SHOW_NOT_FOUND")


async def test_the_gate_is_asked_by_production_and_no_other_service(suite: Suite):
    request = CheckGateRequest(show_uid=uids.new("show"), confirmation=1, phase=PRODUCTION)
    refusal = await refused(suite.service("scheduling")(request))
    assert (refusal.code, refusal.reason) == (DENIED, "SERVICE_DENIED")


async def test_the_gate_names_a_hundred_open_tasks_at_most(house: House, production: Production):
    await a_template(house, *(an_item(f"Item {number}", due_offset_minutes=number) for number in range(120)))
    show = a_show(house)
    await production.say("confirmed", show, 2)
    answer = await house.member(CheckGateRequest(show_uid=show.uid, confirmation=1, phase=PRE_PRODUCTION))
    assert [task.title for task in answer.open_tasks] == [f"Item {number}" for number in range(100)]


async def test_a_cancelled_show_has_nothing_left_to_do(house: House, production: Production):
    await a_template(house)
    show = a_show(house)
    await production.say("confirmed", show, 2)
    [task] = await tasks_of(house, show)
    await assigned(house, task)
    await production.say("cancelled", later(show, status=CANCELLED), 3)
    refusal = await refused(house.member(StartTaskRequest(uid=task.uid)))
    assert (refusal.reason, refusal.facts) == ("TASK_MOVE_REFUSED", {"move": "start", "status": "closed"})
