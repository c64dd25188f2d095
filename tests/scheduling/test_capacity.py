"""FindFreeSlots and GetUtilisation: where a show could be, and how much is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from eridu.scheduling.v1.blackout_service_pb2 import CreateBlackoutRequest
from eridu.scheduling.v1.booking_service_pb2 import ReleaseShowRequest
from eridu.scheduling.v1.capacity_pb2 import BookableHours, FindFreeSlotsRequest, GetUtilisationRequest
from eridu.scheduling.v1.conflict_pb2 import AskedSlot, CheckConflictsRequest
from eridu.scheduling.v1.schedule_pb2 import RULE_BLACKOUT
from google.protobuf.timestamp_pb2 import Timestamp

from libs.common import uids
from libs.common.db import Database
from tests.scheduling.planning import FAILED, INVALID, NOT_FOUND, adhoc, production, suite_of
from tests.scheduling.test_booking_lists import book
from tests.support.house import House, at, build_house
from tests.support.statements import heard
from tests.support.suite import Suite, refused

DAY: dict[str, Any] = {"from": at("2026-03-02T08:00"), "until": at("2026-03-02T18:00")}


def hours(start: str, until: str) -> BookableHours:
    return BookableHours(**{"from": start, "until": until})


def search(house: House, minutes: int = 60, **more: Any) -> FindFreeSlotsRequest:
    """A show that looks for a place on March 2, 08:00 to 18:00, unless `more` says otherwise."""
    period = {} if "from_day" in more else DAY
    return FindFreeSlotsRequest(
        **{"studio_uid": house.studio.uid, "duration_minutes": minutes, "most": 100, **period, **more}
    )


async def free(house: House, minutes: int = 60, **more: Any) -> list[str]:
    """Where the show could be, in short: room, first and last start."""
    answer = await house.member(search(house, minutes, **more))
    return [
        f"{one.room_name} {one.starts_at.ToJsonString()[8:16]} {one.latest_starts_at.ToJsonString()[8:16]}"
        for one in answer.slots
    ]


async def test_free_is_what_bookings_leave(house: House):
    ada = house.mcs["Ada"].uid
    await production(house)(adhoc(house, "10:00", "11:00", mc_uids=[ada]))
    await production(house)(adhoc(house, "11:30", "12:30"))
    gone = adhoc(house, "14:00", "15:00")
    await production(house)(gone)
    await production(house)(ReleaseShowRequest(show_uid=gone.show_uid, confirmation=1, reason="ill"))
    assert await free(house) == ["A 02T08:00 02T09:00", "B 02T08:00 02T17:00", "A 02T12:30 02T17:00"]
    assert await free(house, 30) == [
        "A 02T08:00 02T09:30",
        "B 02T08:00 02T17:30",
        "A 02T11:00 02T11:00",
        "A 02T12:30 02T17:30",
    ]
    assert await free(house, 600) == ["B 02T08:00 02T08:00"]
    assert await free(house, 601) == []
    assert await free(house, mc_uids=[ada]) == [
        "A 02T08:00 02T09:00",
        "B 02T08:00 02T09:00",
        "B 02T11:00 02T17:00",
        "A 02T12:30 02T17:00",
    ]
    assert await free(house, most=1) == ["A 02T08:00 02T09:00"]
    (one,) = (await house.member(search(house, 90, most=1))).slots
    assert (one.room_uid, one.ends_at) == (house.rooms["A"].uid, at("2026-03-02T09:30"))


async def test_a_slot_keeps_away_by_the_rooms_turnaround(house: House):
    await house.room("T", turnaround_before_minutes=30, turnaround_after_minutes=15)
    turned = house.rooms["T"].uid
    await book(house, "2026-03-02T12:00", "2026-03-02T13:00", room_uid=turned)  # takes 11:30 to 13:15
    await book(house, "2026-03-02T06:00", "2026-03-02T07:45", room_uid=turned)  # takes until 08:00
    assert await free(house, room_uids=[turned]) == ["T 02T08:30 02T10:15", "T 02T13:45 02T17:00"]
    for start, end in (("10:15", "11:15"), ("13:45", "14:45"), ("17:00", "18:00")):
        await production(house)(adhoc(house, start, end, room_uid=turned))


async def test_nothing_is_free_in_a_blackout_and_what_if_says_so(house: House):
    room, ada = house.rooms["A"].uid, house.mcs["Ada"].uid
    for uid, start, end in ((room, "09:00", "12:00"), (ada, "13:00", "14:00")):
        starts_at, ends_at = at(f"2026-03-02T{start}"), at(f"2026-03-02T{end}")
        closing = CreateBlackoutRequest(resource_uid=uid, starts_at=starts_at, ends_at=ends_at, reason="x")
        await house.manager(closing)
    free_now = await free(house, room_uids=[room], mc_uids=[ada])
    assert free_now == ["A 02T08:00 02T08:00", "A 02T12:00 02T12:00", "A 02T14:00 02T17:00"]
    slot = AskedSlot(key="1", room_uid=room, starts_at=at("2026-03-02T11:30"), ends_at=at("2026-03-02T12:30"))
    answer = await house.member(CheckConflictsRequest(studio_uid=house.studio.uid, slots=[slot]))
    assert [one.rule for one in answer.problems] == [RULE_BLACKOUT]
    assert not answer.free_keys


async def test_rooms_are_chosen_by_what_they_can(house: House):
    await house.room("Green", capabilities=["green_screen", "kitchen"], capacity=10)
    await house.room("Small", capabilities=["green_screen"], capacity=2)
    async with suite_of(house).processes["scheduling"].db.writer.begin() as conn:
        await conn.exec_driver_sql(f"UPDATE room SET active = false WHERE uid = '{house.rooms['B'].uid}'")

    async def rooms(**more: Any) -> list[str]:
        return [one.split()[0] for one in await free(house, **more)]

    assert await rooms() == ["A", "Green", "Small"]
    assert await rooms(capabilities=["green_screen"]) == ["Green", "Small"]
    assert await rooms(capabilities=["kitchen", "green_screen"]) == ["Green"]
    assert await rooms(capabilities=["pool"]) == []
    assert await rooms(least_capacity=2) == ["Green", "Small"]
    assert await rooms(least_capacity=3, capabilities=["green_screen"]) == ["Green"]
    assert await rooms(room_uids=[house.rooms["Small"].uid, house.rooms["B"].uid]) == ["Small"]


async def test_bookable_hours_and_days_are_the_studios_own_when_the_clock_changes(suite: Suite):
    house = await build_house(suite, "Europe/Brussels", operational_day_start="06:00")
    await house.room("A")
    days: dict[str, Any] = {"from_day": "2026-03-28", "until_day": "2026-03-29"}
    assert await free(house, hours=hours("08:00", "18:00"), **days) == ["A 28T07:00 28T16:00", "A 29T06:00 29T15:00"]
    night = hours("22:00", "04:00")
    assert await free(house, 300, hours=night, **days) == ["A 28T21:00 28T21:00", "A 29T20:00 29T21:00"]
    assert await free(house, 360, hours=night, **days) == ["A 29T20:00 29T20:00"]
    autumn: dict[str, Any] = {"from_day": "2026-10-24", "until_day": "2026-10-24"}
    assert await free(house, 420, hours=night, **autumn) == ["A 24T20:00 24T20:00"]
    assert await free(house, 25 * 60, **autumn) == ["A 24T04:00 24T04:00"]
    assert await free(house, 1501, **autumn) == []
    whole = hours("00:00", "00:00")
    assert await free(house, 24 * 60, hours=whole, **days) == ["A 28T05:00 29T04:00"]


async def test_free_slots_are_refused_with_reason(house: House):
    elsewhere = await build_house(house.suite)
    room, mc = await elsewhere.room("A"), await elsewhere.mc("Ada")
    async with suite_of(house).processes["scheduling"].db.writer.begin() as conn:
        await conn.exec_driver_sql(f"UPDATE mc SET deleted_at = now() WHERE uid = '{house.mcs['Bob'].uid}'")
    for more, code, reason in (
        ({"room_uids": [room.uid]}, NOT_FOUND, "ROOM_NOT_FOUND"),
        ({"mc_uids": [mc.uid]}, NOT_FOUND, "MC_NOT_FOUND"),
        ({"mc_uids": [house.mcs["Bob"].uid]}, FAILED, "MC_UNAVAILABLE"),
        ({"until": at("2026-03-02T08:00")}, INVALID, "PERIOD_INVALID"),
        ({"until": at("2026-06-02T08:00")}, INVALID, "PERIOD_INVALID"),
        ({"from_day": "2026-03-02", "until_day": "2026-02-30"}, INVALID, "DAY_INVALID"),
        ({"from_day": "2026-03-02"}, INVALID, "REQUEST_INVALID"),
        ({"from_day": "2026-03-02", "until_day": "2026-03-02", **DAY}, INVALID, "REQUEST_INVALID"),
        ({"duration_minutes": 0}, INVALID, "REQUEST_INVALID"),
        ({"duration_minutes": 2881}, INVALID, "REQUEST_INVALID"),
        ({"most": 101}, INVALID, "REQUEST_INVALID"),
        ({"hours": hours("24:00", "08:00")}, INVALID, "REQUEST_INVALID"),
    ):
        refusal = await refused(house.member(search(house, **more)))
        assert (refusal.code, refusal.reason) == (code, reason), more


async def test_only_the_studios_own_may_look(house: House):
    await production(house)(adhoc(house))  # also not a client that the studio works for
    await house.reads_as_missing(search(house), search(house, studio_uid=uids.new("studio")), "STUDIO_NOT_FOUND")
    use: dict[str, Any] = {"from_day": "2026-03-02", "until_day": "2026-03-02"}
    hidden = GetUtilisationRequest(studio_uid=house.studio.uid, **use)
    await house.reads_as_missing(
        hidden, GetUtilisationRequest(studio_uid=uids.new("studio"), **use), "STUDIO_NOT_FOUND"
    )
    assert (await production(house)(search(house))).slots


async def test_what_is_free_has_no_conflict_and_nothing_free_is_left_out(house: House):
    """Hundreds of starts, held against CheckConflicts, which goes another way."""
    random = Random(7)
    await house.room("T", turnaround_before_minutes=10, turnaround_after_minutes=25)
    turned, ada = house.rooms["T"].uid, house.mcs["Ada"].uid
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    minute = 6 * 60
    while minute < 50 * 60:
        times = [f"{midnight + timedelta(minutes=one):%Y-%m-%dT%H:%M}" for one in (minute, minute + 45)]
        await book(house, *times, room_uid=turned, mc_uids=[ada] if random.random() < 0.3 else [])
        if random.random() < 0.3:  # Ada alone, in between
            times = [f"{midnight + timedelta(minutes=one):%Y-%m-%dT%H:%M}" for one in (minute + 80, minute + 95)]
            await book(house, *times, room_uid="", mc_uids=[ada])
        minute += 100 + random.randint(0, 120)
    until = Timestamp(seconds=DAY["from"].seconds + 36 * 3600)
    found = (await house.member(search(house, 20, room_uids=[turned], mc_uids=[ada], until=until))).slots
    assert len(found) > 5
    asked = []
    for second in range(DAY["from"].seconds, until.seconds - 1200, 300):
        slot = AskedSlot(key=str(second), room_uid=turned, mc_uids=[ada])
        slot.starts_at.seconds, slot.ends_at.seconds = second, second + 1200
        asked.append(slot)
    refused_keys = set()
    for n in range(12):  # an hour between the slots of one question: none is in another's way
        request = CheckConflictsRequest(studio_uid=house.studio.uid, slots=asked[n::12])
        answer = await house.member(request)
        refused_keys |= {slot.key for slot in request.slots} - set(answer.free_keys)

    def is_free(start: Timestamp) -> bool:
        return any(one.starts_at.seconds <= start.seconds <= one.latest_starts_at.seconds for one in found)

    assert {slot.key for slot in asked if not is_free(slot.starts_at)} == refused_keys
    assert 0 < len(refused_keys) < len(asked)


async def used(house: House, **more: Any) -> list[tuple[Any, ...]]:
    """Who is taken how much, in short, of all pages."""
    request = GetUtilisationRequest(**{"studio_uid": house.studio.uid, **({} if "from_day" in more else DAY), **more})
    found: list[tuple[Any, ...]] = []
    while True:
        answer = await house.member(request)
        found += [
            (one.resource_name, one.booking_count, one.booked_minutes, one.booked_bookable_minutes, round(one.share, 3))
            for one in answer.utilisations
        ]
        request.page_token = answer.next_page_token
        if not answer.next_page_token:
            return found


async def test_utilisation_counts_and_measures(house: House):
    await house.room("T", turnaround_before_minutes=30, turnaround_after_minutes=30)
    ada = house.mcs["Ada"].uid
    await production(house)(adhoc(house, "07:30", "08:30", mc_uids=[ada]))  # half of it before the period
    await production(house)(adhoc(house, "10:00", "11:30"))
    await production(house)(adhoc(house, "12:00", "13:00", room_uid=house.rooms["T"].uid))
    await production(house)(adhoc(house, "18:00", "19:00"))  # after it
    gone = adhoc(house, "14:00", "15:00")
    await production(house)(gone)
    await production(house)(ReleaseShowRequest(show_uid=gone.show_uid, confirmation=1, reason="ill"))
    whole = [
        ("A", 2, 120, 120, 0.2),
        ("B", 0, 0, 0, 0),
        ("T", 1, 120, 120, 0.2),
        ("Ada", 1, 30, 30, 0.05),
        ("Bob", 0, 0, 0, 0),
    ]
    assert await used(house) == whole
    assert await used(house, page_size=2) == whole
    assert await used(house, resource_kind=1) == whole[:3]
    assert await used(house, resource_kind=2) == whole[3:]
    morning = await used(house, hours=hours("08:00", "11:00"))
    assert morning[0] == ("A", 2, 120, 90, 0.5)
    assert morning[2] == ("T", 1, 120, 0, 0)
    request = GetUtilisationRequest(studio_uid=house.studio.uid, hours=hours("08:00", "11:00"), **DAY)
    answer = await house.member(request)
    assert answer.utilisations[0].bookable_minutes == 180
    assert (getattr(answer, "from"), answer.until) == (DAY["from"], DAY["until"])


async def test_utilisation_of_days_when_the_clock_changes_and_of_what_was_deleted(suite: Suite):
    house = await build_house(suite, "Europe/Brussels")
    await house.room("A")
    await book(house, "2026-10-24T04:00", "2026-10-25T05:00")
    one_day = {"from_day": "2026-10-24", "until_day": "2026-10-24"}
    assert await used(house, **one_day) == [("A", 1, 25 * 60, 25 * 60, 1)]
    assert await used(house, hours=hours("22:00", "04:00"), **one_day) == [("A", 1, 25 * 60, 7 * 60, 1)]
    async with suite.processes["scheduling"].db.writer.begin() as conn:
        await conn.exec_driver_sql(f"UPDATE room SET deleted_at = now() WHERE uid = '{house.rooms['A'].uid}'")
    assert await used(house, **one_day) == []
    assert await used(house, show_deleted=True, **one_day) == [("A", 1, 25 * 60, 25 * 60, 1)]


async def test_utilisation_is_refused_with_reason(house: House):
    for more, reason in (
        ({"until": at("2027-03-05T08:00")}, "PERIOD_INVALID"),
        ({"from_day": "2026-02-30", "until_day": "2026-03-02"}, "DAY_INVALID"),
        ({"page_token": "x"}, "PAGE_TOKEN_INVALID"),
    ):
        period = {} if "from_day" in more else DAY
        request = GetUtilisationRequest(**{"studio_uid": house.studio.uid, **period, **more})
        refusal = await refused(house.member(request))
        assert (refusal.code, refusal.reason) == (INVALID, reason)


@pytest.mark.parametrize("rooms", [1, 30])
async def test_however_many_rooms_take_one_statement(house: House, rooms: int):
    for n in range(rooms):
        await house.room(f"R{n}")
    db: Database = suite_of(house).processes["scheduling"].db
    with heard(db) as said:
        await house.member(search(house))
        await house.member(GetUtilisationRequest(studio_uid=house.studio.uid, **DAY))
    assert len(said) == 2
