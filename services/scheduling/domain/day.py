"""A studio's days: they begin at its own hour, by its own clock, and the clock may change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from libs.common.errors import FieldViolation, Invalid

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, half-open: `until` is outside."""

    start: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until - self.start


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a day in which shows may be, local; until the next day when `until` does not come after `start`."""

    start: time
    until: time


@dataclass(frozen=True, slots=True)
class StudioClock:
    """The clock on a studio's wall, and when its operational day begins.

    An hour that the clock skips in spring counts as the one after it; of an hour that comes twice in autumn the first
    counts. So days follow each other without a gap, and are as long as they are.
    """

    zone: ZoneInfo
    day_start: time

    def instant(self, day: date, at: time) -> datetime:
        """When the clock shows this time on this day, in UTC."""
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    def day(self, day: date) -> Span:
        """An operational day: from its hour to the same hour of the next day."""
        return Span(self.instant(day, self.day_start), self.instant(day + DAY, self.day_start))

    def open(self, hours: Hours, span: Span) -> Iterator[Span]:
        """The parts of a span that lie in the hours of some day."""
        day, last = span.start.astimezone(self.zone).date() - DAY, span.until.astimezone(self.zone).date()
        while day <= last:
            over_night = DAY if hours.until <= hours.start else timedelta()
            start = max(self.instant(day, hours.start), span.start)
            until = min(self.instant(day + over_night, hours.until), span.until)
            if start < until:
                yield Span(start, until)
            day += DAY


@dataclass(frozen=True, slots=True)
class Asked:
    """A period as it was asked for: by instants or by operational days, either end may be open."""

    start: datetime | None = None
    until: datetime | None = None
    first_day: date | None = None
    last_day: date | None = None

    @property
    def by_days(self) -> bool:
        """Whether the studio's clock has to be known."""
        return self.first_day is not None or self.last_day is not None

    def start_by(self, clock: StudioClock | None) -> datetime | None:
        """Where it starts, if it does."""
        return clock.day(self.first_day).start if clock and self.first_day else self.start

    def until_by(self, clock: StudioClock | None) -> datetime | None:
        """Where it ends, if it does: after the last day."""
        return clock.day(self.last_day).until if clock and self.last_day else self.until

    def span(self, clock: StudioClock | None, longest: timedelta) -> Span:
        """The period when it must have both ends; Invalid when it is none, or too long."""
        start, until = self.start_by(clock), self.until_by(clock)
        if start is None or until is None or start >= until:
            raise period_invalid("the period must end after it starts")
        if until - start > longest + DAY / 24:  # an autumn's hour does not make so many days too long
            raise period_invalid(f"the period may have {longest.days} days at most")
        return Span(start, until)

    def require_order(self, clock: StudioClock | None) -> None:
        """Invalid when it ends before it starts; one of its ends may be open."""
        start, until = self.start_by(clock), self.until_by(clock)
        if start is not None and until is not None and start >= until:
            raise period_invalid("the period must end after it starts")


def period_invalid(message: str) -> Invalid:
    """The refusal of a period."""
    return Invalid("PERIOD_INVALID", message, [FieldViolation("until", message)])


def day_of(text: str, field: str) -> date | None:
    """A day as it is written, `2026-03-02`; None for none, Invalid for one that no calendar has."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is no day of the calendar"
        raise Invalid("DAY_INVALID", f"{field}: {message}", [FieldViolation(field, message)]) from error
