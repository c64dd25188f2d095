"""CheckConflicts: what would be in the way of shows that nobody has planned."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.identity.v1.studio_service_pb2 import GetStudioRequest
from eridu.scheduling.v1 import schedule_pb2
from eridu.scheduling.v1.confirmation_pb2 import ValidateScheduleRequest
from eridu.scheduling.v1.conflict_pb2 import AskedSlot, CheckConflictsRequest

from libs.common import uids
from libs.common.db import Database
from tests.scheduling.planning import INVALID, NOT_FOUND, adhoc, production, row, rules, suite_of
from tests.support.house import House, at, build_house
from tests.support.statements import heard
from tests.support.suite import refused


def slot(house: House, key: str, start: str, end: str, room: str = "A", mcs: str = "", **more: Any) -> AskedSlot:
    """A slot on March 2: `slot(house, "1", "10:00", "11:00", "A", "Ada;Bob")`."""
    return AskedSlot(
        key=key,
        room_uid=house.rooms[room].uid if room else "",
        mc_uids=[house.mcs[name].uid for name in mcs.split(";") if name],
        starts_at=at(f"2026-03-02T{start}"),
        ends_at=at(f"2026-03-02T{end}"),
        **more,
    )


def question(house: House, *slots: AskedSlot) -> CheckConflictsRequest:
    return CheckConflictsRequest(studio_uid=house.studio.uid, slots=slots)


async def test_every_problem_is_named_at_once(house: House):
    booked = adhoc(house, "10:00", "11:00", mc_uids=[house.mcs["Ada"].uid])
    await production(house)(booked)
    answer = await house.member(
        question(
            house,
            slot(house, "late", "10:30", "11:30", "A", "Bob"),
            slot(house, "early", "09:30", "10:15", "B", "Ada;Bob"),
            slot(house, "same", "11:00", "12:00", "A"),
            slot(house, "free", "12:00", "13:00", "A", "Ada;Bob"),
        )
    )
    assert rules(answer.problems) == [
        ("mc_clash", "early", "Ad hoc"),
        ("room_clash", "late", "Ad hoc"),
        ("room_clash", "same", "late"),
    ]
    assert (answer.problem_count, list(answer.free_keys)) == (3, ["free"])
    mc, room, inside = answer.problems
    assert (mc.inside_plan, room.inside_plan, inside.inside_plan) == (False, False, True)
    assert {one.severity for one in answer.problems} == {schedule_pb2.SEVERITY_ERROR}
    assert (mc.resource_uid, mc.resource_name) == (house.mcs["Ada"].uid, "Ada")
    assert (getattr(room, "from"), room.until) == (at("2026-03-02T10:30"), at("2026-03-02T11:00"))
    assert room.other.show_uid == booked.show_uid
    assert room.message == "late: A is taken by Ad hoc from 2026-03-02 10:30 to 11:00 UTC"


async def test_turnaround_counts(house: House):
    await house.room("T", turnaround_before_minutes=30, turnaround_after_minutes=15)
    await production(house)(adhoc(house, "10:00", "11:00", room_uid=house.rooms["T"].uid))  # takes 09:30 to 11:15
    answer = await house.member(
        question(
            house,
            slot(house, "before", "08:00", "09:15", "T"),
            slot(house, "too close before", "08:00", "09:16", "T", name="Close"),
            slot(house, "after", "11:45", "12:00", "T"),
            slot(house, "too close after", "11:44", "12:00", "T"),
        )
    )
    world = [one for one in answer.problems if not one.inside_plan]
    assert rules(world) == [
        ("room_clash", "too close before", "Ad hoc"),
        ("room_clash", "too close after", "Ad hoc"),
    ]
    assert world[0].show.name == "Close"
    assert (getattr(world[1], "from"), world[1].until) == (at("2026-03-02T11:14"), at("2026-03-02T11:15"))


async def test_what_cannot_be_booked_by_anybody_is_named(house: House):
    async with suite_of(house).processes["scheduling"].db.writer.begin() as conn:
        await conn.exec_driver_sql(f"UPDATE room SET active = false WHERE uid = '{house.rooms['A'].uid}'")
        await conn.exec_driver_sql(f"UPDATE mc SET deleted_at = now() WHERE uid = '{house.mcs['Ada'].uid}'")
    answer = await house.member(question(house, slot(house, "1", "10:00", "11:00", "A", "Ada;Bob")))
    assert rules(answer.problems) == [("room_unavailable", "1", ""), ("mc_unavailable", "1", "")]
    assert list(answer.free_keys) == []


async def test_a_show_that_would_move_is_not_in_its_own_way(house: House):
    book = production(house)
    first, second = adhoc(house, "10:00", "11:00"), adhoc(house, "11:00", "12:00")
    await book(first)
    await book(second)
    longer = slot(house, "1", "10:30", "11:00", show_uid=first.show_uid)
    assert list((await house.member(question(house, longer))).free_keys) == ["1"]
    onto = slot(house, "1", "11:00", "12:00", show_uid=first.show_uid)
    assert rules((await house.member(question(house, onto))).problems) == [("room_clash", "1", "Ad hoc")]
    swap = question(house, onto, slot(house, "2", "10:00", "11:00", show_uid=second.show_uid))
    assert list((await house.member(swap)).free_keys) == ["1", "2"]
    unknown = slot(house, "1", "10:30", "11:00", show_uid=uids.new("show"))
    assert rules((await house.member(question(house, unknown))).problems) == [("room_clash", "1", "Ad hoc")]


async def test_it_says_what_validation_says(house: House):
    await production(house)(adhoc(house, "09:00", "10:30", mc_uids=[house.mcs["Bob"].uid]))
    times = [
        ("1", "10:00", "11:00", "A", "Ada"),
        ("2", "10:30", "11:30", "A", ""),
        ("3", "10:45", "12:00", "B", "Ada;Bob"),
        ("4", "08:00", "09:30", "B", "Bob"),
        ("5", "13:00", "14:00", "A", "Ada"),
    ]
    schedule = await house.schedule()
    await house.plan(schedule, *(row(*one) for one in times))
    validated = await house.manager(ValidateScheduleRequest(uid=schedule.uid))
    slots = (slot(house, *one, name=f"Show {one[0]}") for one in times)
    checked = await house.manager(question(house, *slots))

    def told(problems: Any) -> list[Any]:
        return sorted((one.rule, one.message, one.inside_plan, one.resource_uid, one.severity) for one in problems)

    assert told(checked.problems) == told(validated.problems)
    assert len(checked.problems) == 4


async def test_a_clients_member_learns_that_it_is_busy_and_not_by_whom(house: House):
    elsewhere = await build_house(house.suite, marker="zikkurat")
    theirs = adhoc(house, "10:00", "11:00", name="zikkuratshow", client_uid=elsewhere.client.uid)
    await production(house)(theirs)
    asked = question(house, slot(house, "1", "10:30", "11:30", name="Mine"))
    stranger = await refused(house.client_member(asked))  # the studio does nothing for this client
    assert (stranger.code, stranger.reason) == (NOT_FOUND, "STUDIO_NOT_FOUND")
    await production(house)(adhoc(house, "12:00", "13:00", name="Own"))
    answer = await house.client_member(asked)
    assert rules(answer.problems) == [("room_clash", "1", "busy")]
    assert answer.problems[0].show.name == "Mine"
    assert answer.problems[0].message == "Mine: A is taken by another show from 2026-03-02 10:30 to 11:00 UTC"
    own = await house.client_member(question(house, slot(house, "1", "12:30", "13:30")))
    assert rules(own.problems) == [("room_clash", "1", "Own")]
    # Whose show it is cannot be found out by asking to move it.
    moving = question(house, slot(house, "1", "10:30", "11:30", name="Mine", show_uid=theirs.show_uid))
    answer = await house.client_member(moving)
    assert rules(answer.problems) == [("room_clash", "1", "busy")]
    told = str(answer).replace(theirs.show_uid, "", 1)  # the question's own
    assert theirs.show_uid not in told
    assert "zikkurat" not in told
    assert elsewhere.client.uid not in told
    assert list((await elsewhere.client_member(moving)).free_keys) == ["1"]


async def test_a_schedule_is_enough_to_ask(house: House):
    await house.schedule()
    assert list((await house.client_member(question(house, slot(house, "1", "10:00", "11:00")))).free_keys) == ["1"]


async def test_who_may_not_ask_cannot_tell_the_studio_from_none(house: House):
    asked = question(house, slot(house, "1", "10:00", "11:00"))
    await house.reads_as_missing(
        asked, CheckConflictsRequest(studio_uid=uids.new("studio"), slots=asked.slots), "STUDIO_NOT_FOUND"
    )
    assert (await refused(house.stranger(GetStudioRequest(uid=house.studio.uid)))).reason == "STUDIO_NOT_FOUND"


async def test_rooms_and_mcs_that_the_studio_does_not_have_are_not_found(house: House):
    elsewhere = await build_house(house.suite)
    room, mc = await elsewhere.room("A"), await elsewhere.mc("Ada")
    for given, reason in (
        ({"room_uid": room.uid}, "ROOM_NOT_FOUND"),
        ({"mc_uids": [mc.uid]}, "MC_NOT_FOUND"),
        ({"room_uid": uids.new("room")}, "ROOM_NOT_FOUND"),
    ):
        asked = AskedSlot(key="1", starts_at=at("2026-03-02T10:00"), ends_at=at("2026-03-02T11:00"), **given)
        refusal = await refused(house.member(question(house, asked)))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, reason)


@pytest.mark.parametrize(
    "change",
    [
        {"key": ""},
        {"ends_at": at("2026-03-02T10:00")},
        {"ends_at": at("2026-03-04T10:01")},
        {"room_uid": "A"},
        {"room_uid": ""},
    ],
)
async def test_slots_that_could_never_be_are_refused_by_their_shape(house: House, change: dict[str, Any]):
    asked = slot(house, "1", "10:00", "11:00")
    for name, value in change.items():
        asked.ClearField(name)  # type: ignore[arg-type]
        asked.MergeFrom(AskedSlot(**{name: value}))
    refusal = await refused(house.member(question(house, asked)))
    assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")


async def test_keys_and_shows_come_once_and_a_thousand_slots_are_the_most(house: House):
    one = slot(house, "1", "10:00", "11:00", show_uid=uids.new("show"))
    other = slot(house, "2", "10:00", "11:00", show_uid=one.show_uid)
    for slots in ([one, slot(house, "1", "12:00", "13:00")], [one, other], []):
        refusal = await refused(house.member(question(house, *slots)))
        assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")
    many = [slot(house, str(n), "10:00", "11:00") for n in range(1001)]
    assert (await refused(house.member(question(house, *many)))).reason == "REQUEST_INVALID"
    answer = await house.member(question(house, *many[:1000]))
    assert answer.problem_count > len(answer.problems) == 2000
    assert list(answer.free_keys) == ["0"]


@pytest.mark.parametrize("count", [1, 300])
async def test_however_many_slots_take_four_statements(house: House, count: int):
    db: Database = suite_of(house).processes["scheduling"].db
    await production(house)(adhoc(house, "10:00", "23:00"))
    slots = [slot(house, str(n), f"{10 + n % 12}:00", f"{10 + n % 12}:30", "AB"[n % 2], "Ada") for n in range(count)]
    with heard(db) as said:
        assert (await house.member(question(house, *slots))).problem_count >= count // 2
    assert len(said) == 4
