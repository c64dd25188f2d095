"""Rooms, MCs and blackouts: bans, what is closed when, and what a show keeps of what it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.common.errors import Refused
from services.scheduling.domain.blackout import OPEN, Closed, Closure
from services.scheduling.domain.booking import MOST_CLASHES, Slot
from services.scheduling.domain.confirmation import Changes, ShowOutcome, first_booking, wanted_of, work_out
from services.scheduling.domain.resource import Mc, Resource
from services.scheduling.domain.risk import NOTHING_AT_RISK, AtRisk, require_unused
from services.scheduling.domain.schedule import PlannedShow
from tests.scheduling.test_domain.test_bookings import MIDNIGHT, RESOURCES, planned
from tests.scheduling.test_domain.test_schedules import MARCH

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ADA = Mc(uid="mc_1", created_at=NOW, updated_at=NOW, studio_uid="studio_1", name="Ada")


def hour(of: float) -> datetime:
    return MIDNIGHT + timedelta(hours=of)


def closure(start: float, until: float, key: int = 1, name: str = "blk_1") -> Closure:
    return Closure(key, name, hour(start), hour(until), "works")


def test_an_mc_is_banned_and_unbanned_once() -> None:
    banned = ADA.ban("rude", NOW)
    assert (banned.banned_at, banned.ban_reason) == (NOW, "rude")
    assert banned.unban() == ADA
    with pytest.raises(Refused) as refusal:
        banned.ban("again", NOW)
    assert refusal.value.reason == "MC_BANNED"
    with pytest.raises(Refused) as refusal:
        ADA.unban()
    assert refusal.value.reason == "MC_NOT_BANNED"


@pytest.mark.parametrize("noun", ["room", "mc"])
def test_what_is_still_booked_is_not_deleted(noun: str) -> None:
    require_unused(noun, "x", NOTHING_AT_RISK)
    with pytest.raises(Refused) as refusal:
        require_unused(noun, "x", AtRisk((), 3))
    assert (refusal.value.reason, refusal.value.facts) == (
        f"{noun.upper()}_IN_USE",
        {"uid": "x", "booking_count": "3"},
    )


@pytest.mark.parametrize(
    ("start", "until", "found"),
    [
        (8, 10, []),  # back to back
        (8, 10.5, ["a"]),
        (11, 13, ["a"]),
        (12.5, 12.75, ["a"]),  # inside
        (13.5, 14.5, ["a", "b"]),  # two that overlap each other
        (15, 18, ["b"]),
        (18, 19, []),
    ],
)
def test_closures_are_half_open_and_may_overlap(start: float, until: float, found: list[str]) -> None:
    closed = Closed([closure(14, 18, name="b"), closure(10, 15, name="a"), closure(0, 24, key=2, name="c")])
    assert [one.uid for one in closed.over(1, hour(start), hour(until))] == found


def row(name: str, start: float, end: float, room: str = "room_1", mcs: Sequence[str] = ()) -> PlannedShow:
    return PlannedShow(
        uid=f"plan_{name}", show_uid=name, schedule_uid=MARCH.uid, planned=planned(name, start, end, room, mcs)
    )


class Books:
    """What is in force, and a plan that is held against it."""

    def __init__(self, *rows: PlannedShow, resources: Mapping[str, Resource] = RESOURCES) -> None:
        self.in_force = {one.show_uid: first_booking(one, MARCH) for one in rows}
        self.held: dict[str, Sequence[Slot]] = {
            each.row.show_uid: each.slots for each in wanted_of(MARCH, rows, resources)
        }

    def confirm(
        self, *rows: PlannedShow, closed: Closed = OPEN, resources: Mapping[str, Resource] = RESOURCES
    ) -> Changes:
        return work_out(MARCH, rows, resources, self.in_force, [], self.held, closed)


def outcomes(changes: Changes) -> dict[str, str]:
    return {one.show.show_uid: str(one.outcome) for one in changes.results}


def test_a_new_show_is_refused_in_a_blackout_with_resource_period_and_reason() -> None:
    (result,) = Books().confirm(row("1", 10, 12), closed=Closed([closure(11, 13)])).results
    (problem,) = result.problems
    assert (result.outcome, problem.rule, problem.resource) == (ShowOutcome.REFUSED, "blackout", RESOURCES["room_1"])
    assert (problem.start, problem.until) == (hour(11), hour(12))
    assert (problem.blackout_uid, problem.reason, problem.other) == ("blk_1", "works", None)


@pytest.mark.parametrize(
    ("closed", "outcome"),
    [
        (closure(11, 13, key=2), "refused"),  # room_2 is taken from a quarter before to half an hour after
        (closure(9, 9.75, key=2), "booked"),
        (closure(9, 9.8, key=2), "refused"),
        (closure(11.5, 12, key=2), "booked"),
        (closure(11.4, 12, key=2), "refused"),
        (closure(10, 11, key=4), "refused"),  # the MC
        (closure(9, 10, key=4), "booked"),
        (closure(0, 24, key=5), "booked"),  # somebody else
    ],
)
def test_the_turnaround_keeps_out_of_a_blackout_too(closed: Closure, outcome: str) -> None:
    changes = Books().confirm(row("1", 10, 11, "room_2", ["mc_4"]), closed=Closed([closed]))
    assert outcomes(changes) == {"1": outcome}


def test_a_blackout_that_came_later_leaves_what_is_booked() -> None:
    before = row("1", 10, 11, mcs=["mc_4"])
    later = Closed([closure(0, 24), closure(0, 24, key=4)])
    books = Books(before)
    assert outcomes(books.confirm(before, closed=later)) == {"1": "unchanged"}
    renamed = replace(before, planned=replace(before.planned, name="Another"))
    changes = books.confirm(renamed, closed=later)
    assert (outcomes(changes), changes.give_back, changes.take) == ({"1": "moved"}, [], [])


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (row("1", 10, 11.5), "refused"),  # another time
        (row("1", 10, 11, "room_2"), "moved"),  # out of the closed room
        (row("1", 10, 11, "room_1", ["mc_4"]), "moved"),  # the room stays as it is
        (row("1", 10, 11, "room_1", ["mc_5"]), "refused"),  # into another blackout
        (row("1", 13, 14), "moved"),
    ],
)
def test_a_move_into_a_blackout_is_refused_and_one_beside_or_out_of_it_is_not(after: PlannedShow, outcome: str) -> None:
    closed = Closed([closure(9, 12), closure(9, 12, key=5, name="blk_2")])
    changes = Books(row("1", 10, 11)).confirm(after, closed=closed)
    assert outcomes(changes) == {"1": outcome}


def test_a_show_that_was_released_keeps_nothing() -> None:
    books = Books(row("1", 10, 11))
    books.in_force["1"] = books.in_force["1"].release(1)
    assert outcomes(books.confirm(row("1", 10, 11), closed=Closed([closure(9, 12)]))) == {"1": "refused"}


def test_a_refused_move_out_of_the_way_of_a_blackout_keeps_the_slot() -> None:
    books = Books(row("1", 10, 11))
    changes = books.confirm(row("1", 12, 13), row("2", 10, 11), closed=Closed([closure(12, 13)]))
    assert outcomes(changes) == {"1": "refused", "2": "refused"}
    (clash,) = next(one.problems for one in changes.results if one.show.show_uid == "2")
    assert (clash.rule, clash.other and clash.other.show_uid) == ("room_clash", "1")


def test_no_more_than_a_few_blackouts_are_named() -> None:
    closed = Closed(closure(0, 24, name=f"blk_{n}") for n in range(3 * MOST_CLASHES))
    (result,) = Books().confirm(row("1", 10, 11), closed=closed).results
    assert len(result.problems) == MOST_CLASHES


def turned(minutes: int) -> dict[str, Resource]:
    """The same resources, room_1 with a turnaround on both sides."""
    wide = timedelta(minutes=minutes)
    return {**RESOURCES, "room_1": replace(RESOURCES["room_1"], before=wide, after=wide)}


def test_another_turnaround_leaves_what_is_booked() -> None:
    shows = [row("1", 10, 11), row("2", 11, 12)]
    changes = Books(*shows).confirm(*shows, row("3", 12, 13), resources=turned(15))
    assert outcomes(changes) == {"1": "unchanged", "2": "unchanged", "3": "refused"}
    assert changes.take == []
    changes = Books(*shows).confirm(*shows, row("3", 12.25, 13), resources=turned(15))
    assert outcomes(changes) == {"1": "unchanged", "2": "unchanged", "3": "booked"}
    assert [(slot.start, slot.until) for slot in changes.take] == [(hour(12), hour(13.25))]


def test_a_turnaround_that_is_shorter_now_is_still_taken_by_what_is_booked() -> None:
    changes = Books(row("1", 10, 11), resources=turned(30)).confirm(row("1", 10, 11), row("2", 11, 12))
    assert outcomes(changes) == {"1": "unchanged", "2": "refused"}


def test_a_show_that_gets_another_mc_keeps_the_turnaround_of_its_room() -> None:
    changes = Books(row("1", 10, 11), row("2", 11, 12)).confirm(
        row("1", 10, 11, mcs=["mc_4"]), row("2", 11, 12), resources=turned(15)
    )
    assert outcomes(changes) == {"1": "moved", "2": "unchanged"}
    assert [(slot.resource.uid, slot.start, slot.until) for slot in changes.take] == [
        ("room_1", hour(10), hour(11)),
        ("mc_4", hour(10), hour(11)),
    ]
