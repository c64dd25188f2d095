"""A confirmation: what it changes in the bookings in force, show by show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from services.scheduling.domain.blackout import OPEN, Closed
from services.scheduling.domain.booking import NOTHING_KEPT, Problem, ShowBooking, ShowRef, Slot, Wanted, want
from services.scheduling.domain.resource import Resource
from services.scheduling.domain.schedule import PlannedShow, Schedule
from services.scheduling.domain.verdict import Verdict, decide


class Mode(StrEnum):
    """How shows that cannot be booked are treated."""

    ALL_OR_NOTHING = "all_or_nothing"
    BEST_EFFORT = "best_effort"
    VALIDATE_ONLY = "validate_only"


class ShowOutcome(StrEnum):
    """What became of a planned show."""

    BOOKED = "booked"
    MOVED = "moved"
    UNCHANGED = "unchanged"
    RELEASED = "released"
    REFUSED = "refused"
    PROTECTED = "protected"
    CANCELLED = "cancelled"
    NOT_BOOKED = "not_booked"


@dataclass(frozen=True, slots=True)
class ShowResult:
    """The answer for one planned show."""

    show: ShowRef
    outcome: ShowOutcome
    problems: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The answer to ConfirmSchedule."""

    schedule: Schedule
    confirmed: bool
    results: Sequence[ShowResult]


NO_BOOKINGS: Mapping[str, ShowBooking] = {}
NO_SLOTS: Mapping[str, Sequence[Slot]] = {}


@dataclass(slots=True)
class Changes:
    """What a confirmation changes: bookings to write by outcome, slots to give back and to take."""

    results: list[ShowResult] = field(default_factory=list)
    booked: list[ShowBooking] = field(default_factory=list)
    moved: list[ShowBooking] = field(default_factory=list)
    released: list[ShowBooking] = field(default_factory=list)
    give_back: list[str] = field(default_factory=list)  # show uids
    take: list[Slot] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Some show cannot be booked."""
        return any(result.outcome is ShowOutcome.REFUSED for result in self.results)

    @property
    def show_bookings(self) -> list[ShowBooking]:
        """Everything to write."""
        return [*self.booked, *self.moved, *self.released]

    def confirmations(self) -> Mapping[str, int]:
        """The confirmation number of each show that takes something."""
        return {one.show_uid: one.confirmation for one in (*self.booked, *self.moved)}


def wanted_of(
    schedule: Schedule,
    plan: Sequence[PlannedShow],
    resources: Mapping[str, Resource],
    in_force: Mapping[str, ShowBooking] = NO_BOOKINGS,
    held: Mapping[str, Sequence[Slot]] = NO_SLOTS,
    closed: Closed = OPEN,
) -> list[Wanted]:
    """What the living rows of a plan ask for; what a show has (`held`, by show uid) and asks for again, it keeps."""
    kept = {
        row.show_uid: mine.keeps(row.planned, held.get(row.show_uid, ()))
        for row in plan
        if (mine := in_force.get(row.show_uid))
    }
    return [want(row, schedule, resources, kept.get(row.show_uid, NOTHING_KEPT), closed) for row in plan if row.wanted]


def work_out(
    schedule: Schedule,
    plan: Sequence[PlannedShow],
    resources: Mapping[str, Resource],
    in_force: Mapping[str, ShowBooking],
    world: Sequence[Slot],
    held: Mapping[str, Sequence[Slot]],
    closed: Closed,
) -> Changes:
    """Hold a plan against the bookings in force: its own (`in_force`, by show uid, released ones too for their
    numbers; their slots are `held`), everybody else's (`world`), and against blackouts.
    """
    wanted = wanted_of(schedule, plan, resources, in_force, held, closed)
    has = {
        each.row.show_uid: held.get(each.row.show_uid, ())
        for each in wanted
        if (mine := in_force.get(each.row.show_uid)) and mine.in_force
    }
    verdict = decide(wanted, world, has)
    changes = Changes()
    won = {each.row.show_uid: each for each in verdict.winners}
    for row in sorted(plan, key=lambda row: (row.planned.starts_at, row.external_id)):
        place(row, won.get(row.show_uid), verdict, schedule, in_force.get(row.show_uid), changes)
    changes.take.sort(key=lambda slot: (slot.resource.id, slot.start))
    return changes


def place(
    row: PlannedShow,
    winner: Wanted | None,
    verdict: Verdict,
    schedule: Schedule,
    mine: ShowBooking | None,
    changes: Changes,
) -> None:
    """What a confirmation does with one row of the plan."""
    show = ShowRef(
        row.show_uid, row.external_id, row.planned.name, schedule.uid, schedule.studio_uid, schedule.client_uid
    )
    held = mine is not None and mine.in_force
    problems: Sequence[Problem] = ()
    if row.started:
        outcome = ShowOutcome.PROTECTED
    elif row.removed_at is not None or row.cancelled:
        if mine is None or not held:
            if row.removed_at is None:
                changes.results.append(ShowResult(show, ShowOutcome.CANCELLED))
            return
        outcome = ShowOutcome.RELEASED
        changes.released.append(mine.release(mine.confirmation))
        changes.give_back.append(row.show_uid)
    elif winner is None:
        outcome, problems = ShowOutcome.REFUSED, verdict.refused[row.show_uid]
    elif mine is None or not held:
        outcome = ShowOutcome.BOOKED
        changes.booked.append(
            first_booking(row, schedule) if mine is None else mine.confirm(row.planned, mine.confirmation + 1)
        )
        changes.take += winner.slots
    elif mine.planned == row.planned:
        outcome = ShowOutcome.UNCHANGED
    else:
        outcome = ShowOutcome.MOVED
        changes.moved.append(mine.move(row.planned))
        if not mine.books_the_same(row.planned):
            changes.give_back.append(row.show_uid)
            changes.take += winner.slots
    changes.results.append(ShowResult(show, outcome, problems))


def first_booking(row: PlannedShow, schedule: Schedule) -> ShowBooking:
    """The first confirmation of a planned show."""
    return ShowBooking(
        show_uid=row.show_uid,
        confirmation=1,
        version=1,
        in_force=True,
        studio_uid=schedule.studio_uid,
        client_uid=schedule.client_uid,
        schedule_uid=schedule.uid,
        planned=row.planned,
    )


def nothing_booked(changes: Changes) -> list[ShowResult]:
    """The results when one refusal keeps everything as it is (ALL_OR_NOTHING)."""
    undone = {ShowOutcome.BOOKED, ShowOutcome.MOVED, ShowOutcome.RELEASED}
    return [
        ShowResult(result.show, ShowOutcome.NOT_BOOKED) if result.outcome in undone else result
        for result in changes.results
    ]


def with_warnings(results: Sequence[ShowResult], warnings: Iterable[Problem]) -> Sequence[ShowResult]:
    """The results of shows that are booked, with what is to be known of them."""
    by_show: dict[str, list[Problem]] = defaultdict(list)
    for warning in warnings:
        by_show[warning.show.show_uid].append(warning)
    if not by_show:
        return results
    return [replace(result, problems=[*result.problems, *by_show[result.show.show_uid]]) for result in results]
