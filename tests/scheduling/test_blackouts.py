"""Blackouts through the RPCs: what they find, what they keep out, who may make them."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.scheduling.v1 import blackout_service_pb2 as api
from eridu.scheduling.v1 import booking_pb2, confirmation_pb2, events_pb2, schedule_pb2
from eridu.scheduling.v1.booking_service_pb2 import ReleaseShowRequest
from eridu.scheduling.v1.schedule_request_pb2 import ReviseScheduleRequest

from libs.common import uids
from tests.scheduling.kinds import named
from tests.scheduling.planning import (
    ABORTED,
    BEST_EFFORT,
    DENIED,
    FAILED,
    INVALID,
    NOT_FOUND,
    VALIDATE_ONLY,
    Asks,
    adhoc,
    in_force,
    outcomes,
    production,
    row,
    rules,
    suite_of,
)
from tests.support.house import House, at, build_house
from tests.support.suite import refused, request_id


def closing(resource: Any, start: str = "10:00", end: str = "12:00", **more: Any) -> api.CreateBlackoutRequest:
    """A blackout on March 2."""
    given: dict[str, Any] = {
        "resource_uid": resource.uid,
        "starts_at": at(f"2026-03-02T{start}"),
        "ends_at": at(f"2026-03-02T{end}"),
        "reason": "works",
    }
    return api.CreateBlackoutRequest(**given | more)


async def revise(house: House, schedule: Any) -> None:
    await house.manager(ReviseScheduleRequest(uid=schedule.uid))


async def test_a_blackout_names_what_is_booked_in_it_and_leaves_it(house: House, ask: Asks) -> None:
    book = production(house)
    for start, end in (("08:00", "10:00"), ("09:00", "10:30"), ("11:30", "13:00"), ("12:00", "13:00")):
        room = house.rooms["A" if start in ("08:00", "11:30") else "B"]
        await book(adhoc(house, start, end, name=f"At {start}", room_uid=room.uid, mc_uids=[]))
    gone = adhoc(house, "10:15", "10:45", name="Gone")
    await book(gone)
    await book(ReleaseShowRequest(show_uid=gone.show_uid, confirmation=1))
    before = await in_force(house)
    answer = await house.manager(closing(house.rooms["A"]))
    blackout = answer.blackout
    assert (named(answer.at_risk), answer.at_risk.total) == ([("2026-03-02T11:30", "13:00", "At 11:30")], 1)
    assert blackout.uid.startswith("blk_")
    assert (blackout.studio_uid, blackout.resource_uid) == (house.studio.uid, house.rooms["A"].uid)
    assert (blackout.resource_kind, blackout.reason) == (booking_pb2.RESOURCE_KIND_ROOM, "works")
    assert (blackout.starts_at, blackout.ends_at) == (at("2026-03-02T10:00"), at("2026-03-02T12:00"))
    assert await in_force(house) == before
    (entry,) = await ask("SELECT * FROM ledger WHERE entity_uid = :uid", uid=blackout.uid)
    assert (entry.action, entry.reason, entry.subject) == (
        "blackout.created",
        "works",
        "eridu.scheduling.blackout.created",
    )
    assert events_pb2.BlackoutCreated.FromString(entry.payload).blackout == blackout


async def test_no_show_is_booked_or_moved_into_a_blackout(house: House) -> None:
    book = production(house)
    made = (await house.manager(closing(house.rooms["A"]))).blackout
    refusal = await refused(book(adhoc(house, "11:00", "13:00")))
    assert (refusal.code, refusal.reason) == (FAILED, "BLACKOUT")
    assert refusal.facts == {
        "resource_uid": house.rooms["A"].uid,
        "resource_name": "A",
        "blackout_uid": made.uid,
        "why": "works",
        "from": "2026-03-02T11:00:00Z",
        "until": "2026-03-02T12:00:00Z",
    }
    assert refusal.message == "Ad hoc: A cannot be used from 2026-03-02 11:00 to 12:00 UTC: works"
    beside = adhoc(house, "12:00", "13:00")
    await book(beside)
    await book(adhoc(house, "09:00", "10:00"))
    moved = adhoc(house, "11:59", "13:00", show_uid=beside.show_uid)
    assert (await refused(book(moved))).reason == "BLACKOUT"
    assert await in_force(house) == [("09:00-10:00", "A"), ("12:00-13:00", "A")]
    await house.manager(closing(house.mcs["Ada"], "14:00", "15:00"))
    refusal = await refused(book(adhoc(house, "14:30", "16:00", mc_uids=[house.mcs["Ada"].uid])))
    assert (refusal.reason, refusal.facts["resource_name"]) == ("BLACKOUT", "Ada")
    await book(adhoc(house, "14:30", "16:00", mc_uids=[house.mcs["Bob"].uid]))


async def test_the_turnaround_of_a_room_keeps_out_of_a_blackout_too(house: House) -> None:
    room = await house.room("T", turnaround_before_minutes=30, turnaround_after_minutes=30)
    await house.manager(closing(room))
    for start, end in (("12:15", "13:00"), ("08:00", "09:45")):
        assert (await refused(production(house)(adhoc(house, start, end, room_uid=room.uid)))).reason == "BLACKOUT"
    await production(house)(adhoc(house, "12:30", "13:00", room_uid=room.uid))


async def test_a_show_that_was_booked_before_may_be_renamed_and_leave_but_not_move_inside(house: House) -> None:
    book = production(house)
    mine = adhoc(house, "10:00", "11:00", mc_uids=[house.mcs["Ada"].uid])
    await book(mine)
    await house.manager(closing(house.rooms["A"]))
    assert await book(mine) == await book(mine)

    def otherwise(start: str = "10:00", end: str = "11:00", **more: Any) -> Any:
        return adhoc(house, start, end, **{"show_uid": mine.show_uid, "mc_uids": [house.mcs["Ada"].uid], **more})

    renamed = await book(otherwise(name="Another"))
    assert (renamed.name, renamed.version) == ("Another", 2)
    assert (await refused(book(otherwise("10:30", "11:30")))).reason == "BLACKOUT"
    await book(otherwise(mc_uids=[house.mcs["Bob"].uid]))  # the room stays as it is
    assert sorted(await in_force(house)) == [("10:00-11:00", "A"), ("10:00-11:00", "Bob")]
    await book(otherwise(room_uid=house.rooms["B"].uid))
    assert (await refused(book(otherwise()))).reason == "BLACKOUT"  # out is out
    assert sorted(await in_force(house)) == [("10:00-11:00", "Ada"), ("10:00-11:00", "B")]


async def test_a_rename_writes_no_booking_anew(house: House, ask: Asks) -> None:
    mine = adhoc(house)
    await production(house)(mine)
    mine.name = "Another"
    await production(house)(mine)
    rows = await ask("SELECT released_at FROM booking WHERE show_uid = :uid", uid=mine.show_uid)
    assert [one.released_at for one in rows] == [None]
    assert (await ask.ledger(house))[-2:] == ["booking.confirmed", "booking.moved"]


async def test_validation_and_confirmation_say_the_same_of_a_blackout(house: House) -> None:
    room = (await house.manager(closing(house.rooms["A"]))).blackout
    await house.manager(closing(house.mcs["Ada"], "11:00", "18:00", reason="ill"))
    schedule = await house.schedule()
    await house.plan(
        schedule,
        row("1", "09:00", "10:00", mcs="Ada"),
        row("2", "11:30", "13:00", mcs="Ada;Bob"),
        row("3", "13:00", "14:00", mcs="Bob"),
    )
    found = (await house.manager(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))).problems
    assert rules(found) == [("blackout", "2", ""), ("blackout", "2", "")]
    problem = found[0]
    assert (problem.resource_uid, problem.resource_name) == (house.rooms["A"].uid, "A")
    assert (problem.blackout_uid, problem.reason) == (room.uid, "works")
    assert getattr(problem, "from").ToJsonString() == "2026-03-02T11:30:00Z"
    assert problem.until.ToJsonString() == "2026-03-02T12:00:00Z"
    assert problem.message == "Show 2: A cannot be used from 2026-03-02 11:30 to 12:00 UTC: works"
    assert found[1].message == "Show 2: Ada cannot be used from 2026-03-02 11:30 to 13:00 UTC: ill"
    dry = await house.confirm(schedule, VALIDATE_ONLY)
    whole = await house.confirm(schedule, propose=False)
    assert not whole.confirmed
    part = await house.confirm(schedule, BEST_EFFORT, propose=False)
    assert outcomes(dry) == outcomes(part) == {"1": "booked", "2": "refused", "3": "booked"}
    for answer in (dry, whole, part):
        assert list(answer.results[1].problems) == list(found)


async def test_those_who_do_not_belong_to_the_studio_are_not_told_why(house: House) -> None:
    await house.manager(closing(house.mcs["Ada"], reason="a secret illness"))
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00", mcs="Ada"))
    (hidden,) = (await house.client_member(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))).problems
    assert hidden.rule == schedule_pb2.RULE_BLACKOUT
    assert (hidden.blackout_uid, hidden.reason, hidden.resource_name) == ("", "", "Ada")
    assert hidden.message == "Show 1: Ada cannot be used from 2026-03-02 10:00 to 11:00 UTC"
    stranger = suite_of(house).service("production", on_behalf_of=house.people["stranger"].ext_id)
    refusal = await refused(stranger(adhoc(house, mc_uids=[house.mcs["Ada"].uid])))
    assert (refusal.reason, refusal.facts["why"]) == ("BLACKOUT", "")
    assert "secret" not in refusal.message


async def test_a_plan_that_is_confirmed_again_keeps_what_a_later_blackout_covers(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00", mcs="Ada"), row("2", "14:00", "15:00"))
    await house.confirm(schedule)
    answer = await house.manager(closing(house.rooms["A"]))
    assert named(answer.at_risk) == [("2026-03-02T10:00", "11:00", "Show 1")]
    before = await ask.ledger(house)
    assert outcomes(await house.confirm(schedule, propose=False)) == {"1": "unchanged", "2": "unchanged"}
    assert await ask.ledger(house) == before
    assert not (await house.manager(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))).problems
    await revise(house, schedule)
    await house.plan(schedule, row("1", "10:30", "11:30", mcs="Ada"), row("2", "11:00", "12:00"))
    moved = await house.confirm(schedule, BEST_EFFORT)
    assert outcomes(moved) == {"1": "refused", "2": "refused"}
    assert {one.rule for result in moved.results for one in result.problems} >= {schedule_pb2.RULE_BLACKOUT}
    await revise(house, schedule)
    await house.plan(schedule, row("1", "10:00", "11:00", "B", "Ada"), row("2", "14:00", "15:00"))
    assert outcomes(await house.confirm(schedule)) == {"1": "moved", "2": "unchanged"}
    assert sorted(await in_force(house)) == [("10:00-11:00", "Ada"), ("10:00-11:00", "B"), ("14:00-15:00", "A")]


async def test_a_blackout_that_is_deleted_gives_its_period_free(house: House, ask: Asks) -> None:
    book = production(house)
    made = (await house.manager(closing(house.rooms["A"]))).blackout
    twice = (await house.manager(closing(house.rooms["A"], "11:00", "13:00"))).blackout  # they may overlap
    assert (await refused(book(adhoc(house)))).reason == "BLACKOUT"
    stale = await refused(house.manager(api.DeleteBlackoutRequest(uid=made.uid, etag="7")))
    assert (stale.code, stale.reason) == (ABORTED, "STALE")
    gone = await house.manager(api.DeleteBlackoutRequest(uid=made.uid, etag=made.etag, reason="done early"))
    assert (gone.HasField("deleted_at"), gone.etag) == (True, "2")
    await book(adhoc(house))
    assert (await refused(book(adhoc(house, "11:00", "12:00")))).facts["blackout_uid"] == twice.uid
    again = await refused(house.manager(api.DeleteBlackoutRequest(uid=made.uid)))
    assert (again.code, again.reason) == (NOT_FOUND, "BLACKOUT_NOT_FOUND")
    entries = await ask("SELECT action, reason FROM ledger WHERE entity_uid = :uid ORDER BY id", uid=made.uid)
    assert [tuple(one) for one in entries] == [("blackout.created", "works"), ("blackout.deleted", "done early")]


async def test_a_blackout_of_what_is_not_there_is_refused(house: House) -> None:
    await house.manager(closing(house.rooms["B"]))
    for noun in ("room", "mc"):
        refusal = await refused(house.manager(closing(house.rooms["A"], resource_uid=uids.new(noun))))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, f"{noun.upper()}_NOT_FOUND")


@pytest.mark.parametrize(
    "more",
    [
        {"ends_at": at("2026-03-02T10:00")},
        {"ends_at": at("2026-03-01T10:00")},
        {"starts_at": None},
        {"ends_at": None},
        {"ends_at": at("2100-01-01T00:00")},
        {"starts_at": at("1999-12-31T00:00")},
        {"reason": ""},
        {"resource_uid": "A"},
        {"resource_uid": uids.new("show")},
    ],
)
async def test_what_is_no_blackout_is_refused_by_its_shape(house: House, more: dict[str, Any]) -> None:
    refusal = await refused(house.manager(closing(house.rooms["A"], **more)))
    assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")


async def test_managers_of_the_studio_make_and_end_blackouts_and_nobody_else(house: House) -> None:
    elsewhere = await build_house(house.suite)
    made = (await house.root(closing(house.rooms["A"]))).blackout
    requests = {
        "ROOM_NOT_FOUND": closing(house.rooms["A"]),
        "MC_NOT_FOUND": closing(house.mcs["Ada"]),
        "BLACKOUT_NOT_FOUND": api.DeleteBlackoutRequest(uid=made.uid),
    }
    for reason, request in requests.items():
        denied = await refused(house.member(request))
        assert (denied.code, denied.reason) == (DENIED, "ROLE_TOO_LOW")
        for caller in (house.client_member, house.stranger, elsewhere.manager):
            hidden = await refused(caller(request))
            assert (hidden.code, hidden.reason) == (NOT_FOUND, reason)
        assert (await refused(production(house)(request))).reason == "SERVICE_DENIED"
        await house.manager(request)


async def test_a_blackout_with_a_request_id_is_made_once(house: House) -> None:
    request = closing(house.rooms["A"], request_id=request_id())
    assert await house.manager(request) == await house.manager(request)
    listed = await house.member(api.ListBlackoutsRequest(studio_uid=house.studio.uid))
    assert len(listed.blackouts) == 1


async def test_blackouts_are_listed_by_start_to_those_of_the_studio(house: House) -> None:
    elsewhere = await build_house(house.suite)
    await elsewhere.manager(closing(await elsewhere.room("A")))
    a, b, ada = house.rooms["A"], house.rooms["B"], house.mcs["Ada"]
    for resource, start, end in ((a, "14:00", "16:00"), (ada, "08:00", "10:00"), (b, "09:00", "12:00")):
        await house.manager(closing(resource, start, end, reason=f"{resource.name} {start[:2]}"))
    gone = (await house.manager(closing(a, "10:00", "11:00", reason="gone"))).blackout
    await house.manager(api.DeleteBlackoutRequest(uid=gone.uid))

    async def listed(caller: Any = house.member, **more: Any) -> list[str]:
        request = api.ListBlackoutsRequest(studio_uid=house.studio.uid, **more)
        found: list[str] = []
        while True:
            page = await caller(request)
            assert len(page.blackouts) <= (request.page_size or 50)
            found += [one.reason for one in page.blackouts]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    whole = ["Ada 08", "B 09", "A 14"]
    assert await listed() == await listed(production(house)) == await listed(house.root) == whole
    assert await listed(page_size=1) == whole
    assert await listed(show_deleted=True) == ["Ada 08", "B 09", "gone", "A 14"]
    assert await listed(resource_uid=a.uid) == ["A 14"]
    assert await listed(resource_kind=booking_pb2.RESOURCE_KIND_MC) == ["Ada 08"]
    assert await listed(**{"from": at("2026-03-02T10:00")}) == ["B 09", "A 14"]
    assert await listed(until=at("2026-03-02T09:00")) == ["Ada 08"]
    assert await listed(**{"from": at("2026-03-02T10:00"), "until": at("2026-03-02T14:00")}) == ["B 09"]
    for caller in (house.client_member, house.stranger, elsewhere.manager):
        hidden = await refused(caller(api.ListBlackoutsRequest(studio_uid=house.studio.uid)))
        assert (hidden.code, hidden.reason) == (NOT_FOUND, "STUDIO_NOT_FOUND")
    bad = await refused(house.member(api.ListBlackoutsRequest(studio_uid=house.studio.uid, page_token="x")))
    assert (bad.code, bad.reason) == (INVALID, "PAGE_TOKEN_INVALID")
    backwards: dict[str, Any] = {"from": at("2026-03-02T10:00"), "until": at("2026-03-02T10:00")}
    bad = await refused(house.member(api.ListBlackoutsRequest(studio_uid=house.studio.uid, **backwards)))
    assert (bad.code, bad.reason) == (INVALID, "REQUEST_INVALID")
