"""Holds without a database: all moves × all states, the order of options, what a booking does to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.common.errors import Invalid, Refused
from services.scheduling.domain.booking import MOST_CLASHES, Rule, Severity, ShowRef, Slot
from services.scheduling.domain.hold import Hold, HoldState, held_by_others, require_expiry, settle
from services.scheduling.domain.resource import Resource, ResourceKind

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NONE = timedelta()
ROOM = Resource(1, "room_a", ResourceKind.ROOM, "A", NONE, NONE, True)
ADA = Resource(2, "mc_ada", ResourceKind.MC, "Ada", NONE, NONE, True)

MOVES = {
    "confirm": lambda hold: hold.confirm("show_1", NOON),
    "release": lambda hold: hold.release(NOON),
    "expire": lambda hold: hold.expire(NOON),
    "lose": lambda hold: hold.lose(NOON),
}


def hold(uid: str = "hold_1", client: str = "client_1", **more: object) -> Hold:
    """A hold of a client's."""
    made = Hold(
        uid=uid,
        created_at=NOON,
        updated_at=NOON,
        studio_uid="studio_1",
        client_uid=client,
        name=uid,
        starts_at=NOON,
        ends_at=NOON + timedelta(hours=1),
        expires_at=NOON + timedelta(days=1),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def held(uid: str, start: int, end: int, client: str = "client_1", resource: Resource = ROOM) -> Slot:
    """A slot of a hold, in minutes from noon."""
    ref = ShowRef("", "", uid, "", "studio_1", client, uid)
    return Slot(resource, NOON + timedelta(minutes=start), NOON + timedelta(minutes=end), ref)


def taken(show_uid: str, start: int, end: int, client: str = "client_1", resource: Resource = ROOM) -> Slot:
    """A slot of a show, in minutes from noon."""
    ref = ShowRef(show_uid, "", show_uid, "", "studio_1", client)
    return Slot(resource, NOON + timedelta(minutes=start), NOON + timedelta(minutes=end), ref)


@pytest.mark.parametrize("state", HoldState)
@pytest.mark.parametrize("verb", MOVES)
def test_only_what_is_held_ends(state: HoldState, verb: str) -> None:
    before = hold(state=state)
    if state is not HoldState.HELD:
        with pytest.raises(Refused) as refusal:
            MOVES[verb](before)
        assert refusal.value.reason == "HOLD_MOVE_REFUSED"
        return
    after = MOVES[verb](before)
    ends = {"confirm": "confirmed", "release": "released", "expire": "expired", "lose": "lost"}
    assert (after.state, after.ended_at, after.version) == (ends[verb], NOON, 2)
    assert after.show_uid == ("show_1" if verb == "confirm" else "")


@pytest.mark.parametrize("state", HoldState)
def test_over_by_the_clock_is_over(state: HoldState) -> None:
    one = hold(state=state)
    assert one.as_of(one.expires_at - timedelta(microseconds=1)) == one
    over = one.as_of(one.expires_at).state
    assert over is (HoldState.EXPIRED if state is HoldState.HELD else state)


@pytest.mark.parametrize(
    ("wait", "allowed"),
    [
        (timedelta(microseconds=1), True),
        (timedelta(days=90), True),
        (timedelta(), False),
        (timedelta(days=-1), False),
        (timedelta(days=90, microseconds=1), False),
    ],
)
def test_an_option_ends_in_the_future_and_within_ninety_days(wait: timedelta, allowed: bool) -> None:
    if allowed:
        require_expiry(NOON + wait, NOON)
    else:
        with pytest.raises(Invalid) as refusal:
            require_expiry(NOON + wait, NOON)
        assert refusal.value.reason == "EXPIRY_INVALID"


@pytest.mark.parametrize(
    ("others", "rank"),
    [
        ([], 1),
        ([held("hold_a", 0, 60)], 2),
        ([held("hold_a", -60, 0), held("hold_b", 60, 90)], 1),  # back to back
        ([held("hold_a", 0, 60, resource=ADA)], 2),
        ([held("hold_a", 0, 60), held("hold_a", 0, 60, resource=ADA)], 2),  # one hold, however much of it
        ([held("hold_a", 0, 1), held("hold_b", 59, 90, resource=ADA)], 3),
    ],
)
def test_a_new_hold_stands_behind_all_that_want_the_same(others: list[Slot], rank: int) -> None:
    mine = [held("hold_1", 0, 60), held("hold_1", 0, 60, resource=ADA)]
    assert hold().behind(mine, others).rank == rank


def test_holds_of_others_are_warned_of_the_oldest_first_and_only_so_many() -> None:
    others = [held(f"hold_{n}", 0, 60, "client_2") for n in range(MOST_CLASHES + 1)]
    found = held_by_others([taken("show_1", 30, 90), taken("show_2", 60, 90)], [held("hold_mine", 0, 60), *others])
    assert [one.other.hold_uid for one in found if one.other] == [f"hold_{n}" for n in range(MOST_CLASHES)]
    assert all(one.severity is Severity.WARNING and one.rule is Rule.HELD_BY_OTHER for one in found)
    assert {(one.start, one.until) for one in found} == {(NOON + timedelta(minutes=30), NOON + timedelta(minutes=60))}


BY_AGE = [
    held("hold_theirs", 0, 60, "client_2"),
    held("hold_mine", 0, 60),
    held("hold_later", 30, 90),
    held("hold_beside", 60, 120),
]
ALL = {slot.show.hold_uid: hold(slot.show.hold_uid, slot.show.client_uid) for slot in BY_AGE}


@pytest.mark.parametrize(
    ("slots", "named", "ends"),
    [
        ([taken("show_1", 0, 60)], "", {"theirs": "lost", "mine": "show_1", "later": "lost"}),
        ([taken("show_1", 0, 60)], "later", {"theirs": "lost", "mine": "lost", "later": "show_1"}),
        ([taken("show_1", 0, 60, "client_2")], "", {"theirs": "show_1", "mine": "lost", "later": "lost"}),
        ([taken("show_1", 0, 60, "client_3")], "", {"theirs": "lost", "mine": "lost", "later": "lost"}),
        ([taken("show_1", 0, 60, resource=ADA)], "", {}),
        ([taken("show_1", 120, 180)], "", {}),
        (  # each show takes up one
            [taken("show_1", 0, 60), taken("show_2", 60, 120)],
            "",
            {"theirs": "lost", "mine": "show_1", "later": "show_2", "beside": "lost"},
        ),
    ],
)
def test_what_is_booked_takes_up_one_hold_and_the_others_are_lost(
    slots: list[Slot], named: str, ends: dict[str, str]
) -> None:
    ended = settle(ALL, BY_AGE, slots, f"hold_{named}" if named else "", NOON)
    assert {one.uid.removeprefix("hold_"): one.show_uid or str(one.state) for one in ended} == ends


def test_a_named_hold_must_hold_something_of_what_is_booked() -> None:
    with pytest.raises(Refused) as refusal:
        settle(ALL, BY_AGE, [taken("show_1", 0, 60)], "hold_beside", NOON)
    assert refusal.value.reason == "HOLD_ELSEWHERE"
