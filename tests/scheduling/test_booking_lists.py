"""ListBookings: by studio, resource, client, state, instants and operational days; others' bookings as busy."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from eridu.identity.v1.studio_service_pb2 import DeleteStudioRequest
from eridu.scheduling.v1 import booking_pb2
from eridu.scheduling.v1.booking_service_pb2 import ListBookingsRequest, ReleaseShowRequest

from libs.common import uids
from tests.scheduling.planning import INVALID, NOT_FOUND, adhoc, production
from tests.support.house import House, at, build_house
from tests.support.suite import Suite, refused

CONFIRMED, RELEASED = booking_pb2.BOOKING_STATE_CONFIRMED, booking_pb2.BOOKING_STATE_RELEASED


async def listed(caller: Any, house: House, **more: Any) -> list[str]:
    """When bookings start, of all pages."""
    request = ListBookingsRequest(**{"studio_uid": house.studio.uid, **more})
    found: list[str] = []
    while True:
        page = await caller(request)
        found += [getattr(one, "from").ToJsonString()[5:16] for one in page.bookings]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


async def book(house: House, start: str, end: str, **more: Any) -> Any:
    """Book a show at any time: `book(house, "2026-03-02T10:00", "2026-03-02T11:00")`."""
    asked = adhoc(house, **more)
    asked.starts_at.CopyFrom(at(start))
    asked.ends_at.CopyFrom(at(end))
    return await production(house)(asked)


@pytest.fixture
async def brussels(suite: Suite) -> House:
    """A house whose days begin at 06:00 in Brussels."""
    house = await build_house(suite, "Europe/Brussels")
    await house.room("A")
    await house.room("T", turnaround_before_minutes=30)
    return house


async def test_a_day_is_the_studios_operational_day(brussels: House):
    for start, end in (
        ("2026-03-27T05:00", "2026-03-27T06:00"),  # 06:00 of the 27th
        ("2026-03-28T04:00", "2026-03-28T05:00"),  # the last hour of the 27th
        ("2026-03-28T05:00", "2026-03-28T06:00"),
        ("2026-03-29T03:00", "2026-03-29T04:00"),  # after the change: the last hour of the 28th
        ("2026-03-29T04:00", "2026-03-29T05:00"),
        ("2026-03-30T03:00", "2026-03-30T05:00"),  # from the 29th into the 30th
    ):
        await book(brussels, start, end)
    for days, found in (
        (("2026-03-27", "2026-03-27"), ["03-27T05:00", "03-28T04:00"]),
        (("2026-03-28", "2026-03-28"), ["03-28T05:00", "03-29T03:00"]),
        (("2026-03-29", "2026-03-29"), ["03-29T04:00", "03-30T03:00"]),
        (("2026-03-30", "2026-03-30"), ["03-30T03:00"]),
        (("2026-03-31", "2026-03-31"), []),
        (("2026-03-28", "2026-03-29"), ["03-28T05:00", "03-29T03:00", "03-29T04:00", "03-30T03:00"]),
        (("2026-03-29", ""), ["03-29T04:00", "03-30T03:00"]),
        (("", "2026-03-27"), ["03-27T05:00", "03-28T04:00"]),
    ):
        more = {"from_day": days[0], "until_day": days[1]}
        assert await listed(brussels.member, brussels, **more) == found, days
        assert await listed(brussels.member, brussels, page_size=1, **more) == found, days
        assert await listed(brussels.client_member, brussels, **more) == found, days
        assert await listed(brussels.stranger, brussels, **more) == []


async def test_instants_take_what_overlaps_them_turnaround_included(brussels: House):
    await book(brussels, "2026-03-02T10:00", "2026-03-02T11:00", room_uid=brussels.rooms["T"].uid)  # from 09:30
    await book(brussels, "2026-03-01T10:00", "2026-03-03T10:00")
    for start, until, found in (
        ("2026-03-02T08:00", "2026-03-02T09:30", ["03-01T10:00"]),
        ("2026-03-02T08:00", "2026-03-02T09:31", ["03-01T10:00", "03-02T09:30"]),
        ("2026-03-02T11:00", "2026-03-02T12:00", ["03-01T10:00"]),
        ("2026-03-03T10:00", "", []),
        ("2026-03-03T09:59", "", ["03-01T10:00"]),
        ("", "2026-03-01T10:00", []),
        ("", "2026-03-01T10:01", ["03-01T10:00"]),
    ):
        times = {name: at(text) for name, text in (("from", start), ("until", until)) if text}
        assert await listed(brussels.member, brussels, **times) == found, (start, until)


async def test_states(house: House):
    gone = await book(house, "2026-03-02T10:00", "2026-03-02T11:00")
    await production(house)(ReleaseShowRequest(show_uid=gone.show_uid, confirmation=1, reason="ill"))
    await book(house, "2026-03-02T12:00", "2026-03-02T13:00")
    assert await listed(house.member, house) == ["03-02T12:00"]
    assert await listed(house.member, house, states=[CONFIRMED]) == ["03-02T12:00"]
    assert await listed(house.member, house, states=[RELEASED]) == ["03-02T10:00"]
    assert await listed(house.member, house, states=[RELEASED, CONFIRMED]) == ["03-02T10:00", "03-02T12:00"]
    assert await listed(house.member, house, show_released=True) == ["03-02T10:00", "03-02T12:00"]


async def test_a_clients_member_sees_its_own_in_full_and_others_as_busy(house: House):
    other = await build_house(house.suite, marker="zikkurat")
    theirs = await book(house, "2026-03-02T10:00", "2026-03-02T11:00", client_uid=other.client.uid, name="zikkuratshow")
    gone = await book(house, "2026-03-02T14:00", "2026-03-02T15:00", client_uid=other.client.uid)
    await production(house)(ReleaseShowRequest(show_uid=gone.show_uid, confirmation=1, reason="ill"))
    request = ListBookingsRequest(studio_uid=house.studio.uid, show_busy=True)
    assert not (await house.client_member(request)).bookings  # the studio does nothing for this client
    own = await book(house, "2026-03-02T12:00", "2026-03-02T13:00")

    busy, mine = (await house.client_member(request)).bookings
    assert (mine.show_uid, mine.client_uid, mine.busy) == (own.show_uid, house.client.uid, False)
    start: dict[str, Any] = {"from": at("2026-03-02T10:00")}
    assert busy == booking_pb2.Booking(
        **start,
        until=at("2026-03-02T11:00"),
        studio_uid=house.studio.uid,
        resource_kind=booking_pb2.RESOURCE_KIND_ROOM,
        resource_uid=house.rooms["A"].uid,
        state=CONFIRMED,
        busy=True,
    )
    # Not by pages, not by days, not with the released ones, not by asking whose or which it is.
    page = await house.client_member(ListBookingsRequest(studio_uid=house.studio.uid, show_busy=True, page_size=1))
    token = base64.urlsafe_b64decode(page.next_page_token).decode()
    for more in (
        {},
        {"show_released": True},
        {"from_day": "2026-03-02", "until_day": "2026-03-02"},
        {"client_uid": other.client.uid},
        {"show_uid": theirs.show_uid},
        {"resource_uid": house.rooms["A"].uid},
    ):
        told = str(await house.client_member(ListBookingsRequest(studio_uid=house.studio.uid, show_busy=True, **more)))
        for secret in (theirs.show_uid, gone.show_uid, other.client.uid, "zikkurat"):
            assert secret not in told + token, more
        hidden = "client_uid" in more or "show_uid" in more
        assert told.count("busy") == (0 if hidden else 1), more
    assert await listed(house.client_member, house) == ["03-02T12:00"]
    assert await listed(house.client_member, house, show_busy=True, page_size=1) == ["03-02T10:00", "03-02T12:00"]
    assert await listed(house.stranger, house, show_busy=True) == []
    assert await listed(other.manager, house, show_busy=True) == []
    full = (await house.member(request)).bookings
    assert [one.busy for one in full] == [False, False]
    assert full[0].show_uid == theirs.show_uid


@pytest.mark.parametrize(
    "more",
    [
        {"from_day": "2026-3-2"},
        {"from_day": "2026-03-02", "from": at("2026-03-02T10:00")},
        {"states": [0]},
    ],
)
async def test_what_cannot_be_asked_is_refused_by_its_shape(house: House, more: dict[str, Any]):
    refusal = await refused(house.member(ListBookingsRequest(studio_uid=house.studio.uid, **more)))
    assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")


@pytest.mark.parametrize("more", [{"from_day": "2026-03-02"}, {"until_day": "2026-03-02"}, {"show_busy": True}])
async def test_days_and_busy_need_a_studio(house: House, more: dict[str, Any]):
    refusal = await refused(house.member(ListBookingsRequest(client_uid=house.client.uid, **more)))
    assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")


async def test_periods_that_are_none_are_refused(house: House):
    for more, reason in (
        ({"from_day": "2026-02-29"}, "DAY_INVALID"),
        ({"from_day": "2026-03-02", "until_day": "2026-03-01"}, "PERIOD_INVALID"),
        ({"from": at("2026-03-02T10:00"), "until": at("2026-03-02T10:00")}, "PERIOD_INVALID"),
    ):
        refusal = await refused(house.member(ListBookingsRequest(studio_uid=house.studio.uid, **more)))
        assert (refusal.code, refusal.reason) == (INVALID, reason)


async def test_a_token_belongs_to_its_period(house: House):
    await book(house, "2026-03-02T10:00", "2026-03-02T11:00")
    await book(house, "2026-03-02T12:00", "2026-03-02T13:00")
    page = ListBookingsRequest(studio_uid=house.studio.uid, from_day="2026-03-02", page_size=1)
    token = (await house.member(page)).next_page_token
    other = ListBookingsRequest(studio_uid=house.studio.uid, from_day="2026-03-01", page_token=token)
    assert (await refused(house.member(other))).reason == "PAGE_TOKEN_INVALID"


async def test_days_of_a_studio_that_is_gone_are_not_found_by_those_who_see_all(house: House):
    gone = await build_house(house.suite)
    await house.root(DeleteStudioRequest(uid=gone.studio.uid))
    for uid in (gone.studio.uid, uids.new("studio")):
        refusal = await refused(house.root(ListBookingsRequest(studio_uid=uid, from_day="2026-03-02")))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, "STUDIO_NOT_FOUND")
