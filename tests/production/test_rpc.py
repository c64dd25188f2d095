"""Every RPC of production, called as people call it, with the real neighbours beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from eridu.production.v1 import show_pb2
from eridu.production.v1 import show_service_pb2 as api
from eridu.scheduling.v1.booking_service_pb2 import ListBookingsRequest
from eridu.tasks.v1 import template_pb2
from eridu.tasks.v1.task_service_pb2 import (
    AssignTaskRequest,
    CompleteTaskRequest,
    ListTasksRequest,
    StartTaskRequest,
)
from eridu.tasks.v1.template_service_pb2 import ActivateTemplateRequest, CreateTemplateRequest, NewTemplateItem

from libs.common import uids
from services.production.__main__ import compose
from tests.production.scheduling import Said, Scheduling
from tests.support.house import House, at, build_house
from tests.support.suite import Suite, call, refused, request_id, until

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


class TestCreateShow:
    async def test_makes_a_draft_that_can_be_read(self, house: House):
        mcs, platforms = [uids.new("mc"), uids.new("mc")], [uids.new("plat")]
        made = await house.manager(
            create(house, mc_uids=mcs, platform_uids=platforms, room_uid=uids.new("room"), type="talk")
        )
        assert (made.status, made.confirmation, made.schedule_uid, made.etag) == (DRAFT, 0, "", "1")
        assert ([mc.mc_uid for mc in made.mcs], made.metadata["colour"]) == (mcs, "red")
        assert [platform.platform_uid for platform in made.platforms] == platforms
        assert await get(house, made.uid) == made

    async def test_a_request_id_makes_one_show(self, house: House):
        request = create(house, request_id=request_id())
        assert await house.manager(request) == await house.manager(request)

    async def test_needs_a_studio_and_a_client_that_are_there(self, house: House):
        nobody = await refused(house.manager(create(house, client_uid=uids.new("client"))))
        assert (nobody.code, nobody.reason) == (CODE.NOT_FOUND, "CLIENT_NOT_FOUND")
        nowhere = await refused(house.root(create(house, studio_uid=uids.new("studio"))))
        assert (nowhere.code, nowhere.reason) == (CODE.NOT_FOUND, "STUDIO_NOT_FOUND")

    async def test_is_for_managers_of_the_studio(self, house: House):
        assert (await refused(house.member(create(house)))).reason == "ROLE_TOO_LOW"
        for outsider in (house.client_member, house.stranger):
            hidden = await refused(outsider(create(house)))
            assert (hidden.code, hidden.reason) == (CODE.NOT_FOUND, "STUDIO_NOT_FOUND")

    async def test_ends_after_it_starts_to_the_microsecond(self, house: House):
        request = create(house)
        request.ends_at.CopyFrom(request.starts_at)
        request.ends_at.nanos = 999
        refusal = await refused(house.manager(request))
        assert (refusal.code, refusal.reason) == (CODE.INVALID_ARGUMENT, "END_BEFORE_START")
        assert list(refusal.fields) == ["ends_at"]


class TestGetAndListShows:
    async def test_a_hidden_show_reads_like_a_missing_one(self, house: House):
        show = await house.manager(create(house))
        hidden = await refused(house.stranger(api.GetShowRequest(uid=show.uid)))
        uid = uids.new("show")
        missing = await refused(house.manager(api.GetShowRequest(uid=uid)))
        assert (hidden.code, hidden.reason) == (missing.code, missing.reason) == (CODE.NOT_FOUND, "SHOW_NOT_FOUND")
        assert hidden.message.replace(show.uid, uid) == missing.message
        assert await house.client_member(api.GetShowRequest(uid=show.uid)) == show

    async def test_pages_go_by_start_and_end(self, house: House):
        made = [
            await house.manager(
                create(house, starts_at=at(f"2027-03-0{day}T10:00"), ends_at=at(f"2027-03-0{day}T12:00"))
            )
            for day in (3, 1, 2, 2, 4)
        ]
        expected = [show.uid for show in sorted(made, key=lambda show: (show.starts_at.seconds, show.uid))]
        found, token = [], ""
        while True:
            request = api.ListShowsRequest(studio_uid=house.studio.uid, page_size=2, page_token=token)
            page = await house.member(request)
            found += [show.uid for show in page.shows]
            token = page.next_page_token
            if not token:
                break
        assert found == expected
        other = api.ListShowsRequest(client_uid=house.client.uid, page_size=2, page_token="bm9uc2Vuc2U")
        assert (await refused(house.member(other))).reason == "PAGE_TOKEN_INVALID"

    async def test_everybody_lists_what_is_theirs(self, house: House, suite: Suite):
        show = await house.manager(create(house, mc_uids=[uids.new("mc")]))
        of_client = api.ListShowsRequest(client_uid=house.client.uid, statuses=[show_pb2.SHOW_STATUS_DRAFT])
        assert list((await house.client_member(of_client)).shows) == [show]
        assert list((await house.member(of_client)).shows) == [show]
        assert not (await house.stranger(of_client)).shows
        beside = await build_house(suite)
        assert not (await beside.manager(of_client)).shows
        of_client.statuses[:] = [show_pb2.SHOW_STATUS_LIVE]
        assert not (await house.member(of_client)).shows
        assert (await refused(house.member(api.ListShowsRequest()))).reason == "REQUEST_INVALID"


class TestConfirmShow:
    async def test_books_the_room_and_the_mcs(self, house: House):
        room, mc = await house.room("A"), await house.mc("Ada")
        show = await confirmed(house, room_uid=room.uid, mc_uids=[mc.uid])
        assert (show.status, show.confirmation) == (CONFIRMED, 1)
        bookings = (await house.manager(ListBookingsRequest(studio_uid=house.studio.uid, show_uid=show.uid))).bookings
        assert {booking.resource_uid for booking in bookings} == {room.uid, mc.uid}
        again = await refused(house.manager(api.ConfirmShowRequest(uid=show.uid)))
        assert (again.code, again.reason) == (CODE.FAILED_PRECONDITION, "SHOW_MOVE_REFUSED")

    async def test_says_it_once_although_the_booking_says_it_too(self, house: House, scheduling: Scheduling):
        show = await confirmed(house)
        await until(scheduling.idle)
        assert await scheduling.actions(show.uid) == ["created", "confirmed"]

    async def test_a_request_id_replays_its_answer(self, house: House):
        draft = await house.manager(create(house))
        request = api.ConfirmShowRequest(uid=draft.uid, etag=draft.etag, request_id=request_id())
        assert await house.manager(request) == await house.manager(request)

    async def test_a_taken_room_refuses_and_leaves_a_draft(self, house: House):
        room = await house.room("A")
        first = await confirmed(house, room_uid=room.uid)
        second = await house.manager(create(house, room_uid=room.uid))
        taken = await refused(house.manager(api.ConfirmShowRequest(uid=second.uid)))
        assert (taken.code, taken.reason, taken.domain) == (
            CODE.FAILED_PRECONDITION,
            "SLOT_TAKEN",
            "scheduling.eridu",
        )
        assert first.uid in taken.facts.values()
        assert await get(house, second.uid) == second

    async def test_an_old_etag_books_nothing(self, house: House):
        draft = await house.manager(create(house))
        stale = await refused(house.manager(api.ConfirmShowRequest(uid=draft.uid, etag="7")))
        assert (stale.code, stale.reason) == (CODE.ABORTED, "STALE")
        bookings = await house.manager(ListBookingsRequest(studio_uid=house.studio.uid, show_uid=draft.uid))
        assert not bookings.bookings

    async def test_a_planned_show_is_confirmed_with_its_schedule(self, house: House, scheduling: Scheduling):
        said = Said(house.studio.uid, house.client.uid)
        await scheduling.say(said.planned())
        refusal = await refused(house.manager(api.ConfirmShowRequest(uid=said.uid)))
        assert (refusal.reason, refusal.facts["schedule_uid"]) == ("PLANNED_IN_SCHEDULE", said.schedule_uid)

    async def test_is_for_managers_of_the_studio(self, house: House):
        draft = await house.manager(create(house))
        assert (await refused(house.member(api.ConfirmShowRequest(uid=draft.uid)))).reason == "ROLE_TOO_LOW"
        assert (await refused(house.client_member(api.ConfirmShowRequest(uid=draft.uid)))).reason == "ROLE_TOO_LOW"
        assert (await refused(house.stranger(api.ConfirmShowRequest(uid=draft.uid)))).reason == "SHOW_NOT_FOUND"


class TestWithNeighboursAway:
    """Production with nobody but identity to ask."""

    @pytest.fixture
    async def alone(self, suite: Suite) -> AsyncIterator[dict[str, grpc.aio.Channel]]:
        """A second production process that finds neither scheduling nor tasks."""
        nowhere = {"scheduling_address": "127.0.0.1:1", "tasks_address": "127.0.0.1:1"}
        process = compose(suite.config("production", **nowhere))
        await process.start()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{process.server.port}")
        yield {"production": channel}
        await channel.close()
        await process.drain()

    async def test_what_needs_them_is_unavailable_and_nothing_is_half_done(
        self, house: House, alone: dict[str, grpc.aio.Channel]
    ):
        def manager(request: Any) -> Any:
            return call(alone, request, metadata=house.manager.metadata)

        draft = await house.manager(create(house))
        away = await refused(manager(api.ConfirmShowRequest(uid=draft.uid, request_id=request_id())))
        assert (away.code, away.reason) == (CODE.UNAVAILABLE, "NEIGHBOUR_UNAVAILABLE")
        assert await get(house, draft.uid) == draft
        show = await house.manager(api.ConfirmShowRequest(uid=draft.uid))
        for request in (
            api.StartShowRequest(uid=show.uid),
            api.StartShowRequest(uid=show.uid, waiver="the mayor waits"),
            api.CancelShowRequest(uid=show.uid, reason="rain"),
            api.ExplainTransitionRequest(uid=show.uid),
        ):
            assert (await refused(manager(request))).code is CODE.UNAVAILABLE
        assert await get(house, show.uid) == show
        assert (await manager(create(house))).status == DRAFT
