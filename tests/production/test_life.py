"""The life of a show as its callers see it: start, complete, cancel, and what is in the way."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from eridu.identity.v1 import studio_pb2
from eridu.production.v1 import show_pb2
from eridu.production.v1 import show_service_pb2 as api
from eridu.scheduling.v1.booking_service_pb2 import ListBookingsRequest
from eridu.scheduling.v1.plan_pb2 import ListPlannedShowsRequest
from eridu.tasks.v1 import template_pb2
from eridu.tasks.v1.task_service_pb2 import (
    AssignTaskRequest,
    CompleteTaskRequest,
    ListTasksRequest,
    StartTaskRequest,
)
from eridu.tasks.v1.template_service_pb2 import ActivateTemplateRequest, CreateTemplateRequest, NewTemplateItem

from tests.production.scheduling import Scheduling
from tests.support.house import House, at, build_house
from tests.support.suite import Suite, refused, request_id, until

DRAFT, CONFIRMED, LIVE, COMPLETED, CANCELLED = range(1, 6)
CODE = grpc.StatusCode


def create(house: House, **more: Any) -> api.CreateShowRequest:
    """A show of the house on its first of March, 10 to 12."""
    fields = {
        "studio_uid": house.studio.uid,
        "client_uid": house.client.uid,
        "name": "Gala",
        "starts_at": at("2027-03-01T10:00"),
        "ends_at": at("2027-03-01T12:00"),
        "metadata": {"colour": "red"},
    }
    return api.CreateShowRequest(**(fields | more))


async def get(house: House, uid: str) -> show_pb2.Show:
    """The show as its studio sees it."""
    answer: show_pb2.Show = await house.member(api.GetShowRequest(uid=uid))
    return answer


async def confirmed(house: House, **more: Any) -> show_pb2.Show:
    """A confirmed ad-hoc show."""
    draft = await house.manager(create(house, **more))
    answer: show_pb2.Show = await house.manager(api.ConfirmShowRequest(uid=draft.uid))
    return answer


async def with_tasks(house: House) -> None:
    """Every show of the studio has one required task before it, and one during it."""
    items = [
        NewTemplateItem(title=title, type=kind, required=True)
        for title, kind in (
            ("Light", template_pb2.TASK_TYPE_PRE_PRODUCTION),
            ("Record", template_pb2.TASK_TYPE_PRODUCTION),
        )
    ]
    template = await house.manager(CreateTemplateRequest(studio_uid=house.studio.uid, name="Standard", items=items))
    await house.manager(ActivateTemplateRequest(uid=template.uid))


async def tasks_of(house: House, uid: str) -> list[Any]:
    """The show's tasks, as soon as they are there."""

    async def there() -> list[Any]:
        return list((await house.manager(ListTasksRequest(show_uid=uid))).tasks)

    return await until(there)


async def do(house: House, task: Any) -> None:
    """Have a task done."""
    await house.manager(AssignTaskRequest(uid=task.uid, assignee_uid=house.people["member"].uid))
    await house.member(StartTaskRequest(uid=task.uid))
    await house.member(CompleteTaskRequest(uid=task.uid))


class TestStartAndCompleteShow:
    async def test_a_show_goes_on_air_and_ends_when_its_tasks_are_done(self, house: House, scheduling: Scheduling):
        await with_tasks(house)
        show = await confirmed(house)
        light, record = sorted(await tasks_of(house, show.uid), key=lambda task: task.title)
        held = await refused(house.member(api.StartShowRequest(uid=show.uid)))
        assert (held.code, held.reason) == (CODE.FAILED_PRECONDITION, "TASKS_OPEN")
        assert (held.facts["count"], held.facts["task_uids"], held.facts["titles"]) == ("1", light.uid, "Light")
        await do(house, light)
        live = await house.member(api.StartShowRequest(uid=show.uid, etag=show.etag, request_id=request_id()))
        assert (live.status, live.HasField("started_at")) == (LIVE, True)
        assert (await refused(house.member(api.CompleteShowRequest(uid=show.uid)))).facts["task_uids"] == record.uid
        await do(house, record)
        over = await house.member(api.CompleteShowRequest(uid=show.uid))
        assert (over.status, over.HasField("completed_at")) == (COMPLETED, True)
        assert await scheduling.actions(show.uid) == ["created", "confirmed", "started", "completed"]

    async def test_a_request_id_replays_its_answer(self, suite: Suite):
        house = await build_house(suite, task_gate=studio_pb2.TASK_GATE_OFF)
        show = await confirmed(house)
        start = api.StartShowRequest(uid=show.uid, etag=show.etag, request_id=request_id())
        assert await house.member(start) == await house.member(start)
        complete = api.CompleteShowRequest(uid=show.uid, request_id=request_id())
        assert await house.member(complete) == await house.member(complete)
        assert (await refused(house.member(api.StartShowRequest(uid=show.uid)))).reason == "SHOW_MOVE_REFUSED"

    async def test_a_manager_may_waive_and_it_is_written_down(self, house: House, scheduling: Scheduling):
        await with_tasks(house)
        show = await confirmed(house)
        await tasks_of(house, show.uid)
        start = api.StartShowRequest(uid=show.uid, waiver="the mayor waits", reason="now")
        denied = await refused(house.member(start))
        assert (denied.code, denied.reason) == (CODE.PERMISSION_DENIED, "WAIVER_DENIED")
        await house.manager(start)
        assert (await scheduling.ledger(show.uid))[-1] == ("show.started", 3, "the mayor waits")

    async def test_a_gate_that_warns_or_is_off_lets_a_show_go(self, suite: Suite):
        for gate in (studio_pb2.TASK_GATE_WARN, studio_pb2.TASK_GATE_OFF):
            house = await build_house(suite, task_gate=gate)
            await with_tasks(house)
            show = await confirmed(house)
            await tasks_of(house, show.uid)
            assert (await house.member(api.StartShowRequest(uid=show.uid))).status == LIVE

    async def test_an_old_etag_starts_nothing(self, house: House):
        show = await confirmed(house)
        assert (await refused(house.member(api.StartShowRequest(uid=show.uid, etag="1")))).reason == "STALE"
        assert (await get(house, show.uid)).status == CONFIRMED

    async def test_clients_watch_only(self, house: House):
        show = await confirmed(house)
        for request in (api.StartShowRequest(uid=show.uid), api.CompleteShowRequest(uid=show.uid)):
            assert (await refused(house.client_member(request))).reason == "ROLE_TOO_LOW"
            assert (await refused(house.stranger(request))).reason == "SHOW_NOT_FOUND"


class TestCancelShow:
    @pytest.mark.parametrize("status", [DRAFT, CONFIRMED, LIVE])
    async def test_frees_the_room_and_says_why(self, suite: Suite, status: int, scheduling: Scheduling):
        house = await build_house(suite, task_gate=studio_pb2.TASK_GATE_OFF)
        room = await house.room("A")
        show = await house.manager(create(house, room_uid=room.uid))
        if status >= CONFIRMED:
            await house.manager(api.ConfirmShowRequest(uid=show.uid))
        if status == LIVE:
            await house.manager(api.StartShowRequest(uid=show.uid))
        request = api.CancelShowRequest(uid=show.uid, reason="rain", request_id=request_id())
        cancelled = await house.manager(request)
        assert (cancelled.status, cancelled.cancel_reason) == (CANCELLED, "rain")
        assert await house.manager(request) == cancelled
        assert (await confirmed(house, room_uid=room.uid)).status == CONFIRMED
        await until(scheduling.idle)
        assert (await scheduling.actions(show.uid)).count("cancelled") == 1
        again = await refused(house.manager(api.CancelShowRequest(uid=show.uid, reason="rain")))
        assert again.reason == "SHOW_MOVE_REFUSED"

    async def test_a_planned_draft_stays_cancelled_when_its_plan_is_confirmed(self, house: House):
        await house.room("A")
        schedule = await house.schedule(start="2027-03-01T00:00", end="2027-04-01T00:00")
        await house.plan(schedule, "1,One,A,,,,,2027-03-02T10:00,2027-03-02T11:00")
        rows = await house.manager(ListPlannedShowsRequest(schedule_uid=schedule.uid))
        uid = rows.planned_shows[0].show_uid

        async def there() -> bool:
            return bool((await house.member(api.ListShowsRequest(schedule_uid=schedule.uid))).shows)

        await until(there)
        await house.manager(api.CancelShowRequest(uid=uid, reason="rain"))
        await house.confirm(schedule)
        bookings = await house.manager(ListBookingsRequest(studio_uid=house.studio.uid, show_uid=uid))
        assert not bookings.bookings
        assert (await get(house, uid)).status == CANCELLED

    async def test_an_old_etag_releases_nothing(self, house: House):
        room = await house.room("A")
        show = await confirmed(house, room_uid=room.uid)
        stale = await refused(house.manager(api.CancelShowRequest(uid=show.uid, reason="rain", etag="1")))
        assert stale.reason == "STALE"
        bookings = await house.manager(ListBookingsRequest(studio_uid=house.studio.uid, show_uid=show.uid))
        assert len(bookings.bookings) == 1

    async def test_is_for_managers_of_the_studio(self, house: House):
        draft = await house.manager(create(house))
        request = api.CancelShowRequest(uid=draft.uid, reason="rain")
        assert (await refused(house.member(request))).reason == "ROLE_TOO_LOW"
        assert (await refused(house.stranger(request))).reason == "SHOW_NOT_FOUND"


class TestExplainTransition:
    async def test_names_for_each_move_what_the_move_would_say(self, house: House):
        await with_tasks(house)
        show = await confirmed(house)
        light, _ = sorted(await tasks_of(house, show.uid), key=lambda task: task.title)
        answer = await house.member(api.ExplainTransitionRequest(uid=show.uid))
        told = {move.move: (move.allowed, [blocker.reason for blocker in move.blockers]) for move in answer.moves}
        assert told == {
            "confirm": (False, ["SHOW_MOVE_REFUSED"]),
            "start": (False, ["TASKS_OPEN"]),
            "complete": (False, ["SHOW_MOVE_REFUSED"]),
            "cancel": (True, []),
        }
        (blocker,) = next(move.blockers for move in answer.moves if move.move == "start")
        refusal = await refused(house.member(api.StartShowRequest(uid=show.uid)))
        assert (blocker.message, list(blocker.task_uids)) == (refusal.message, [light.uid])

    async def test_is_for_the_studio(self, house: House):
        show = await house.manager(create(house))
        assert (await refused(house.client_member(api.ExplainTransitionRequest(uid=show.uid)))).reason == "ROLE_TOO_LOW"
        assert (await refused(house.stranger(api.ExplainTransitionRequest(uid=show.uid)))).reason == "SHOW_NOT_FOUND"
