"""Bookings in people's calendars."""

from __future__ import annotations

from typing import Any

import grpc
from eridu.scheduling.v1.booking_service_pb2 import BookShowRequest, ExportCalendarRequest
from eridu.scheduling.v1.mc_service_pb2 import CreateMcRequest
from icalendar import Calendar

from libs.common import uids
from tests.support.house import House, at
from tests.support.suite import As, Suite, refused

NAME = "Müller, Maier; & \\ Söhne – a name that is so long that its line has to be folded in the file, at 75 octets"


def events_of(ics: str) -> list[Any]:
    assert all(len(line.encode()) <= 75 for line in ics.split("\r\n"))
    return list(Calendar.from_ical(ics).walk("VEVENT"))


async def exported(who: As, **wanted: Any) -> list[Any]:
    answer = await who(ExportCalendarRequest(**wanted))
    events = events_of(answer.ics)
    assert len(events) == answer.show_count
    return events


async def test_a_rooms_an_mcs_and_a_schedules_bookings_are_read_by_a_calendar(suite: Suite, house: House):
    schedule = await house.schedule()
    await house.plan(schedule, f'1,"{NAME}",A,Ada,,,,2026-03-02T10:00,2026-03-02T11:00')
    await house.confirm(schedule)
    ad_hoc = BookShowRequest(
        show_uid=uids.new("show"),
        confirmation=1,
        studio_uid=house.studio.uid,
        client_uid=house.client.uid,
        name="ad hoc",
        room_uid=house.rooms["A"].uid,
        starts_at=at("2026-03-28T23:30"),
        ends_at=at("2026-03-29T02:30"),
    )
    await suite.service("production")(ad_hoc)
    planned, other = await exported(house.member, room_uid=house.rooms["A"].uid)
    assert (str(planned["summary"]), str(planned["location"])) == (NAME, "A")
    assert planned["dtstart"].dt.isoformat() == "2026-03-02T10:00:00+00:00"
    assert (str(other["uid"]), other["dtend"].dt.isoformat()) == (
        f"{ad_hoc.show_uid}@eridu",
        "2026-03-29T02:30:00+00:00",
    )
    for wanted in ({"mc_uid": house.mcs["Ada"].uid}, {"schedule_uid": schedule.uid}):
        assert [str(one["uid"]) for one in await exported(house.member, **wanted)] == [str(planned["uid"])]
    assert len(await exported(house.client_member, schedule_uid=schedule.uid)) == 1
    assert await exported(house.member, room_uid=house.rooms["B"].uid) == []
    cut = {"ends_after": at("2026-03-02T11:00"), "starts_before": at("2026-03-28T23:31")}
    assert [str(one["summary"]) for one in await exported(house.member, room_uid=house.rooms["A"].uid, **cut)] == [
        "ad hoc"
    ]


async def test_an_mcs_calendar_is_also_for_the_user_that_the_mc_is(house: House):
    uid = house.people["stranger"].uid
    mc = await house.manager(CreateMcRequest(studio_uid=house.studio.uid, name="Zoe", user_uid=uid))
    assert await exported(house.stranger, mc_uid=mc.uid) == []
    refusal = await refused(house.client_member(ExportCalendarRequest(mc_uid=mc.uid)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "MC_NOT_FOUND")


async def test_a_calendar_is_of_one_thing(house: House):
    both = ExportCalendarRequest(room_uid=house.rooms["A"].uid, mc_uid=house.mcs["Ada"].uid)
    for request in (both, ExportCalendarRequest()):
        assert (await refused(house.member(request))).reason == "REQUEST_INVALID"
