"""Who can have what: the rules that validation and confirmation share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.errors import Refused
from services.scheduling.domain.booking import (
    MOST_CLASHES,
    Problem,
    Rule,
    ShowBooking,
    ShowRef,
    Slot,
    Taken,
    Wanted,
    all_problems,
    book,
    clashes_inside,
    slots_of,
    want,
)
from services.scheduling.domain.resource import Resource, ResourceKind
from services.scheduling.domain.schedule import Planned, PlannedShow
from services.scheduling.domain.verdict import Verdict, decide
from tests.scheduling.test_domain.test_schedules import MARCH

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


def resource(key: int, kind: ResourceKind, before: int = 0, after: int = 0, bookable: bool = True) -> Resource:
    uid = f"{kind}_{key}"
    return Resource(key, uid, kind, uid, timedelta(minutes=before), timedelta(minutes=after), bookable)


RESOURCES = {
    one.uid: one
    for one in (
        resource(1, ResourceKind.ROOM),
        resource(2, ResourceKind.ROOM, before=15, after=30),
        resource(3, ResourceKind.ROOM, bookable=False),
        resource(4, ResourceKind.MC),
        resource(5, ResourceKind.MC),
        resource(6, ResourceKind.MC, bookable=False),
    )
}


def planned(name: str, start: float, end: float, room: str = "room_1", mcs: Sequence[str] = ()) -> Planned:
    """A show between two hours of a day."""
    return Planned(
        external_id=name,
        name=name,
        room_uid=room,
        mc_uids=tuple(mcs),
        starts_at=MIDNIGHT + timedelta(hours=start),
        ends_at=MIDNIGHT + timedelta(hours=end),
    )


def wanted(name: str, start: float, end: float, room: str = "room_1", mcs: Sequence[str] = ()) -> Wanted:
    row = PlannedShow(
        uid=f"plan_{name}",
        show_uid=name,
        schedule_uid=MARCH.uid,
        planned=planned(name, start, end, room, mcs),
    )
    return want(row, MARCH, RESOURCES)


def slots(name: str, start: float, end: float, room: str = "room_1", mcs: Sequence[str] = ()) -> tuple[Slot, ...]:
    show = ShowRef(name, name, name, "", "studio_1", "client_1")
    return slots_of(planned(name, start, end, room, mcs), show, RESOURCES)


def won(verdict: Verdict) -> list[str]:
    return sorted(each.show.show_uid for each in verdict.winners)


def others(problems: Sequence[Problem]) -> list[tuple[str, str, bool]]:
    return [(str(one.rule), one.other.show_uid if one.other else "", one.inside_plan) for one in problems]


def test_back_to_back_is_no_clash() -> None:
    shows = [wanted("1", 10, 11), wanted("2", 11, 12)]
    assert won(decide(shows, slots("w", 12, 13), {})) == ["1", "2"]
    assert not all_problems(shows, Taken(slots("w", 9, 10)))


def test_turnaround_counts_before_and_after() -> None:
    shows = [wanted("1", 10, 11, "room_2"), wanted("2", 11.5, 12, "room_2"), wanted("3", 11.75, 12, "room_2")]
    assert won(decide(shows, [], {})) == ["1", "3"]
    (clash,) = decide(shows, [], {}).refused["2"]
    assert clash.start == MIDNIGHT + timedelta(hours=11.25)
    assert clash.until == MIDNIGHT + timedelta(hours=11.5)


def test_the_earlier_start_wins_then_the_lower_external_id() -> None:
    verdict = decide(
        [wanted("b", 10, 11), wanted("c", 9.5, 10.5), wanted("d", 10.5, 11.5), wanted("a", 10, 12)], [], {}
    )
    assert won(verdict) == ["c", "d"]
    assert won(decide([wanted("b", 10, 11), wanted("a", 10, 11)], [], {})) == ["a"]


def test_a_refused_show_blocks_nobody() -> None:
    verdict = decide([wanted("1", 10, 12), wanted("2", 11, 14), wanted("3", 12, 13)], [], {})
    assert won(verdict) == ["1", "3"]
    assert others(verdict.refused["2"]) == [("room_clash", "1", True)]


def test_a_show_gets_all_it_needs_or_none() -> None:
    verdict = decide(
        [wanted("1", 10, 11, mcs=["mc_4"]), wanted("2", 10, 11, "room_2", ["mc_4", "mc_5"])],
        [],
        {},
    )
    assert won(verdict) == ["1"]
    assert won(decide([wanted("2", 10, 11, "room_2", ["mc_5"]), wanted("3", 10, 11, "", ["mc_5"])], [], {})) == ["2"]


def test_what_others_have_booked_is_in_the_way() -> None:
    verdict = decide([wanted("1", 10, 11, mcs=["mc_4"])], slots("w", 10.5, 12, mcs=["mc_4"]), {})
    assert others(verdict.refused["1"]) == [("room_clash", "w", False), ("mc_clash", "w", False)]


def test_a_show_alone_can_be_wrong() -> None:
    early = wanted("1", -72, -71, "room_3", ["mc_6"])
    assert {one.rule for one in decide([early], [], {}).refused["1"]} == {
        Rule.ROOM_UNAVAILABLE,
        Rule.MC_UNAVAILABLE,
        Rule.OUTSIDE_PERIOD,
    }


def test_a_refused_move_keeps_its_old_slot_which_then_blocks_others() -> None:
    shows = [wanted("1", 12, 13), wanted("2", 10, 11)]
    verdict = decide(shows, slots("w", 12, 13), {"1": slots("1", 10, 11)})
    assert won(verdict) == []
    assert others(verdict.refused["2"]) == [("room_clash", "1", False)]


def test_a_swap_of_two_shows_is_legal() -> None:
    held = {"1": slots("1", 10, 11), "2": slots("2", 11, 12)}
    assert won(decide([wanted("1", 11, 12), wanted("2", 10, 11)], [], held)) == ["1", "2"]


def test_a_new_show_cannot_push_a_booked_one_out() -> None:
    verdict = decide([wanted("new", 9.5, 10.5), wanted("old", 10, 11)], [], {"old": slots("old", 10, 11)})
    assert won(verdict) == ["old"]


def test_a_show_that_moves_away_after_all_blocks_nobody() -> None:
    # x is refused at first because of z; so x keeps room_1, so y is refused. Then z loses to the slot that v keeps, so
    # x moves away after all: nothing is in y's way any more.
    shows = [
        wanted("v", 9, 10.5, "room_2"),
        wanted("z", 10, 11.5, "", ["mc_4", "mc_5"]),
        wanted("y", 10.25, 10.75, "room_1"),
        wanted("x", 11, 12, "", ["mc_4"]),
    ]
    held = {"v": slots("v", 10, 11, "", ["mc_5"]), "x": slots("x", 10, 11, "room_1")}
    assert won(decide(shows, slots("w", 9, 10, "room_2"), held)) == ["x", "y"]


def test_a_long_chain_of_moves_that_its_last_show_blocks_is_refused_fast() -> None:
    count = 5000
    shows = [wanted(f"{n:05}", n / 10 + 0.1, n / 10 + 0.2) for n in range(count)]
    held = {f"{n:05}": slots(f"{n:05}", n / 10, n / 10 + 0.1) for n in range(count)}
    began = time.process_time()
    verdict = decide(shows, slots("w", count / 10, count / 10 + 1), held)
    assert not verdict.winners
    assert len(verdict.refused) == count
    assert time.process_time() - began < 3


def test_five_thousand_overlapping_shows_in_one_room_are_decided_fast() -> None:
    shows = [wanted(f"{n:05}", n / 1000, 10 + n / 1000, mcs=["mc_4"]) for n in range(5000)]
    began = time.process_time()
    assert won(decide(shows, [], {})) == ["00000"]
    assert len(clashes_inside(shows)) <= 2 * MOST_CLASHES * 5000
    assert time.process_time() - began < 3


def test_clashes_inside_a_plan_name_each_pair_once_at_the_later_show() -> None:
    shows = [wanted("1", 10, 12, mcs=["mc_4"]), wanted("2", 11, 13), wanted("3", 11.5, 12, "room_2", ["mc_4"])]
    found = [(str(one.rule), one.show.show_uid, one.other and one.other.show_uid) for one in clashes_inside(shows)]
    assert sorted(found, key=str) == [("mc_clash", "3", "1"), ("room_clash", "2", "1")]


def test_a_crowd_of_short_shows_does_not_hide_a_long_one() -> None:
    crowd = [wanted(f"a{n:02}", 10, 11) for n in range(2 * MOST_CLASHES)]
    shows = [*crowd, wanted("long", 10.5, 15), wanted("late", 14, 15)]
    assert [one.other and one.other.show_uid for one in clashes_inside(shows) if one.show.show_uid == "late"] == [
        "long"
    ]


HOURS = st.integers(0, 24).map(lambda quarter: quarter / 4)
ROOMS = st.sampled_from(["", "room_1", "room_2", "room_3"])
MCS = st.lists(st.sampled_from(["mc_4", "mc_5"]), unique=True)
PLACE = st.tuples(HOURS, st.integers(1, 6).map(lambda quarter: quarter / 4), ROOMS, MCS)


def free_of_each_other(booked: Sequence[Slot]) -> bool:
    return all(
        one.resource.id != two.resource.id or one.until <= two.start or two.until <= one.start
        for number, one in enumerate(booked)
        for two in booked[:number]
    )


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(PLACE, st.none() | PLACE), max_size=9), st.lists(PLACE, max_size=4))
def test_winners_never_overlap_and_the_refused_have_a_reason(
    shows: list[tuple[tuple[float, float, str, list[str]], tuple[float, float, str, list[str]] | None]],
    elsewhere: list[tuple[float, float, str, list[str]]],
) -> None:
    in_force: list[Slot] = []

    def booked(name: str, place: tuple[float, float, str, list[str]] | None) -> tuple[Slot, ...]:
        """What is in force before: the database let in only what is free."""
        if place is None:
            return ()
        start, hours, room, mcs = place
        more = slots(name, start, start + hours, room, mcs)
        if not free_of_each_other([*in_force, *more]):
            return ()
        in_force.extend(more)
        return more

    world = [slot for number, place in enumerate(elsewhere) for slot in booked(f"w{number}", place)]
    held = {f"s{number}": found for number, (_, place) in enumerate(shows) if (found := booked(f"s{number}", place))}
    plan = [wanted(f"s{n}", start, start + hours, room, mcs) for n, ((start, hours, room, mcs), _) in enumerate(shows)]
    verdict = decide(plan, world, held)

    assert sorted([*won(verdict), *verdict.refused]) == sorted(each.show.show_uid for each in plan)
    kept = [slot for uid in verdict.refused for slot in held.get(uid, ())]
    taken = [*world, *kept, *(slot for each in verdict.winners for slot in each.slots)]
    assert free_of_each_other(taken)
    for each in plan:
        problems = verdict.refused.get(each.show.show_uid)
        if problems is None:
            continue
        around = [slot for slot in taken if slot.show.show_uid != each.show.show_uid]
        assert each.problems or not all(free_of_each_other([slot, other]) for slot in each.slots for other in around)
        for problem in problems:
            assert problem.other is None or problem.other.show_uid in {slot.show.show_uid for slot in around}
    if not held:
        assert bool(all_problems(plan, Taken(world))) == bool(verdict.refused)


ASKED = ShowBooking(
    show_uid="show_1",
    confirmation=2,
    version=1,
    in_force=True,
    studio_uid="studio_1",
    client_uid="client_1",
    planned=planned("1", 10, 11),
)


def test_a_booking_is_an_upsert_by_its_confirmation_number() -> None:
    assert book(None, ASKED) is ASKED
    assert book(ASKED, ASKED) is ASKED
    other = book(ASKED, ASKED.move(planned("1", 12, 13)))
    assert (other.version, other.confirmation, other.planned) == (2, 2, planned("1", 12, 13))


def test_a_released_or_an_old_number_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        book(ASKED.release(2), ASKED)
    assert refusal.value.reason == "CONFIRMATION_RELEASED"
    with pytest.raises(Refused) as refusal:
        book(ASKED.release(3), ASKED)
    assert refusal.value.reason == "CONFIRMATION_OLD"


def test_a_number_after_a_tombstone_takes_everything_from_the_new_booking() -> None:
    tombstone = ShowBooking(
        show_uid="show_1",
        confirmation=1,
        version=4,
        in_force=False,
        studio_uid="",
        client_uid="",
        planned=ASKED.planned,
    )
    booked = book(tombstone, ASKED)
    assert (booked.studio_uid, booked.client_uid, booked.version, booked.in_force) == ("studio_1", "client_1", 5, True)
