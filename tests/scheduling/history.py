"""A history of what callers were told, held against what the database has in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Taken = frozenset[tuple[str, float, float]]  # a room or MC, from when and until when: what one show has
NOTHING: Taken = frozenset()


@dataclass(frozen=True)
class Told:
    """An answer: this show had exactly this at some moment between the call's beginning and its end."""

    show_uid: str
    began: float
    ended: float
    taken: Taken
    version: int = 0  # of the show's bookings; 0 where the answer does not say


@dataclass
class Stored:
    """What the database has: each show's version, what it has now, and all that it ever had."""

    versions: Mapping[str, int] = field(default_factory=dict)
    now: Mapping[str, Taken] = field(default_factory=dict)
    ever: Mapping[str, Taken] = field(default_factory=dict)


# Of one resource two bookings overlap, and there was a moment when both were in force: also one that is long past.
# The name of the table is left open, so that a test can put another in its place.
OVERLAPS = """
    SELECT a.show_uid AS one, b.show_uid AS other, a.resource_uid
    FROM booking a
    JOIN booking b ON a.resource_id = b.resource_id AND a.id < b.id AND a.period && b.period
    WHERE tstzrange(a.created_at, a.released_at) && tstzrange(b.created_at, b.released_at)
"""


def faults(told: Iterable[Told], stored: Stored) -> list[str]:
    """Everything that callers were told and that is not so: nothing, when nothing was lost."""
    by_show = defaultdict(list)
    for one in told:
        by_show[one.show_uid].append(one)
    return [fault for show_uid, answers in by_show.items() for fault in faults_of(show_uid, answers, stored)]


def faults_of(show_uid: str, answers: Sequence[Told], stored: Stored) -> Iterator[str]:
    """What is wrong with one show."""
    now = stored.now.get(show_uid, NOTHING)
    if now not in {one.taken for one in last(answers)}:
        yield f"{show_uid}: has {sorted(now)}, and nobody who asked last was told so"
    for one in answers:
        if not one.taken <= stored.ever.get(show_uid, NOTHING):
            yield f"{show_uid}: was told to have {sorted(one.taken)}, which it never had"
    by_version: dict[int, Taken] = {}
    for one in answers:
        if one.version and by_version.setdefault(one.version, one.taken) != one.taken:
            yield f"{show_uid}: version {one.version} was told in two ways"
    version = stored.versions.get(show_uid, 0)
    if version < max(by_version, default=0):
        yield f"{show_uid}: has version {version}, a later one was told"
    if by_version.get(version, now) != now:
        yield f"{show_uid}: version {version} was told otherwise"
    if all(one.version for one in answers) and version not in by_version:
        yield f"{show_uid}: has version {version}, which nobody was told"


def last(answers: Sequence[Told]) -> list[Told]:
    """The answers after which nothing else was asked and answered: the truth is one of them."""
    latest = max(one.began for one in answers)
    return [one for one in answers if one.ended >= latest]
