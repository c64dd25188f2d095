"""A show as this service knows it: what its tasks follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from libs.common.errors import Refused, Unavailable
from services.tasks.domain.task import CLOSED, DueAnchor, Task

SHOW = "show"


class ShowStatus(StrEnum):
    """The life of a show, as production tells it."""

    DRAFT = "draft"
    CONFIRMED = "confirmed"
    LIVE = "live"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


HAPPENS = frozenset({ShowStatus.CONFIRMED, ShowStatus.LIVE, ShowStatus.COMPLETED})


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownShow:
    """A show as this service knows it from production's events, and how far its tasks are made."""

    uid: str
    studio_uid: str
    client_uid: str
    name: str
    type: str
    standard: str
    status: ShowStatus
    confirmation: int
    starts_at: datetime
    ends_at: datetime
    targets: tuple[str, ...] = ()  # its MCs (`smc_…`) and platforms (`spl_…`)
    version: int  # production's
    generated: int = 0  # number of the confirmation whose tasks were made
    generated_targets: tuple[str, ...] = ()  # those that it had then, or got since

    @property
    def happens(self) -> bool:
        """It was confirmed and not cancelled."""
        return self.status in HAPPENS

    def require_confirmed(self) -> None:
        """Refused for a show that has no confirmation in force."""
        if not self.happens:
            message = f"the show is {self.status}: only a confirmed show has tasks"
            raise Refused("SHOW_NOT_CONFIRMED", message, uid=self.uid, status=self.status)

    def all_targets(self) -> tuple[str, ...]:
        """All that tasks of the show hang on."""
        return (self.uid, *self.targets)

    def targets_to_generate(self) -> tuple[str, ...]:
        """What has no tasks of the confirmation in force yet: everything, or the targets that came later."""
        if not self.happens:
            return ()
        if self.confirmation > self.generated:
            return self.all_targets()
        return tuple(target for target in self.targets if target not in self.generated_targets)

    def needs(self, task: Task) -> bool:
        """Whether a task that is not completed is to be done."""
        return self.happens and task.confirmation == self.confirmation and task.target_uid in self.all_targets()

    def settle(self, task: Task) -> Task:
        """What becomes of a task that is not completed, now that the show is as it is."""
        if not self.needs(task):
            return task if task.status is CLOSED else task.close()
        wanted = task.revive() if task.status is CLOSED else task
        return wanted.shift(self.due(task.due_anchor, task.due_offset_minutes))

    def due(self, anchor: DueAnchor, offset_minutes: int) -> datetime:
        """When something is due that counts from the show's start or end."""
        counted_from = self.ends_at if anchor is DueAnchor.SHOW_END else self.starts_at
        return counted_from + timedelta(minutes=offset_minutes)


def newest(shows: Iterable[KnownShow]) -> list[KnownShow]:
    """Of what was heard about shows, the last word about each."""
    last: dict[str, KnownShow] = {}
    for show in shows:
        if show.uid not in last or last[show.uid].version < show.version:
            last[show.uid] = show
    return list(last.values())


def show_not_seen(show_uid: str) -> Unavailable:
    """The refusal for a show whose events have not come yet."""
    return Unavailable("SHOW_NOT_SEEN", f"nothing was heard of show {show_uid} yet: try again", uid=show_uid)
