"""Blackouts: when a room or an MC cannot be used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from libs.common.entities import Entity
from services.scheduling.domain.resource import ResourceKind

BLACKOUT = "blackout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout(Entity):
    """A period, half-open, in which one room or one MC cannot be used. Blackouts may overlap each other."""

    studio_uid: str
    kind: ResourceKind
    resource_uid: str
    starts_at: datetime
    ends_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Closure:
    """A blackout as bookings see it."""

    resource_id: int
    uid: str
    start: datetime
    until: datetime
    reason: str


class Closed:
    """Closures by resource and start."""

    def __init__(self, closures: Iterable[Closure] = ()) -> None:
        self.by_resource: dict[int, list[Closure]] = defaultdict(list)
        for closure in sorted(closures, key=lambda closure: (closure.start, closure.uid)):
            self.by_resource[closure.resource_id].append(closure)

    def over(self, resource_id: int, start: datetime, until: datetime) -> Iterator[Closure]:
        """Those of a resource that overlap a period, by start."""
        for closure in self.by_resource.get(resource_id, ()):
            if closure.start >= until:
                return
            if closure.until > start:
                yield closure


OPEN = Closed()
