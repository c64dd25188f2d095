"""A studio's operational days and bookable hours, also when the clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from libs.common.errors import Invalid
from services.scheduling.domain.day import Asked, Hours, Span, StudioClock, day_of

BRUSSELS = StudioClock(ZoneInfo("Europe/Brussels"), time(6))
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def short(spans: list[Span]) -> list[str]:
    return [f"{one.start:%m-%d %H:%M} {one.until:%m-%d %H:%M}" for one in spans]


@pytest.mark.parametrize(
    ("day", "start", "hours"),
    [
        ("2026-03-02", "2026-03-02T05:00", 24),
        ("2026-03-28", "2026-03-28T05:00", 23),  # until the morning after the change
        ("2026-03-29", "2026-03-29T04:00", 24),
        ("2026-10-24", "2026-10-24T04:00", 25),
        ("2026-10-25", "2026-10-25T05:00", 24),
    ],
)
def test_an_operational_day_is_as_long_as_the_clock_makes_it(day: str, start: str, hours: int):
    found = BRUSSELS.day(date.fromisoformat(day))
    assert (found.start, found.length) == (utc(start), hours * HOUR)


@pytest.mark.parametrize("start", [time(0), time(1, 30), time(2), time(2, 30), time(3), time(6), time(23, 59)])
@pytest.mark.parametrize("first", ["2026-03-27", "2026-10-23"])
def test_days_follow_each_other_without_a_gap(first: str, start: time):
    clock = StudioClock(ZoneInfo("Europe/Brussels"), start)
    days = [clock.day(date.fromisoformat(first) + timedelta(days=n)) for n in range(5)]
    assert all(one.until == after.start for one, after in pairwise(days))
    assert all(one.start < one.until for one in days)


@pytest.mark.parametrize(
    ("hours", "start", "until", "found"),
    [
        (
            ("08:00", "18:00"),
            "2026-03-28T00:00",
            "2026-03-30T00:00",
            ["03-28 07:00 03-28 17:00", "03-29 06:00 03-29 16:00"],
        ),
        (("08:00", "18:00"), "2026-03-02T10:00", "2026-03-02T12:00", ["03-02 10:00 03-02 12:00"]),
        (("08:00", "18:00"), "2026-03-02T18:00", "2026-03-03T07:00", []),
        (
            ("22:00", "02:00"),
            "2026-03-02T00:00",
            "2026-03-02T22:00",
            ["03-02 00:00 03-02 01:00", "03-02 21:00 03-02 22:00"],
        ),
        (("22:00", "04:00"), "2026-03-28T12:00", "2026-03-29T12:00", ["03-28 21:00 03-29 02:00"]),  # five hours
        (("22:00", "04:00"), "2026-10-24T12:00", "2026-10-25T12:00", ["10-24 20:00 10-25 03:00"]),  # seven hours
        (
            ("00:00", "00:00"),
            "2026-03-02T12:00",
            "2026-03-03T12:00",
            ["03-02 12:00 03-02 23:00", "03-02 23:00 03-03 12:00"],
        ),
    ],
)
def test_bookable_hours_are_the_clocks(hours: tuple[str, str], start: str, until: str, found: list[str]):
    opening = Hours(*map(time.fromisoformat, hours))
    assert short(list(BRUSSELS.open(opening, Span(utc(start), utc(until))))) == found


def test_a_period_is_named_by_instants_or_by_days_that_are_both_included():
    by_days = Asked(first_day=date(2026, 3, 2), last_day=date(2026, 3, 3))
    assert short([by_days.span(BRUSSELS, timedelta(days=2))]) == ["03-02 05:00 03-04 05:00"]
    by_instants = Asked(utc("2026-03-02T10:00"), utc("2026-03-02T12:00"))
    assert short([by_instants.span(None, timedelta(days=2))]) == ["03-02 10:00 03-02 12:00"]
    assert Asked(last_day=date(2026, 3, 2)).start_by(BRUSSELS) is None


@pytest.mark.parametrize(
    "asked",
    [
        Asked(),
        Asked(utc("2026-03-02T10:00")),
        Asked(utc("2026-03-02T10:00"), utc("2026-03-02T10:00")),
        Asked(utc("2026-03-02T10:00"), utc("2026-03-05T10:00")),
        Asked(first_day=date(2026, 3, 2), last_day=date(2026, 3, 1)),
        Asked(first_day=date(2026, 3, 2), last_day=date(2026, 3, 4)),
    ],
)
def test_a_period_that_is_none_or_too_long_is_refused(asked: Asked):
    with pytest.raises(Invalid, match="period") as refusal:
        asked.span(BRUSSELS, timedelta(days=2))
    assert refusal.value.reason == "PERIOD_INVALID"


def test_two_days_in_autumn_are_not_more_than_two_days():
    asked = Asked(first_day=date(2026, 10, 24), last_day=date(2026, 10, 25))
    assert asked.span(BRUSSELS, timedelta(days=2)).length == 49 * HOUR


def test_a_day_that_no_calendar_has_is_refused():
    assert day_of("2028-02-29", "from_day") == date(2028, 2, 29)
    assert day_of("", "from_day") is None
    with pytest.raises(Invalid) as refusal:
        day_of("2026-02-29", "from_day")
    assert (refusal.value.reason, refusal.value.violations[0].field) == ("DAY_INVALID", "from_day")
