"""The main job, through all four services: a plan becomes bookings, confirmed shows and tasks; tasks hold the show."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.production.v1 import show_pb2
from eridu.production.v1.show_service_pb2 import (
    CancelShowRequest,
    CompleteShowRequest,
    ConfirmShowRequest,
    CreateShowRequest,
    ExplainTransitionRequest,
    GetShowRequest,
    ListShowsRequest,
    StartShowRequest,
)
from eridu.scheduling.v1 import confirmation_pb2, plan_pb2
from eridu.scheduling.v1 import schedule_request_pb2 as plans
from eridu.scheduling.v1.booking_service_pb2 import ListBookingsRequest
from eridu.tasks.v1 import task_pb2, template_pb2
from eridu.tasks.v1.task_service_pb2 import (
    AssignTaskRequest,
    CompleteTaskRequest,
    ListTasksRequest,
    StartTaskRequest,
)
from eridu.tasks.v1.template_service_pb2 import ActivateTemplateRequest, CreateTemplateRequest, NewTemplateItem

from tests.support.house import House, at, build_house
from tests.support.suite import Suite, refused, until

CONFIRMED, CANCELLED, DRAFT = (
    show_pb2.SHOW_STATUS_CONFIRMED,
    show_pb2.SHOW_STATUS_CANCELLED,
    show_pb2.SHOW_STATUS_DRAFT,
)

ITEMS = [
    NewTemplateItem(title="Brief", type=template_pb2.TASK_TYPE_PRE_PRODUCTION, required=True, due_offset_minutes=-60),
    NewTemplateItem(title="Watch the chat", type=template_pb2.TASK_TYPE_PRODUCTION, required=True),
    NewTemplateItem(title="Clean up", type=template_pb2.TASK_TYPE_POST_PRODUCTION),
    NewTemplateItem(title="Rate the MC", type=template_pb2.TASK_TYPE_SHOW_MC_REVIEW),
    NewTemplateItem(title="Read the figures", type=template_pb2.TASK_TYPE_SHOW_PLATFORM_REVIEW),
]


@pytest.fixture
async def house(suite: Suite) -> House:
    """A house with two rooms, two MCs, a platform, and a template that every show gets."""
    house = await build_house(suite)
    for room in ("A", "B"):
        await house.room(room)
    for mc in ("Ada", "Bob"):
        await house.mc(mc)
    template = await house.manager(CreateTemplateRequest(studio_uid=house.studio.uid, name="Every show", items=ITEMS))
    await house.manager(ActivateTemplateRequest(uid=template.uid))
    return house


async def shows(house: House, status: int) -> dict[str, Any]:
    """The house's shows in a status, by name."""
    answer = await house.manager(
        ListShowsRequest(studio_uid=house.studio.uid, statuses=[status], page_size=500)  # type: ignore[list-item]
    )
    return {show.name: show for show in answer.shows}


async def tasks_of(house: House, show_uid: str) -> list[Any]:
    """All tasks of a show."""
    return list((await house.manager(ListTasksRequest(show_uid=show_uid, page_size=500))).tasks)


async def do(house: House, task: Any) -> None:
    """Assign, start and complete a task, as the studio's member."""
    await house.manager(AssignTaskRequest(uid=task.uid, assignee_uid=house.people["member"].uid))
    await house.member(StartTaskRequest(uid=task.uid))
    await house.member(CompleteTaskRequest(uid=task.uid))


async def open_required(house: House, show_uid: str, type_: int) -> list[Any]:
    """Required tasks of one type."""
    return [task for task in await tasks_of(house, show_uid) if task.required and task.type == type_]


async def confirmed_show(house: House, row: str, name: str) -> Any:
    """A schedule of one show, confirmed; the show when it is, with its tasks made."""
    schedule = await house.schedule()
    await house.plan(schedule, row)
    await house.confirm(schedule)

    async def there() -> Any:
        show = (await shows(house, CONFIRMED)).get(name)
        return show if show and await tasks_of(house, show.uid) else None

    return await until(there)


async def test_a_plan_becomes_bookings_shows_and_tasks(house: House) -> None:
    platform = await house.platform()
    schedule = await house.schedule()
    await house.plan(
        schedule,
        f"1,Early,A,Ada,{platform.name},,,2026-03-02T10:00,2026-03-02T11:00",
        "2,Late,A,Bob,,,,2026-03-02T11:00,2026-03-02T12:00",
        "3,In the way,A,,,,,2026-03-02T11:30,2026-03-02T12:30",
    )

    async def drafted() -> bool:
        return len(await shows(house, DRAFT)) == 3

    await until(drafted)
    answer = await house.confirm(schedule, confirmation_pb2.CONFIRM_MODE_BEST_EFFORT)
    refusals = [result for result in answer.results if result.outcome == confirmation_pb2.SHOW_OUTCOME_REFUSED]
    assert [(result.show.name, result.problems[0].other.name) for result in refusals] == [("In the way", "Late")]

    async def followed() -> bool:
        return len(await shows(house, CONFIRMED)) == 2

    await until(followed)
    confirmed = await shows(house, CONFIRMED)
    assert set(confirmed) == {"Early", "Late"}
    assert set(await shows(house, DRAFT)) == {"In the way"}

    async def all_tasks() -> bool:
        counts = [len(await tasks_of(house, show.uid)) for show in confirmed.values()]
        return sorted(counts) == [4, 5]  # the early one has a platform too

    await until(all_tasks)
    bookings = (await house.manager(ListBookingsRequest(studio_uid=house.studio.uid))).bookings
    assert sorted(booking.resource_uid for booking in bookings) == sorted(
        [house.rooms["A"].uid] * 2 + [house.mcs["Ada"].uid, house.mcs["Bob"].uid]
    )

    again = await house.confirm(schedule, confirmation_pb2.CONFIRM_MODE_BEST_EFFORT, propose=False)
    assert [result.outcome for result in again.results] == [
        confirmation_pb2.SHOW_OUTCOME_UNCHANGED,
        confirmation_pb2.SHOW_OUTCOME_UNCHANGED,
        confirmation_pb2.SHOW_OUTCOME_REFUSED,
    ]
    assert again.schedule.etag == answer.schedule.etag


async def test_required_tasks_hold_a_show_at_its_gates(house: House) -> None:
    show = await confirmed_show(house, "1,Gated,A,Ada,,,,2026-03-03T10:00,2026-03-03T11:00", "Gated")
    refusal = await refused(house.member(StartShowRequest(uid=show.uid)))
    assert refusal.reason == "TASKS_OPEN"
    assert refusal.facts["titles"] == "Brief"
    explained = await house.member(ExplainTransitionRequest(uid=show.uid))
    blockers = {answer.move: [blocker.reason for blocker in answer.blockers] for answer in explained.moves}
    assert blockers["start"] == ["TASKS_OPEN"]
    assert blockers["cancel"] == []

    for task in await open_required(house, show.uid, template_pb2.TASK_TYPE_PRE_PRODUCTION):
        await do(house, task)
    live = await house.member(StartShowRequest(uid=show.uid))
    assert live.status == show_pb2.SHOW_STATUS_LIVE

    assert (await refused(house.member(CompleteShowRequest(uid=show.uid)))).reason == "TASKS_OPEN"
    waived = await house.manager(CompleteShowRequest(uid=show.uid, waiver="the chat was closed"))
    assert waived.status == show_pb2.SHOW_STATUS_COMPLETED


async def test_a_cancelled_show_gives_back_its_room_and_closes_its_tasks(house: House) -> None:
    show = await confirmed_show(house, "1,Doomed,B,Bob,,,,2026-03-04T10:00,2026-03-04T11:00", "Doomed")
    cancelled = await house.manager(CancelShowRequest(uid=show.uid, reason="the client is ill"))
    assert cancelled.status == CANCELLED

    async def closed() -> bool:
        return {task.status for task in await tasks_of(house, show.uid)} == {task_pb2.TASK_STATUS_CLOSED}

    await until(closed)
    assert not (await house.manager(ListBookingsRequest(studio_uid=house.studio.uid, show_uid=show.uid))).bookings
    again = await house.confirm(
        await house.manager(plans.GetScheduleRequest(uid=show.schedule_uid)),
        confirmation_pb2.CONFIRM_MODE_BEST_EFFORT,
        propose=False,
    )
    assert [result.outcome for result in again.results] == [confirmation_pb2.SHOW_OUTCOME_CANCELLED]
    assert (await house.manager(GetShowRequest(uid=show.uid))).status == CANCELLED


async def test_an_ad_hoc_show_is_confirmed_by_the_same_way(house: House) -> None:
    draft = await house.manager(
        CreateShowRequest(
            studio_uid=house.studio.uid,
            client_uid=house.client.uid,
            name="Ad hoc",
            room_uid=house.rooms["A"].uid,
            mc_uids=[house.mcs["Ada"].uid],
            starts_at=at("2026-03-05T10:00"),
            ends_at=at("2026-03-05T11:00"),
        )
    )
    confirmed = await house.manager(ConfirmShowRequest(uid=draft.uid))
    assert (confirmed.status, confirmed.confirmation) == (CONFIRMED, 1)

    async def generated() -> bool:
        return len(await tasks_of(house, draft.uid)) == 4

    await until(generated)

    schedule = await house.schedule()
    await house.plan(schedule, "1,Planned,A,,,,,2026-03-05T10:30,2026-03-05T11:30")
    refusal = (await house.confirm(schedule)).results[0]
    assert refusal.problems[0].other.name == "Ad hoc"


async def test_a_revised_plan_moves_its_shows_and_their_tasks(house: House) -> None:
    show = await confirmed_show(house, "1,Mobile,A,Ada,,,,2026-03-06T10:00,2026-03-06T11:00", "Mobile")
    brief = (await open_required(house, show.uid, template_pb2.TASK_TYPE_PRE_PRODUCTION))[0]
    assert brief.due_at == at("2026-03-06T09:00")
    schedule = await house.manager(plans.ReviseScheduleRequest(uid=show.schedule_uid))
    await house.plan(schedule, "1,Mobile,B,Ada,,,,2026-03-06T12:00,2026-03-06T13:00")
    answer = await house.confirm(schedule)
    assert [result.outcome for result in answer.results] == [confirmation_pb2.SHOW_OUTCOME_MOVED]

    async def shifted() -> bool:
        tasks = {task.uid: task for task in await tasks_of(house, show.uid)}
        return bool(tasks[brief.uid].due_at == at("2026-03-06T11:00"))

    await until(shifted)
    moved = await house.manager(GetShowRequest(uid=show.uid))
    assert (moved.room_uid, moved.starts_at) == (house.rooms["B"].uid, at("2026-03-06T12:00"))
    assert (moved.uid, moved.confirmation) == (show.uid, 1)


async def test_a_live_show_is_out_of_its_plans_reach(house: House) -> None:
    show = await confirmed_show(house, "1,On air,A,Ada,,,,2026-03-07T10:00,2026-03-07T11:00", "On air")
    await house.manager(StartShowRequest(uid=show.uid, waiver="test"))
    schedule = await house.manager(plans.ReviseScheduleRequest(uid=show.schedule_uid))

    async def protected() -> bool:
        answer = await house.plan(schedule, "1,On air,B,Ada,,,,2026-03-07T12:00,2026-03-07T13:00", validate_only=True)
        return bool(answer.rows[0].outcome == plan_pb2.ROW_OUTCOME_PROTECTED)

    await until(protected)
    answer = await house.manager(plans.CancelScheduleRequest(uid=schedule.uid, reason="the client left"))
    assert answer.status
    assert (await house.manager(GetShowRequest(uid=show.uid))).status == show_pb2.SHOW_STATUS_LIVE
    assert len((await house.manager(ListBookingsRequest(studio_uid=house.studio.uid))).bookings) == 2


async def test_a_client_sees_its_own_and_nothing_else(house: House) -> None:
    show = await confirmed_show(house, "1,Private,A,Ada,,,,2026-03-08T10:00,2026-03-08T11:00", "Private")
    own = await house.client_member(GetShowRequest(uid=show.uid))
    assert own.name == "Private"
    other = await build_house(house.suite)
    foreign = await refused(other.client_member(GetShowRequest(uid=show.uid)))
    missing_uid = show.uid[:-4] + ("0000" if show.uid[-4:] != "0000" else "0001")
    missing = await refused(other.client_member(GetShowRequest(uid=missing_uid)))
    assert (foreign.code, foreign.reason) == (missing.code, missing.reason)
    assert foreign.message.replace(show.uid, "") == missing.message.replace(missing_uid, "")
    assert not (await other.client_member(ListShowsRequest(studio_uid=house.studio.uid))).shows
