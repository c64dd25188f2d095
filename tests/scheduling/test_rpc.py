"""Schedules, rooms and MCs through the RPCs: the life of a schedule, and who may do what."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.scheduling.v1 import (
    booking_service_pb2,
    confirmation_pb2,
    mc_service_pb2,
    plan_pb2,
    room_service_pb2,
    schedule_pb2,
)
from eridu.scheduling.v1 import schedule_request_pb2 as api

from libs.common import uids
from tests.scheduling.planning import (
    ABORTED,
    DENIED,
    FAILED,
    INVALID,
    NOT_FOUND,
    Asks,
    adhoc,
    in_force,
    production,
    row,
    rules,
    suite_of,
)
from tests.support.house import House, at, build_house, unique
from tests.support.suite import Suite, refused, request_id


async def propose(house: House, schedule: Any, **more: Any) -> Any:
    return await house.manager(api.ProposeScheduleRequest(uid=schedule.uid, **more))


async def test_a_schedule_moves_through_its_life(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    assert (await propose(house, schedule)).status == schedule_pb2.SCHEDULE_STATUS_PROPOSED
    withdrawn = await house.manager(api.WithdrawScheduleRequest(uid=schedule.uid, reason="not yet"))
    assert withdrawn.status == schedule_pb2.SCHEDULE_STATUS_DRAFT
    confirmed = (await house.confirm(schedule)).schedule
    assert (confirmed.status, confirmed.confirmed_version) == (schedule_pb2.SCHEDULE_STATUS_CONFIRMED, 1)
    revised = await house.manager(api.ReviseScheduleRequest(uid=schedule.uid, etag=confirmed.etag))
    assert revised.status == schedule_pb2.SCHEDULE_STATUS_DRAFT
    assert await in_force(house) == [("10:00-11:00", "A")]
    await house.confirm(schedule)
    archived = await house.manager(api.ArchiveScheduleRequest(uid=schedule.uid, reason="over"))
    assert archived.status == schedule_pb2.SCHEDULE_STATUS_ARCHIVED
    assert archived == await house.member(api.GetScheduleRequest(uid=schedule.uid))
    assert [one for one in await ask.ledger(house) if one.startswith("schedule")] == [
        "schedule.created",
        "schedule.proposed",
        "schedule.withdrawn",
        "schedule.proposed",
        "schedule.confirmed",
        "schedule.revised",
        "schedule.proposed",
        "schedule.confirmed",
        "schedule.archived",
    ]
    (entry,) = await ask(
        "SELECT reason, actor FROM ledger WHERE entity_uid = :uid AND action = 'schedule.archived'", uid=schedule.uid
    )
    assert (entry.reason, entry.actor) == ("over", house.people["manager"].uid)


@pytest.mark.parametrize(
    "request_type",
    [
        api.WithdrawScheduleRequest,
        confirmation_pb2.ConfirmScheduleRequest,
        api.ReviseScheduleRequest,
        api.ArchiveScheduleRequest,
    ],
)
async def test_a_move_that_a_draft_cannot_make_is_refused(house: House, request_type: Any) -> None:
    schedule = await house.schedule()
    request = request_type(uid=schedule.uid, reason="because")
    refusal = await refused(house.manager(request))
    assert (refusal.code, refusal.reason) == (FAILED, "SCHEDULE_MOVE_REFUSED")
    assert refusal.facts["status"] == "draft"
    assert (await house.manager(api.GetScheduleRequest(uid=schedule.uid))).etag == schedule.etag


@pytest.mark.parametrize(
    "request_type",
    [
        api.ProposeScheduleRequest,
        api.CancelScheduleRequest,
        confirmation_pb2.ConfirmScheduleRequest,
        api.ReviseScheduleRequest,
    ],
)
async def test_a_move_with_an_old_etag_is_stale(house: House, request_type: Any) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    refusal = await refused(house.manager(request_type(uid=schedule.uid, etag=schedule.etag, reason="because")))
    assert (refusal.code, refusal.reason) == (ABORTED, "STALE")


async def test_an_empty_schedule_cannot_be_proposed_and_some_moves_need_a_reason(house: House) -> None:
    schedule = await house.schedule()
    refusal = await refused(propose(house, schedule))
    assert (refusal.code, refusal.reason) == (FAILED, "PLAN_EMPTY")
    for request in (api.WithdrawScheduleRequest(uid=schedule.uid), api.CancelScheduleRequest(uid=schedule.uid)):
        refusal = await refused(house.manager(request))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "REQUEST_INVALID", ["reason"])


async def test_a_cancelled_schedule_gives_everything_back(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00", mcs="Ada"), row("2", "11:00", "12:00"))
    await house.confirm(schedule)
    cancelled = await house.manager(api.CancelScheduleRequest(uid=schedule.uid, reason="client left"))
    assert cancelled.status == schedule_pb2.SCHEDULE_STATUS_CANCELLED
    assert await in_force(house) == []
    assert len(await in_force(house, show_released=True)) == 3
    assert (await ask.ledger(house))[-4:] == ["schedule.cancelled", "plan.changed", *["booking.released"] * 2]
    assert not (await house.manager(plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule.uid))).planned_shows
    again = await refused(house.manager(api.CancelScheduleRequest(uid=schedule.uid, reason="again")))
    assert again.reason == "SCHEDULE_MOVE_REFUSED"


async def test_validation_names_every_problem_at_once(house: House, ask: Asks) -> None:
    other = await house.schedule()
    await house.plan(other, row("w", "10:00", "11:00", "B"))
    await house.confirm(other)
    schedule = await house.schedule()
    await house.plan(
        schedule,
        row("1", "10:00", "11:00", "A", "Ada"),
        row("2", "10:30", "11:30", "B", "Ada"),
        row("3", "12:00", "13:00", "A", "Bob"),
    )
    await house.manager(mc_service_pb2.DeleteMcRequest(uid=house.mcs["Bob"].uid))
    found = await house.manager(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))
    assert (found.plan_version, found.show_count) == (1, 3)
    assert sorted(rules(found.problems)) == [
        ("mc_clash", "2", "1"),
        ("mc_unavailable", "3", ""),
        ("room_clash", "2", "w"),
    ]
    (clash,) = [one for one in found.problems if one.rule == schedule_pb2.RULE_ROOM_CLASH]
    assert clash.other.schedule_uid == other.uid
    assert (clash.resource_name, clash.inside_plan) == ("B", False)
    assert getattr(clash, "from").ToJsonString() == "2026-03-02T10:30:00Z"
    assert clash.until.ToJsonString() == "2026-03-02T11:00:00Z"
    assert clash.message == "Show 2: B is taken by Show w from 2026-03-02 10:30 to 11:00 UTC"
    answer = await house.confirm(schedule)
    assert not answer.confirmed
    assert sorted(rules(problem for result in answer.results for problem in result.problems)) == sorted(
        rules(found.problems)
    )


async def test_the_show_of_another_client_is_only_busy_for_members_of_a_client(house: House) -> None:
    stranger = await build_house(house.suite)  # for its client
    other = await house.schedule(stranger.client.uid)
    await house.plan(other, row("w", "10:00", "11:00"))
    await house.confirm(other)
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:30", "11:30"))
    seen = (await house.manager(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))).problems
    assert rules(seen) == [("room_clash", "1", "w")]
    hidden = (await house.client_member(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))).problems
    assert rules(hidden) == [("room_clash", "1", "busy")]
    assert hidden[0].other == schedule_pb2.ShowRef(busy=True)
    assert "Show w" not in hidden[0].message


async def test_every_schedule_rpc_looks_at_whose_schedule_it_is(house: House) -> None:
    elsewhere = await build_house(house.suite)
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    csv = "external_id,name,room,mcs,platforms,start,end\n1,One,,,,2026-03-02T10:00,2026-03-02T11:00"

    def reads(uid: str) -> list[Any]:
        return [
            api.GetScheduleRequest(uid=uid),
            plan_pb2.ListPlannedShowsRequest(schedule_uid=uid),
            confirmation_pb2.ValidateScheduleRequest(uid=uid),
        ]

    def changes(uid: str) -> list[Any]:
        return [
            plan_pb2.ImportPlanRequest(uid=uid, csv=csv),
            api.ProposeScheduleRequest(uid=uid),
            api.WithdrawScheduleRequest(uid=uid, reason="because"),
            confirmation_pb2.ConfirmScheduleRequest(uid=uid),
            api.ReviseScheduleRequest(uid=uid),
            api.ArchiveScheduleRequest(uid=uid),
            api.CancelScheduleRequest(uid=uid, reason="because"),
        ]

    for request in reads(schedule.uid):
        for caller in (house.manager, house.member, house.client_member, house.root):
            await caller(request)
    for request in changes(schedule.uid):
        for caller in (house.member, house.client_member):
            assert (await refused(caller(request))).code == DENIED
    missing = uids.new("sched")
    for here, there in zip(
        [*reads(schedule.uid), *changes(schedule.uid)], [*reads(missing), *changes(missing)], strict=True
    ):
        for caller in (elsewhere.manager, elsewhere.client_member, house.stranger):
            hidden = await refused(caller(here))
            assert (hidden.code, hidden.reason) == (NOT_FOUND, "SCHEDULE_NOT_FOUND")
        absent = await refused(house.manager(there))
        assert absent.message.replace(missing, "") == hidden.message.replace(schedule.uid, "")
    assert (await house.manager(api.GetScheduleRequest(uid=schedule.uid))).plan_version == 1


async def test_schedules_are_listed_to_those_who_may_see_them(house: House) -> None:
    mine = [await house.schedule() for _ in range(4)]
    elsewhere = await build_house(house.suite)
    other = await house.schedule(elsewhere.client.uid)
    await house.plan(mine[0], row("1", "10:00", "11:00"))
    await propose(house, mine[0])

    async def listed(caller: Any, **more: Any) -> list[str]:
        request = api.ListSchedulesRequest(**({"studio_uid": house.studio.uid} | more))
        found: list[str] = []
        while True:
            page = await caller(request)
            found += [one.uid for one in page.schedules]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    uids_of_mine = [one.uid for one in mine]
    assert await listed(house.member) == [*uids_of_mine, other.uid]
    assert await listed(house.member, page_size=2) == [*uids_of_mine, other.uid]
    assert await listed(house.member, client_uid=house.client.uid) == uids_of_mine
    assert await listed(house.client_member) == uids_of_mine
    assert await listed(house.client_member, studio_uid="", client_uid=house.client.uid) == uids_of_mine
    assert await listed(elsewhere.client_member) == [other.uid]
    assert await listed(elsewhere.manager) == []
    assert await listed(house.stranger) == []
    assert await listed(house.member, statuses=[schedule_pb2.SCHEDULE_STATUS_PROPOSED]) == [mine[0].uid]
    nobody = await refused(house.member(api.ListSchedulesRequest()))
    assert (nobody.code, nobody.reason) == (INVALID, "REQUEST_INVALID")


async def test_a_schedule_needs_a_free_name_a_studio_and_a_client(house: House) -> None:
    given = {
        "studio_uid": house.studio.uid,
        "client_uid": house.client.uid,
        "name": unique("schedule"),
        "starts_at": at("2026-03-01T00:00"),
        "ends_at": at("2026-04-01T00:00"),
    }

    def request(**more: Any) -> Any:
        return api.CreateScheduleRequest(**given | more)

    schedule = await house.manager(request(metadata={"colour": "red"}))
    assert schedule.metadata["colour"] == "red"
    assert schedule.time_zone == "UTC"
    taken = await refused(house.manager(request()))
    assert taken.reason == "SCHEDULE_NAME_TAKEN"
    absent = await refused(house.manager(request(client_uid=uids.new("client"))))
    assert (absent.code, absent.reason) == (NOT_FOUND, "CLIENT_NOT_FOUND")
    for caller, studio_uid in ((house.manager, uids.new("studio")), (house.stranger, house.studio.uid)):
        absent = await refused(caller(request(studio_uid=studio_uid)))
        assert (absent.code, absent.reason) == (NOT_FOUND, "STUDIO_NOT_FOUND")
    assert (await refused(house.root(request(studio_uid=uids.new("studio"))))).reason == "STUDIO_NOT_FOUND"
    assert (await refused(house.member(request(name="other")))).code == DENIED
    backwards = await refused(house.manager(request(ends_at=at("2026-03-01T00:00"))))
    assert (backwards.code, backwards.reason) == (INVALID, "REQUEST_INVALID")


async def test_rooms_and_mcs_belong_to_their_studio(house: House) -> None:
    studio = house.studio.uid
    room = await house.room("Studio 3", capacity=5, capabilities=["green_screen", "audio"], turnaround_after_minutes=15)
    assert list(room.capabilities) == ["audio", "green_screen"]
    assert await house.member(room_service_pb2.GetRoomRequest(uid=room.uid)) == room
    mc = house.mcs["Ada"]
    assert await production(house)(mc_service_pb2.GetMcRequest(uid=mc.uid)) == mc
    rooms = await house.member(room_service_pb2.ListRoomsRequest(studio_uid=studio, page_size=2))
    rest = await house.member(
        room_service_pb2.ListRoomsRequest(studio_uid=studio, page_size=2, page_token=rooms.next_page_token)
    )
    assert [one.name for one in (*rooms.rooms, *rest.rooms)] == ["A", "B", "Studio 3"]
    mcs = await house.member(mc_service_pb2.ListMcsRequest(studio_uid=studio))
    assert [one.name for one in mcs.mcs] == ["Ada", "Bob"]
    assert (await refused(house.room("A"))).reason == "ROOM_NAME_TAKEN"
    assert (await refused(house.mc("Ada"))).reason == "MC_NAME_TAKEN"
    for request, reason in (
        (room_service_pb2.GetRoomRequest(uid=room.uid), "ROOM_NOT_FOUND"),
        (mc_service_pb2.GetMcRequest(uid=mc.uid), "MC_NOT_FOUND"),
        (room_service_pb2.ListRoomsRequest(studio_uid=studio), "STUDIO_NOT_FOUND"),
        (mc_service_pb2.ListMcsRequest(studio_uid=studio), "STUDIO_NOT_FOUND"),
        (room_service_pb2.CreateRoomRequest(studio_uid=studio, name="X"), "STUDIO_NOT_FOUND"),
        (mc_service_pb2.CreateMcRequest(studio_uid=studio, name="X"), "STUDIO_NOT_FOUND"),
    ):
        for caller in (house.client_member, house.stranger):
            refusal = await refused(caller(request))
            assert (refusal.code, refusal.reason) == (NOT_FOUND, reason)
    for request in (
        room_service_pb2.CreateRoomRequest(studio_uid=studio, name="X"),
        mc_service_pb2.CreateMcRequest(studio_uid=studio, name="X"),
    ):
        assert (await refused(house.member(request))).code == DENIED


async def test_only_production_books_and_releases(house: House) -> None:
    for request in (adhoc(house), booking_service_pb2.ReleaseShowRequest(show_uid=uids.new("show"), confirmation=1)):
        for caller in (house.manager, house.root):
            assert (await refused(caller(request))).reason == "SERVICES_ONLY"
        assert (await refused(suite_of(house).service("tasks")(request))).reason == "SERVICE_DENIED"


async def test_a_request_id_makes_one_schedule(house: House, suite: Suite) -> None:
    request = api.CreateScheduleRequest(
        studio_uid=house.studio.uid,
        client_uid=house.client.uid,
        name="Once",
        starts_at=at("2026-03-01T00:00"),
        ends_at=at("2026-04-01T00:00"),
        request_id=request_id(),
    )
    assert await house.manager(request) == await house.manager(request)
    request.name = "Twice"
    assert (await refused(house.manager(request))).reason == "REQUEST_ID_REUSED"
