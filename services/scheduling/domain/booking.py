"""Bookings: who has which room and which MC, and which of a plan's shows can have what they want.

PostgreSQL makes a double booking impossible; the rules here say beforehand, for people, what it would refuse and why.
Validation and confirmation run the same ones.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from heapq import heappop, heappush
from itertools import islice

from libs.common.errors import Refused
from services.scheduling.domain.blackout import OPEN, Closed
from services.scheduling.domain.resource import Resource, ResourceKind
from services.scheduling.domain.schedule import Planned, PlannedShow, Schedule

MOST_CLASHES = 5  # that one show names on one resource: an answer about 5,000 shows stays of a size to be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowBooking:
    """All that one show has booked, and under which confirmation; kept after its release, as the number's tombstone.

    `version` grows with every change, over all confirmations: consumers order by it.
    """

    show_uid: str
    confirmation: int
    version: int
    in_force: bool
    studio_uid: str
    client_uid: str
    schedule_uid: str = ""
    planned: Planned

    def books_the_same(self, planned: Planned) -> bool:
        """The same room and MCs at the same time, whatever else differs."""
        mine = self.planned
        return (mine.room_uid, set(mine.mc_uids), mine.starts_at, mine.ends_at) == (
            planned.room_uid,
            set(planned.mc_uids),
            planned.starts_at,
            planned.ends_at,
        )

    def keeps(self, planned: Planned, held: Iterable[Slot]) -> Mapping[str, Slot]:
        """What of its slots (`held`) it goes on having, by resource uid: at the same time a resource stays booked as
        it was, whatever turnaround its room has now and whatever blackout came later.
        """
        same_time = (self.planned.starts_at, self.planned.ends_at) == (planned.starts_at, planned.ends_at)
        return {slot.resource.uid: slot for slot in held} if self.in_force and same_time else {}

    def move(self, planned: Planned) -> ShowBooking:
        """Booked otherwise, under the same confirmation."""
        return replace(self, planned=planned, version=self.version + 1)

    def confirm(self, planned: Planned, confirmation: int) -> ShowBooking:
        """Booked again after a release, under a new number."""
        return replace(self, planned=planned, confirmation=confirmation, in_force=True, version=self.version + 1)

    def release(self, confirmation: int) -> ShowBooking:
        """Given back."""
        return replace(self, confirmation=confirmation, in_force=False, version=self.version + 1)


def book(mine: ShowBooking | None, asked: ShowBooking) -> ShowBooking:
    """What a show has booked after it asked, under the confirmation number that it brings.

    A number that was released refuses a late booking of it, and an old number a booking behind the current one's back:
    so a call that was given up and comes through after all does no harm.
    """
    if mine is None:
        return asked
    if asked.confirmation < mine.confirmation:
        raise Refused(
            "CONFIRMATION_OLD", f"the show has confirmation {mine.confirmation} already", show_uid=mine.show_uid
        )
    if asked.confirmation > mine.confirmation:
        return replace(asked, version=mine.version + 1)  # a tombstone may not know whose show it is
    if not mine.in_force:
        raise Refused("CONFIRMATION_RELEASED", f"confirmation {mine.confirmation} was released", show_uid=mine.show_uid)
    return mine if mine.planned == asked.planned else mine.move(asked.planned)


@dataclass(frozen=True, slots=True)
class ShowRef:
    """A show as others name it."""

    show_uid: str
    external_id: str
    name: str
    schedule_uid: str
    studio_uid: str
    client_uid: str
    hold_uid: str = ""  # instead of the show, for what is only held


@dataclass(frozen=True, slots=True)
class Slot:
    """One resource for one stretch of time, turnaround included, for one show. Half-open: `until` is free again."""

    resource: Resource
    start: datetime
    until: datetime
    show: ShowRef


class Rule(StrEnum):
    """What a problem broke."""

    ROOM_CLASH = "room_clash"
    MC_CLASH = "mc_clash"
    ROOM_UNAVAILABLE = "room_unavailable"
    MC_UNAVAILABLE = "mc_unavailable"
    OUTSIDE_PERIOD = "outside_period"
    BLACKOUT = "blackout"
    HELD_BY_OTHER = "held_by_other"


class Severity(StrEnum):
    """How much a problem matters: an error refuses the show, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


WARNINGS = {Rule.HELD_BY_OTHER}  # nothing is refused for these
CLASH = {ResourceKind.ROOM: Rule.ROOM_CLASH, ResourceKind.MC: Rule.MC_CLASH}
UNAVAILABLE = {ResourceKind.ROOM: Rule.ROOM_UNAVAILABLE, ResourceKind.MC: Rule.MC_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a show cannot be booked; `other` is the show in the way, for the clash rules; `reason` the blackout's."""

    rule: Rule
    show: ShowRef
    resource: Resource | None = None
    other: ShowRef | None = None
    start: datetime | None = None
    until: datetime | None = None
    inside_plan: bool = False
    blackout_uid: str = ""
    reason: str = ""

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return Severity.WARNING if self.rule in WARNINGS else Severity.ERROR


@dataclass(frozen=True, slots=True)
class Wanted:
    """A planned show and the slots it needs: all of them or none."""

    row: PlannedShow
    show: ShowRef
    slots: tuple[Slot, ...]
    problems: tuple[Problem, ...]  # of the show alone: its resources, blackouts, a start outside the period


class Taken:
    """Slots in force, by resource and start. Slots of one resource never overlap: the database saw to it."""

    def __init__(self, slots: Iterable[Slot] = ()) -> None:
        self.by_resource: dict[int, list[Slot]] = defaultdict(list)
        for slot in sorted(slots, key=lambda slot: slot.start):
            self.by_resource[slot.resource.id].append(slot)

    def in_the_way(self, slot: Slot) -> Iterator[Slot]:
        """Those that overlap a slot, by start."""
        slots = self.by_resource.get(slot.resource.id, [])
        first = bisect_left(slots, slot.start, key=lambda taken: taken.until)
        for index in range(first, len(slots)):
            taken = slots[index]
            if taken.start >= slot.until:
                return
            if taken.until > slot.start:
                yield taken

    def add(self, slots: Iterable[Slot]) -> None:
        """Take more: nothing is in their way."""
        for slot in slots:
            insort(self.by_resource[slot.resource.id], slot, key=lambda taken: taken.start)


NOTHING_KEPT: Mapping[str, Slot] = {}


def slots_of(
    planned: Planned, show: ShowRef, resources: Mapping[str, Resource], kept: Mapping[str, Slot] = NOTHING_KEPT
) -> tuple[Slot, ...]:
    """What a show takes: its room with turnaround, its MCs for its own time; what it keeps, as it has it."""
    return tuple(
        replace(kept[uid], show=show)
        if uid in kept
        else Slot(resource, planned.starts_at - resource.before, planned.ends_at + resource.after, show)
        for uid in (planned.room_uid, *planned.mc_uids)
        if uid
        for resource in (resources[uid],)
    )


def want(
    row: PlannedShow,
    schedule: Schedule,
    resources: Mapping[str, Resource],
    kept: Mapping[str, Slot] = NOTHING_KEPT,
    closed: Closed = OPEN,
) -> Wanted:
    """What a row of a plan asks for, and what is wrong with it before anybody else is looked at."""
    show = ShowRef(
        row.show_uid, row.external_id, row.planned.name, schedule.uid, schedule.studio_uid, schedule.client_uid
    )
    needed = need(row, show, resources, kept, closed)
    if schedule.covers(row.planned.starts_at):
        return needed
    return replace(needed, problems=(*needed.problems, Problem(Rule.OUTSIDE_PERIOD, show)))


def need(
    row: PlannedShow,
    show: ShowRef,
    resources: Mapping[str, Resource],
    kept: Mapping[str, Slot] = NOTHING_KEPT,
    closed: Closed = OPEN,
) -> Wanted:
    """The slots that a show needs, and which of them cannot be booked by anybody."""
    slots = slots_of(row.planned, show, resources, kept)
    problems = [
        Problem(UNAVAILABLE[slot.resource.kind], show, slot.resource) for slot in slots if not slot.resource.bookable
    ]
    return Wanted(row, show, slots, (*problems, *blackouts_over(closed, slots, kept)))


def blackouts_over(closed: Closed, slots: Iterable[Slot], kept: Mapping[str, Slot] = NOTHING_KEPT) -> list[Problem]:
    """The blackouts that a show's slots lie in, save for what it keeps: that was booked before they came."""
    return [
        Problem(
            Rule.BLACKOUT,
            slot.show,
            slot.resource,
            start=max(slot.start, closure.start),
            until=min(slot.until, closure.until),
            blackout_uid=closure.uid,
            reason=closure.reason,
        )
        for slot in slots
        if slot.resource.uid not in kept
        for closure in islice(closed.over(slot.resource.id, slot.start, slot.until), MOST_CLASHES)
    ]


def clash(slot: Slot, other: Slot, inside_plan: bool) -> Problem:
    """Two shows want one resource at one time."""
    return Problem(
        CLASH[slot.resource.kind],
        slot.show,
        slot.resource,
        other.show,
        max(slot.start, other.start),
        min(slot.until, other.until),
        inside_plan,
    )


def clashes_with(taken: Taken, slots: Iterable[Slot], inside_plan: bool) -> list[Problem]:
    """Everything in the way of a show's slots."""
    return [clash(slot, other, inside_plan) for slot in slots for other in islice(taken.in_the_way(slot), MOST_CLASHES)]


def clashes_inside(wanted: Sequence[Wanted]) -> list[Problem]:
    """The clashes between shows of one plan, each pair once, at the show that starts later: a sweep by resource."""
    problems = []
    by_resource: dict[int, list[tuple[datetime, int, Slot]]] = defaultdict(list)  # heaps: who ends first comes first
    for number, slot in enumerate(sorted((slot for each in wanted for slot in each.slots), key=by_start)):
        running = by_resource[slot.resource.id]
        while running and running[0][0] <= slot.start:
            heappop(running)
        problems += [clash(slot, other, True) for _, _, other in running[:MOST_CLASHES]]
        heappush(running, (slot.until, number, slot))
    return problems


def all_problems(wanted: Sequence[Wanted], world: Taken) -> list[Problem]:
    """Every problem of a plan at once: of each show alone, inside the plan, and with bookings in force."""
    problems = [problem for each in wanted for problem in each.problems]
    problems += clashes_inside(wanted)
    problems += [problem for each in wanted for problem in clashes_with(world, each.slots, False)]
    return problems


def by_start(slot: Slot) -> tuple[datetime, str, str]:
    """Slots in the order of their start."""
    return slot.start, slot.show.external_id, slot.show.show_uid
