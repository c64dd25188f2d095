"""Bookings through the RPCs: production books and releases single shows, people list what is booked."""

from __future__ import annotations

from typing import Any

import grpc
from eridu.scheduling.v1 import booking_pb2, confirmation_pb2, plan_pb2
from eridu.scheduling.v1.booking_service_pb2 import ListBookingsRequest, ReleaseShowRequest
from eridu.scheduling.v1.mc_service_pb2 import DeleteMcRequest
from eridu.scheduling.v1.room_service_pb2 import UpdateRoomRequest

from libs.common import uids
from tests.scheduling.planning import (
    FAILED,
    INVALID,
    NOT_FOUND,
    Asks,
    adhoc,
    in_force,
    outcomes,
    production,
    row,
    show_uids,
    suite_of,
)
from tests.support.house import House, at, build_house
from tests.support.suite import Suite, refused


def release(request: Any, confirmation: int = 0) -> ReleaseShowRequest:
    """Give back what was asked for."""
    return ReleaseShowRequest(
        show_uid=request.show_uid, confirmation=confirmation or request.confirmation, reason="ill"
    )


async def test_booking_twice_answers_the_same_and_writes_once(house: House, ask: Asks) -> None:
    book = production(house)
    request = adhoc(house, mc_uids=[house.mcs["Ada"].uid])
    first = await book(request)
    assert (first.confirmation, first.version, first.in_force) == (1, 1, True)
    before = await ask.ledger(house)
    assert await book(request) == first
    assert await ask.ledger(house) == before
    assert sorted(await in_force(house)) == [("10:00-11:00", "A"), ("10:00-11:00", "Ada")]


async def test_booking_otherwise_moves(house: House, ask: Asks) -> None:
    book = production(house)
    request = adhoc(house)
    await book(request)
    moved = adhoc(house, "10:30", "12:00", show_uid=request.show_uid)
    assert (await book(moved)).version == 2
    assert await in_force(house) == [("10:30-12:00", "A")]
    assert (await ask.ledger(house))[-2:] == ["booking.confirmed", "booking.moved"]
    blocked = adhoc(house, "12:00", "13:00")
    await book(blocked)
    refusal = await refused(book(adhoc(house, "11:30", "12:30", show_uid=request.show_uid)))
    assert refusal.reason == "SLOT_TAKEN"
    assert await in_force(house) == [("10:30-12:00", "A"), ("12:00-13:00", "A")]


async def test_a_taken_slot_is_refused_with_the_facts_of_the_other_show(house: House) -> None:
    schedule = await house.schedule()
    shows = show_uids(await house.plan(schedule, row("1", "10:00", "11:00")))
    await house.confirm(schedule)
    request = adhoc(house, "10:30", "11:30")
    named = await refused(production(house)(request))
    assert (named.code, named.reason) == (FAILED, "SLOT_TAKEN")
    assert named.facts == {
        "resource_uid": house.rooms["A"].uid,
        "resource_name": "A",
        "show_uid": shows["1"],
        "show_name": "Show 1",
        "schedule_uid": schedule.uid,
        "busy": "false",
        "from": "2026-03-02T10:30:00Z",
        "until": "2026-03-02T11:00:00Z",
    }
    stranger = house.people["stranger"]
    hidden = await refused(suite_of(house).service("production", on_behalf_of=stranger.ext_id)(request))
    assert (hidden.reason, hidden.facts["busy"], hidden.facts["show_name"]) == ("SLOT_TAKEN", "true", "")
    assert "Show 1" not in hidden.message
    assert await in_force(house) == [("10:00-11:00", "A")]


async def test_a_release_gives_back_and_repeats_its_answer(house: House, ask: Asks) -> None:
    book = production(house)
    request = adhoc(house)
    await book(request)
    released = await book(release(request))
    assert (released.in_force, released.version) == (False, 2)
    before = await ask.ledger(house)
    assert await book(release(request)) == released
    assert await ask.ledger(house) == before
    assert before[-1] == "booking.released"
    assert await in_force(house) == []
    refusal = await refused(book(request))
    assert (refusal.code, refusal.reason) == (FAILED, "CONFIRMATION_RELEASED")
    again = await book(adhoc(house, show_uid=request.show_uid, confirmation=2))
    assert (again.confirmation, again.version, again.in_force) == (2, 3, True)
    assert (await ask.ledger(house))[-1] == "booking.confirmed"
    old = await refused(book(request))
    assert (old.code, old.reason) == (FAILED, "CONFIRMATION_OLD")
    assert (await book(release(request))).in_force  # an old number's late release touches nothing
    assert await in_force(house) == [("10:00-11:00", "A")]


async def test_a_release_before_the_booking_leaves_a_tombstone(house: House) -> None:
    book = production(house)
    request = adhoc(house)
    tombstone = await book(release(request))
    assert (tombstone.in_force, tombstone.confirmation) == (False, 1)
    assert (await refused(book(request))).reason == "CONFIRMATION_RELEASED"
    second = await book(adhoc(house, show_uid=request.show_uid, confirmation=2))
    assert (second.studio_uid, second.client_uid, second.in_force) == (house.studio.uid, house.client.uid, True)
    assert await in_force(house) == [("10:00-11:00", "A")]


async def test_a_later_number_while_the_old_one_is_in_force_is_a_new_confirmation(house: House, ask: Asks) -> None:
    book = production(house)
    request = adhoc(house)
    await book(request)
    second = await book(adhoc(house, show_uid=request.show_uid, confirmation=2))
    assert (second.confirmation, second.version) == (2, 2)
    assert (await ask.ledger(house))[-1] == "booking.confirmed"
    assert await in_force(house) == [("10:00-11:00", "A")]


async def test_rooms_and_mcs_of_another_studio_are_not_found(house: House) -> None:
    elsewhere = await build_house(house.suite)
    room, mc = await elsewhere.room("A"), await elsewhere.mc("Ada")
    for more, reason in (
        ({"room_uid": room.uid}, "ROOM_NOT_FOUND"),
        ({"mc_uids": [mc.uid]}, "MC_NOT_FOUND"),
        ({"room_uid": uids.new("room")}, "ROOM_NOT_FOUND"),
        ({"mc_uids": [uids.new("mc")]}, "MC_NOT_FOUND"),
    ):
        refusal = await refused(production(house)(adhoc(house, **more)))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, reason)
    assert await in_force(house, show_released=True) == []


async def test_a_room_that_is_closed_cannot_be_booked(house: House) -> None:
    await house.manager(UpdateRoomRequest(uid=house.rooms["A"].uid, active=False))
    await house.manager(DeleteMcRequest(uid=house.mcs["Ada"].uid))
    refusal = await refused(production(house)(adhoc(house)))
    assert (refusal.code, refusal.reason, refusal.facts["name"]) == (FAILED, "ROOM_UNAVAILABLE", "A")
    refusal = await refused(production(house)(adhoc(house, room_uid="", mc_uids=[house.mcs["Ada"].uid])))
    assert (refusal.code, refusal.reason) == (FAILED, "MC_UNAVAILABLE")


async def test_what_could_never_be_booked_is_refused_by_its_shape(house: House) -> None:
    for more in (
        {"ends_at": at("2026-03-02T10:00")},
        {"ends_at": at("2026-03-04T10:01")},
        {"starts_at": at("1999-12-31T10:00"), "ends_at": at("1999-12-31T11:00")},
        {"mc_uids": [house.rooms["A"].uid]},
        {"mc_uids": ["Ada"]},
        {"platform_uids": ["tube"]},
        {"confirmation": 0},
    ):
        refusal = await refused(production(house)(adhoc(house, **more)))
        assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")


async def test_a_planned_show_is_booked_by_its_schedule_only(house: House) -> None:
    schedule = await house.schedule()
    shows = show_uids(await house.plan(schedule, row("1", "10:00", "11:00")))
    refusal = await refused(production(house)(adhoc(house, show_uid=shows["1"])))
    assert (refusal.code, refusal.reason) == (FAILED, "PLANNED_IN_SCHEDULE")
    assert refusal.facts == {"schedule_uid": schedule.uid}


async def test_a_planned_show_that_is_released_stays_cancelled(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    shows = show_uids(await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "11:00", "12:00")))
    await house.confirm(schedule)
    released = await production(house)(ReleaseShowRequest(show_uid=shows["1"], confirmation=1, reason="ill"))
    assert (released.in_force, released.schedule_uid, released.external_id) == (False, schedule.uid, "1")
    assert (await ask.ledger(house))[-2:] == ["booking.released", "plan.changed"]
    listed = (await house.manager(plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule.uid))).planned_shows
    assert [one.cancelled for one in listed] == [True, False]
    assert outcomes(await house.confirm(schedule, propose=False)) == {"1": "cancelled", "2": "unchanged"}
    assert await in_force(house) == [("11:00-12:00", "A")]


async def test_a_planned_show_that_is_released_before_it_is_booked_is_never_booked(house: House) -> None:
    schedule = await house.schedule()
    shows = show_uids(await house.plan(schedule, row("1", "10:00", "11:00")))
    tombstone = await production(house)(ReleaseShowRequest(show_uid=shows["1"], confirmation=1, reason="ill"))
    assert (tombstone.studio_uid, tombstone.name, tombstone.in_force) == (house.studio.uid, "Show 1", False)
    assert outcomes(await house.confirm(schedule)) == {"1": "cancelled"}


async def test_bookings_are_listed_by_start_to_those_who_may_see_them(house: House) -> None:
    elsewhere = await build_house(house.suite)
    book = production(house)
    ada, bob = house.mcs["Ada"].uid, house.mcs["Bob"].uid
    first = await book(adhoc(house, "08:00", "09:00", mc_uids=[ada]))
    await book(adhoc(house, "10:00", "11:00", mc_uids=[bob], client_uid=elsewhere.client.uid))
    await book(adhoc(house, "12:00", "13:00", room_uid=house.rooms["B"].uid))
    gone = adhoc(house, "14:00", "15:00")
    await book(gone)
    await book(release(gone))

    async def listed(caller: Any, **more: Any) -> list[str]:
        request = ListBookingsRequest(**({"studio_uid": house.studio.uid} | more))
        names = {one.uid: name for name, one in (*house.rooms.items(), *house.mcs.items())}
        found: list[str] = []
        while True:
            page = await caller(request)
            assert len(page.bookings) <= (request.page_size or 50)
            found += [
                f"{getattr(one, 'from').ToJsonString()[11:13]} {names[one.resource_uid]}" for one in page.bookings
            ]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    whole = await listed(house.member)
    assert [one[:2] for one in whole] == ["08", "08", "10", "10", "12"]
    assert await listed(house.member, page_size=3) == whole
    assert await listed(book) == whole
    assert await listed(house.member, show_released=True) == [*whole, "14 A"]
    assert await listed(house.member, resource_uid=house.rooms["A"].uid) == ["08 A", "10 A"]
    assert await listed(house.member, resource_kind=booking_pb2.RESOURCE_KIND_MC) == ["08 Ada", "10 Bob"]
    assert sorted(await listed(house.member, show_uid=first.show_uid)) == ["08 A", "08 Ada"]
    assert await listed(house.member, client_uid=elsewhere.client.uid) == whole[2:4]
    assert await listed(house.client_member) == [*whole[:2], "12 B"]
    assert await listed(elsewhere.client_member) == whole[2:4]
    assert await listed(elsewhere.manager) == []
    assert await listed(house.stranger) == []
    refusal = await refused(house.member(ListBookingsRequest(studio_uid=house.studio.uid, page_token="x")))
    assert (refusal.code, refusal.reason) == (INVALID, "PAGE_TOKEN_INVALID")
    assert (await refused(house.member(ListBookingsRequest()))).code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_released_booking_says_so(house: House) -> None:
    request = adhoc(house)
    await production(house)(request)
    await production(house)(release(request))
    answer = await house.member(ListBookingsRequest(studio_uid=house.studio.uid, show_released=True))
    (booking,) = answer.bookings
    assert booking.state == booking_pb2.BOOKING_STATE_RELEASED
    assert booking.HasField("released_at")
    assert (booking.confirmation, booking.client_uid) == (1, house.client.uid)


async def test_shows_over_midnight_and_the_change_of_clocks_take_the_time_that_passes(suite: Suite) -> None:
    house = await build_house(suite, "Europe/Brussels")
    await house.room("A")
    schedule = await house.schedule(start="2026-03-01T00:00", end="2026-11-01T00:00")
    await house.plan(
        schedule,
        "1,Spring,A,,,,,2026-03-28T23:00,2026-03-29T04:00",
        "2,After,A,,,,,2026-03-29T04:00,2026-03-29T05:00",
        "3,Autumn,A,,,,,2026-10-24T23:00,2026-10-25T02:30+01:00",
        "4,Twice,A,,,,,2026-10-25T02:15+01:00,2026-10-25T05:00",
    )
    answer = await house.confirm(schedule, confirmation_pb2.CONFIRM_MODE_BEST_EFFORT)
    assert outcomes(answer) == {"1": "booked", "2": "booked", "3": "booked", "4": "refused"}
    assert await in_force(house) == [("22:00-02:00", "A"), ("02:00-03:00", "A"), ("21:00-01:30", "A")]
