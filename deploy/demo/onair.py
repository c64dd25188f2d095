"""One show through its gate to its end, and another one cancelled."""

from __future__ import annotations

from collections.abc import Awaitable

from eridu.production.v1.show_pb2 import Show
from eridu.production.v1.show_service_pb2 import (
    CancelShowRequest,
    CompleteShowRequest,
    ExplainTransitionRequest,
    StartShowRequest,
)
from eridu.scheduling.v1.booking_service_pb2 import ListBookingsRequest
from eridu.tasks.v1 import task_pb2
from eridu.tasks.v1.task_pb2 import Task
from eridu.tasks.v1.task_service_pb2 import (
    ApproveTaskRequest,
    AssignTaskRequest,
    CompleteTaskRequest,
    StartTaskRequest,
    SubmitTaskRequest,
)

from deploy.demo import follow
from deploy.demo.house import House
from libs.client.connection import each
from libs.common.errors import Refused


async def refusal(call: Awaitable[Show]) -> Refused | None:
    """The refusal of a move that its tasks should hold; None when it went through."""
    try:
        await call
    except Refused as refused:
        return refused
    return None


async def blocking(house: House, show: Show, move: str) -> list[Task]:
    """The open tasks that hold a move, by due date."""
    answer = await house.crew.shows.ExplainTransition(ExplainTransitionRequest(uid=show.uid))
    held = {uid for one in answer.moves if one.move == move for blocker in one.blockers for uid in blocker.task_uids}
    return [task for uid, task in (await follow.tasks(house, show.uid)).items() if uid in held]


async def do(house: House, task: Task) -> None:
    """The manager gives a task to the crew, the crew does it, and somebody looks at it where that is asked for."""
    await house.manager.tasks.AssignTask(AssignTaskRequest(uid=task.uid, assignee_uid=house.crew_uid))
    await house.crew.tasks.StartTask(StartTaskRequest(uid=task.uid))
    if task.needs_review:
        await house.crew.tasks.SubmitTask(SubmitTaskRequest(uid=task.uid))
        await house.manager.tasks.ApproveTask(ApproveTaskRequest(uid=task.uid))
    else:
        await house.crew.tasks.CompleteTask(CompleteTaskRequest(uid=task.uid))


async def start(house: House, show: Show) -> tuple[Refused | None, list[Task], Show]:
    """Try, be held, do what holds it, try again: the refusal, what held it, the show on air."""
    held = await refusal(house.crew.shows.StartShow(StartShowRequest(uid=show.uid)))
    todo = await blocking(house, show, "start")
    for task in todo:
        await do(house, task)
    return held, todo, await house.crew.shows.StartShow(StartShowRequest(uid=show.uid))


async def complete(house: House, show: Show) -> tuple[Refused | None, list[Task], Show]:
    """The same at the show's end."""
    held = await refusal(house.crew.shows.CompleteShow(CompleteShowRequest(uid=show.uid)))
    todo = await blocking(house, show, "complete")
    for task in todo:
        await do(house, task)
    return held, todo, await house.crew.shows.CompleteShow(CompleteShowRequest(uid=show.uid))


async def cancel(house: House, show: Show, reason: str) -> tuple[Show, int, int]:
    """Cancel a show: the show, the bookings it still has, and the tasks of it that are not closed (both must be 0)."""
    show = await house.manager.shows.CancelShow(CancelShowRequest(uid=show.uid, reason=reason))
    query = ListBookingsRequest(studio_uid=house.studio_uid, show_uid=show.uid)

    async def booked() -> int:
        return len([booking async for booking in each(house.manager.bookings.ListBookings, query)])

    async def still_open() -> int:
        found = await follow.tasks(house, show.uid)
        return sum(task.status != task_pb2.TASK_STATUS_CLOSED for task in found.values())

    def none_left(count: int) -> bool:
        return count == 0

    return show, await follow.until(booked, none_left), await follow.until(still_open, none_left)
