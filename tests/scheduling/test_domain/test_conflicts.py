"""What-if: slots against each other and against what is booked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.common.errors import NotFound, Refused
from services.scheduling.domain.booking import Problem, Rule, ShowRef, Slot, Taken, Wanted
from services.scheduling.domain.capacity import Search, require_bookable
from services.scheduling.domain.conflict import asked_row, conflicts, require_known, want_asked
from services.scheduling.domain.resource import Resource, ResourceKind
from services.scheduling.domain.schedule import Planned

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROOM = Resource(1, "room_a", ResourceKind.ROOM, "A", timedelta(minutes=10), timedelta(minutes=20), True)
MC = Resource(2, "mc_ada", ResourceKind.MC, "Ada", timedelta(), timedelta(), True)
KNOWN = {one.uid: one for one in (ROOM, MC)}


def asked(key: str, start: float, room: str = "room_a", mcs: tuple[str, ...] = ()) -> Wanted:
    """An hour-long slot that starts so many hours after noon."""
    planned = Planned(
        external_id=key,
        name=key,
        room_uid=room,
        mc_uids=mcs,
        starts_at=NOON + start * HOUR,
        ends_at=NOON + (start + 1) * HOUR,
    )
    return want_asked([asked_row(key, "", planned)], "studio", "client", KNOWN)[0]


def told(*wanted: Wanted, taken: tuple[Slot, ...] = ()) -> tuple[list[str], list[str]]:
    """Problems in short, and who is free."""
    found = conflicts(wanted, Taken(taken))
    return [f"{one.show.external_id} {one.rule} {one.other.name if one.other else ''}" for one in found.problems], list(
        found.free_keys
    )


def test_slots_clash_with_each_other_turnaround_included():
    assert told(asked("1", 0), asked("2", 1.5)) == ([], ["1", "2"])
    assert told(asked("2", 1.4), asked("1", 0)) == (["2 room_clash 1"], ["1"])
    assert told(asked("1", 0, "", ("mc_ada",)), asked("2", 1, "", ("mc_ada",))) == ([], ["1", "2"])


def test_slots_clash_with_what_is_taken():
    taken = Slot(MC, NOON, NOON + HOUR, ShowRef("show_1", "", "Booked", "", "studio", "client"))
    assert told(asked("1", 0.5, "room_a", ("mc_ada",)), taken=(taken,)) == (["1 mc_clash Booked"], [])
    assert told(asked("1", 1, "room_a", ("mc_ada",)), taken=(taken,)) == ([], ["1"])


def test_a_warning_is_told_and_keeps_nobody_from_being_free():
    one = asked("1", 0)
    warned = replace(one, problems=(Problem(Rule.HELD_BY_OTHER, one.show, ROOM),))
    assert told(warned) == (["1 held_by_other "], ["1"])


def test_what_the_studio_does_not_have_is_not_found():
    for room, mcs, reason in (("room_b", (), "ROOM_NOT_FOUND"), ("room_a", ("mc_bob",), "MC_NOT_FOUND")):
        planned = Planned(external_id="1", name="1", room_uid=room, mc_uids=mcs, starts_at=NOON, ends_at=NOON + HOUR)
        with pytest.raises(NotFound) as missing:
            require_known([planned], KNOWN)
        assert missing.value.reason == reason


def test_mcs_that_must_be_free_can_be_booked():
    search = Search(studio_uid="studio", duration=HOUR, mc_uids=["mc_ada"])
    assert require_bookable(search, [MC]) == [MC]
    with pytest.raises(Refused, match="Ada cannot be booked"):
        require_bookable(search, [replace(MC, bookable=False)])
    with pytest.raises(NotFound):
        require_bookable(search, [])
