"""Confirmation through the RPC: who gets what, and what becomes of the others."""

from __future__ import annotations

from typing import Any

import grpc
from eridu.scheduling.v1 import booking_service_pb2, confirmation_pb2, schedule_pb2
from eridu.scheduling.v1 import schedule_request_pb2 as api

from tests.scheduling.planning import (
    ABORTED,
    BEST_EFFORT,
    VALIDATE_ONLY,
    Asks,
    in_force,
    outcomes,
    production,
    row,
    rules,
    show_uids,
)
from tests.support.house import House, build_house
from tests.support.suite import refused, request_id


async def revise(house: House, schedule: Any) -> None:
    await house.manager(api.ReviseScheduleRequest(uid=schedule.uid))


async def test_a_plan_without_clashes_is_booked_whole(house: House) -> None:
    schedule = await house.schedule()
    imported = await house.plan(
        schedule, row("1", "10:00", "11:00", "A", "Ada"), row("2", "11:00", "12:00", "A", "Ada;Bob")
    )
    assert imported.saved
    assert imported.schedule.plan_version == 1
    answer = await house.confirm(schedule)
    assert answer.confirmed
    assert outcomes(answer) == {"1": "booked", "2": "booked"}
    assert {one.show.external_id: one.show.show_uid for one in answer.results} == show_uids(imported)
    assert sorted(await in_force(house)) == [
        ("10:00-11:00", "A"),
        ("10:00-11:00", "Ada"),
        ("11:00-12:00", "A"),
        ("11:00-12:00", "Ada"),
        ("11:00-12:00", "Bob"),
    ]


async def test_all_or_nothing_leaves_no_trace_when_one_show_is_refused(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "10:30", "11:30"), row("3", "12:00", "13:00"))
    proposed = await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
    before = await ask.ledger(house)
    answer = await house.confirm(schedule, propose=False)
    assert not answer.confirmed
    assert outcomes(answer) == {"1": "not_booked", "2": "refused", "3": "not_booked"}
    assert rules(answer.results[1].problems) == [("room_clash", "2", "1")]
    assert answer.schedule == proposed == await house.manager(api.GetScheduleRequest(uid=schedule.uid))
    assert await in_force(house, show_released=True) == []
    assert await ask.ledger(house) == before


async def test_validate_only_answers_as_best_effort_and_books_nothing(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "12:00"), row("2", "11:00", "14:00"), row("3", "12:00", "13:00"))
    proposed = await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
    before = await ask.ledger(house)
    dry = await house.confirm(schedule, VALIDATE_ONLY, propose=False)
    assert not dry.confirmed
    assert dry.schedule == proposed
    assert await in_force(house, show_released=True) == []
    assert await ask.ledger(house) == before
    real = await house.confirm(schedule, BEST_EFFORT, propose=False)
    assert real.confirmed
    assert list(dry.results) == list(real.results)
    assert outcomes(real) == {"1": "booked", "2": "refused", "3": "booked"}
    assert await in_force(house) == [("10:00-12:00", "A"), ("12:00-13:00", "A")]


async def test_a_second_confirmation_writes_nothing_until_a_refused_show_can_be_booked(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "10:30", "11:30"))
    first = await house.confirm(schedule, BEST_EFFORT)
    before = await ask("SELECT count(*) FROM ledger")
    again = await house.confirm(schedule, BEST_EFFORT, propose=False)
    assert outcomes(again) == {"1": "unchanged", "2": "refused"}
    assert again.schedule == first.schedule
    assert await ask("SELECT count(*) FROM ledger") == before
    show = first.results[0].show.show_uid
    await production(house)(booking_service_pb2.ReleaseShowRequest(show_uid=show, confirmation=1, reason="ill"))
    third = await house.confirm(schedule, propose=False)
    assert outcomes(third) == {"1": "cancelled", "2": "booked"}
    assert int(third.schedule.etag) == int(first.schedule.etag) + 1
    assert await in_force(house) == [("10:30-11:30", "A")]


async def test_only_the_plan_version_that_was_looked_at_is_confirmed(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    await house.plan(schedule, row("1", "10:00", "12:00"))
    await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
    stale = await refused(house.confirm(schedule, propose=False, plan_version=1))
    assert (stale.code, stale.reason) == (ABORTED, "STALE")
    assert (await house.confirm(schedule, propose=False, plan_version=2)).schedule.confirmed_version == 2


async def test_a_revised_plan_is_confirmed_by_its_difference(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    first = show_uids(
        await house.plan(schedule, *(row(str(n), f"{10 + n}:00", f"{11 + n}:00", mcs="Ada") for n in range(1, 6)))
    )
    await house.confirm(schedule)
    await revise(house, schedule)
    assert len(await in_force(house)) == 10
    await house.plan(
        schedule,
        row("1", "12:00", "13:00", mcs="Ada"),  # 1 and 2 swap
        row("2", "11:00", "12:00", mcs="Ada"),
        row("3", "13:00", "14:00", mcs="Ada"),
        row("4", "14:00", "15:00", mcs="Ada").replace("Show 4", "Another name"),
        row("6", "15:00", "16:00", mcs="Ada"),  # where 5 was
    )
    before = len(await ask.ledger(house))
    answer = await house.confirm(schedule)
    assert outcomes(answer) == {
        "1": "moved",
        "2": "moved",
        "3": "unchanged",
        "4": "moved",
        "5": "released",
        "6": "booked",
    }
    assert len(await in_force(house)) == 10
    actions = (await ask.ledger(house))[before:]
    assert sorted(actions[2:]) == ["booking.confirmed", *["booking.moved"] * 3, "booking.released"]
    numbers = await ask("SELECT DISTINCT confirmation FROM show_booking WHERE schedule_uid = :uid", uid=schedule.uid)
    assert [one.confirmation for one in numbers] == [1]
    await revise(house, schedule)
    back = show_uids(
        await house.plan(schedule, *(row(str(n), f"{10 + n}:00", f"{11 + n}:00", mcs="Ada") for n in range(1, 6)))
    )
    assert {name: back[name] for name in first} == first
    assert outcomes(await house.confirm(schedule))["5"] == "booked"
    (five,) = await ask("SELECT * FROM show_booking WHERE show_uid = :uid", uid=first["5"])
    assert (five.confirmation, five.version, five.in_force) == (2, 3, True)


async def test_a_refused_move_keeps_what_it_has_and_blocks_others(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("w", "14:00", "15:00"))
    await house.confirm(schedule)
    await revise(house, schedule)
    other = await house.schedule()
    await house.plan(other, row("o", "12:00", "13:00"))
    await house.confirm(other)
    await house.plan(schedule, row("1", "12:30", "13:30"), row("2", "10:00", "11:00"), row("w", "14:00", "15:00"))
    answer = await house.confirm(schedule, BEST_EFFORT)
    assert outcomes(answer) == {"2": "refused", "1": "refused", "w": "unchanged"}
    assert [rules(one.problems) for one in answer.results[:2]] == [
        [("room_clash", "2", "1")],
        [("room_clash", "1", "o")],
    ]
    assert await in_force(house) == [("10:00-11:00", "A"), ("12:00-13:00", "A"), ("14:00-15:00", "A")]


async def test_the_first_client_to_confirm_gets_the_slot(house: House) -> None:
    other = await build_house(house.suite)  # for its client
    theirs, ours = await house.schedule(other.client.uid), await house.schedule()
    for schedule in (theirs, ours):
        await house.plan(schedule, row("1", "10:00", "11:00", mcs="Ada"))
    assert (await house.confirm(theirs)).confirmed
    answer = await house.confirm(ours)
    assert rules(answer.results[0].problems) == [("room_clash", "1", "1"), ("mc_clash", "1", "1")]
    assert {one.other.schedule_uid for one in answer.results[0].problems} == {theirs.uid}
    await house.manager(api.CancelScheduleRequest(uid=theirs.uid, reason="client left"))
    assert (await house.confirm(ours, propose=False)).confirmed


async def test_a_turnaround_is_part_of_what_is_booked(house: House) -> None:
    await house.room("T", turnaround_before_minutes=15, turnaround_after_minutes=30)
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00", "T"), row("2", "11:30", "12:00", "T"))
    answer = await house.confirm(schedule, BEST_EFFORT)
    assert outcomes(answer) == {"1": "booked", "2": "refused"}
    assert await in_force(house) == [("09:45-11:30", "T")]


async def test_a_confirmation_with_a_request_id_is_answered_the_same_again(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "10:30", "11:30"))
    rid = request_id()
    first = await house.confirm(schedule, BEST_EFFORT, request_id=rid)
    before = await ask("SELECT count(*) FROM ledger")
    again = await house.confirm(schedule, BEST_EFFORT, propose=False, request_id=rid)
    assert again.SerializeToString(deterministic=True) == first.SerializeToString(deterministic=True)
    assert outcomes(again) == {"1": "booked", "2": "refused"}
    assert await ask("SELECT count(*) FROM ledger") == before
    other = await refused(house.confirm(schedule, propose=False, request_id=rid))
    assert (other.code, other.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_a_plan_that_was_booked_can_be_emptied_show_by_show(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "11:00", "12:00"))
    await house.confirm(schedule)
    await revise(house, schedule)
    await house.plan(schedule, row("3", "10:00", "12:00"))
    answer = await house.confirm(schedule)
    assert outcomes(answer) == {"1": "released", "2": "released", "3": "booked"}
    assert answer.schedule.status == schedule_pb2.SCHEDULE_STATUS_CONFIRMED
    assert await in_force(house) == [("10:00-12:00", "A")]


async def test_five_thousand_shows_are_planned_and_confirmed_in_one_call_each(house: House, ask: Asks) -> None:
    rooms = [(await house.room(f"R{n}")).name for n in range(8)]
    mcs = [(await house.mc(f"M{n}")).name for n in range(8)]

    rows = [  # eight at a time, every hour for 26 days, and eight more
        row(f"{n:04}", f"{n // 8 % 24:02}:00", f"{n // 8 % 24:02}:50", rooms[n % 8], mcs[n % 8], f"{1 + n // 192:02}")
        for n in range(5000)
    ]
    schedule = await house.schedule()
    assert len((await house.plan(schedule, *rows)).rows) == 5000
    assert not (await house.manager(confirmation_pb2.ValidateScheduleRequest(uid=schedule.uid))).problems
    assert set(outcomes(await house.confirm(schedule)).values()) == {"booked"}
    (counted,) = await ask(
        "SELECT count(*) AS n, count(released_at) AS released FROM booking WHERE studio_uid = :uid",
        uid=house.studio.uid,
    )
    assert (counted.n, counted.released) == (10_000, 0)
