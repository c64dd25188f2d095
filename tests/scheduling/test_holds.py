"""Holds: options in a row, made and given back, in nobody's way."""

from __future__ import annotations

import pytest
from eridu.scheduling.v1 import events_pb2, hold_pb2
from eridu.scheduling.v1.hold_service_pb2 import GetHoldRequest, ListHoldsRequest, ReleaseHoldRequest

from libs.common import uids
from tests.scheduling.holding import after, hold, option, read, said
from tests.scheduling.planning import DENIED, FAILED, INVALID, NOT_FOUND, Asks, adhoc, production
from tests.support.house import House
from tests.support.suite import refused


async def test_holds_of_a_slot_stand_in_a_row_and_move_up(house: House, rival: str, ask: Asks) -> None:
    ada = house.mcs["Ada"].uid
    first = await hold(house, mc_uids=[ada])
    second = await hold(house, "10:30", "12:00", client_uid=rival)
    third = await hold(house, "10:45", "11:15", room_uid="", mc_uids=[ada])
    fourth = await hold(house, "10:50", "12:00", mc_uids=[ada])
    beside = await hold(house, "11:00", "12:00", room_uid=house.rooms["B"].uid)
    assert [one.rank for one in (first, second, third, fourth, beside)] == [1, 2, 2, 4, 1]
    released = await house.manager(ReleaseHoldRequest(uid=first.uid, etag=first.etag, reason="no"))
    assert (released.state, released.rank) == (hold_pb2.HOLD_STATE_RELEASED, 0)
    assert released.HasField("ended_at")
    assert [await read(house, one) for one in (first, second, third, fourth)] == [
        ("released", 0),
        ("held", 1),
        ("held", 1),
        ("held", 3),
    ]
    assert await said(ask, first) == ["created", "released"]
    assert await said(ask, second) == ["created", "moved_up 1"]
    assert await said(ask, third) == ["created", "moved_up 1"]
    assert await said(ask, fourth) == ["created", "moved_up 3"]
    assert await said(ask, beside) == ["created"]
    event = await ask("SELECT payload FROM ledger WHERE entity_uid = :uid AND action = 'hold.moved_up'", uid=fourth.uid)
    assert events_pb2.HoldMovedUp.FromString(event[0].payload).hold == await house.member(
        GetHoldRequest(uid=fourth.uid)
    )


async def test_a_hold_takes_the_turnaround_of_its_room_and_back_to_back_is_no_overlap(house: House) -> None:
    room = await house.room("Slow", turnaround_before_minutes=15, turnaround_after_minutes=30)
    made = await hold(house, room_uid=room.uid)
    assert [
        (one.resource_uid, getattr(one, "from").ToJsonString()[11:16], one.until.ToJsonString()[11:16])
        for one in made.slots
    ] == [(room.uid, "09:45", "11:30")]
    assert (await hold(house, "11:30", "12:00", room_uid=room.uid)).rank == 2
    assert (await hold(house, "12:45", "13:00", room_uid=room.uid)).rank == 1


async def test_a_hold_over_a_booking_is_refused(house: House) -> None:
    await production(house)(adhoc(house))
    refusal = await refused(hold(house, "10:30", "12:00"))
    assert (refusal.code, refusal.reason, refusal.facts["show_name"]) == (FAILED, "SLOT_TAKEN", "Ad hoc")
    assert (await hold(house, "11:00", "12:00")).rank == 1


@pytest.mark.parametrize(("expires", "accepted"), [({"days": 89}, True), ({"days": 91}, False), ({"days": -1}, False)])
async def test_an_option_ends_within_ninety_days(house: House, expires: dict[str, float], accepted: bool) -> None:
    asked = hold(house, expires_at=after(**expires))
    if accepted:
        await asked
    else:
        refusal = await refused(asked)
        assert (refusal.code, refusal.reason, [*refusal.fields]) == (INVALID, "EXPIRY_INVALID", ["expires_at"])


async def test_what_is_held_must_be_there(house: House) -> None:
    assert (await refused(hold(house, room_uid=""))).reason == "REQUEST_INVALID"
    for field, value in (
        ("client_uid", uids.new("client")),
        ("room_uid", uids.new("room")),
        ("mc_uids", [uids.new("mc")]),
    ):
        refusal = await refused(hold(house, **{field: value}))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, f"{field.split('_')[0].upper()}_NOT_FOUND")


async def test_who_may_do_what(house: House, rival: str) -> None:
    made = await hold(house)
    other = await hold(house, client_uid=rival)
    assert (await refused(house.member(option(house)))).code is DENIED
    assert (await refused(house.member(ReleaseHoldRequest(uid=made.uid)))).code is DENIED
    assert (await refused(house.client_member(ReleaseHoldRequest(uid=made.uid)))).code is DENIED
    assert (await house.client_member(GetHoldRequest(uid=made.uid))).rank == 1
    for who in (house.client_member, house.stranger):
        for request in (GetHoldRequest(uid=other.uid), ReleaseHoldRequest(uid=other.uid)):
            assert (await refused(who(request))).reason == "HOLD_NOT_FOUND"
    mine = await house.client_member(ListHoldsRequest(client_uid=house.client.uid))
    assert [one.uid for one in mine.holds] == [made.uid]
    assert not (await house.client_member(ListHoldsRequest(client_uid=rival))).holds
    assert not (await house.stranger(ListHoldsRequest(studio_uid=house.studio.uid))).holds


async def test_holds_are_listed_by_start_in_pages(house: House) -> None:
    made = [await hold(house, f"1{n}:00", f"1{n}:30", mc_uids=[house.mcs["Ada"].uid]) for n in (3, 1, 2)]
    gone = await hold(house, "14:00", "15:00")
    await house.manager(ReleaseHoldRequest(uid=gone.uid))
    found, token = [], ""
    while True:
        page = await house.member(ListHoldsRequest(studio_uid=house.studio.uid, page_size=2, page_token=token))
        found += [one.uid for one in page.holds]
        token = page.next_page_token
        if not token:
            break
    assert found == [made[1].uid, made[2].uid, made[0].uid]
    ended = await house.member(ListHoldsRequest(studio_uid=house.studio.uid, show_ended=True))
    assert [one.uid for one in ended.holds] == [*found, gone.uid]
    ada = await house.member(ListHoldsRequest(studio_uid=house.studio.uid, resource_uid=house.mcs["Ada"].uid))
    assert len(ada.holds) == 3
    bob = await house.member(ListHoldsRequest(studio_uid=house.studio.uid, resource_uid=house.mcs["Bob"].uid))
    assert not bob.holds


async def test_an_ended_hold_does_not_end_again_and_a_stale_etag_is_refused(house: House) -> None:
    first, second = await hold(house), await hold(house)
    await house.manager(ReleaseHoldRequest(uid=first.uid))
    refusal = await refused(house.manager(ReleaseHoldRequest(uid=first.uid)))
    assert (refusal.code, refusal.reason) == (FAILED, "HOLD_MOVE_REFUSED")
    assert (await refused(house.manager(ReleaseHoldRequest(uid=second.uid, etag=second.etag)))).reason == "STALE"
