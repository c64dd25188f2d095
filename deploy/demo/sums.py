"""Whether everything adds up. Every sum is made from what one service says and what another one, or the sheet, says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from eridu.production.v1.show_pb2 import SHOW_STATUS_CANCELLED, SHOW_STATUS_CONFIRMED, Show
from eridu.tasks.v1.task_pb2 import Task
from eridu.tasks.v1.template_pb2 import Template

from deploy.demo.follow import Heard, State
from deploy.demo.house import targets
from deploy.demo.sheet import Clash, Plan, split

QUIET = ("unchanged", "refused", "protected", "cancelled")  # outcomes of a confirmation that changes nothing


@dataclass(frozen=True, slots=True)
class Sum:
    """Something that must be equal to something else."""

    sentence: str
    wanted: object
    found: object

    @property
    def right(self) -> bool:
        """Whether it is."""
        return self.wanted == self.found

    @property
    def said(self) -> str:
        """What was found, and what should have been when that is something else."""
        return in_words(self.found) if self.right else f"{in_words(self.found)}, not {in_words(self.wanted)}"


def in_words(value: object) -> str:
    """A number or a word as it is, several with commas."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, (list, tuple)) else str(value)


def of_clashes(plan: Plan, found: set[Clash]) -> list[Sum]:
    """The product names the clashes that are in the sheet, no more and no less."""
    wanted = plan.clashes()
    wrong = sorted(clash.resource for clash in wanted ^ found)
    return [
        Sum("clashes named = clashes that are in the sheet", len(wanted), len(found)),
        Sum("clashes that only one of the two knows", [], wrong),
    ]


def of_confirmation(plan: Plan, outcomes: Counter[str], state: State) -> list[Sum]:
    """Confirmed shows are room bookings are what was planned and not refused, less what earlier runs saw the end of."""
    over, cancelled = outcomes["protected"], outcomes["cancelled"]
    left = len(plan.rows) - outcomes["refused"] - over - cancelled
    return [
        Sum("shows with an answer = shows planned", len(plan.rows), outcomes.total()),
        Sum("shows booked = planned − refused − over − cancelled", left, outcomes["booked"] + outcomes["unchanged"]),
        Sum("confirmed shows = shows booked", left, len(state.with_status(SHOW_STATUS_CONFIRMED))),
        Sum("cancelled shows = those that scheduling knows", cancelled, len(state.with_status(SHOW_STATUS_CANCELLED))),
        Sum("shows ever confirmed = planned − refused", left + over + cancelled, len(state.shows)),
        Sum("room bookings = shows booked, or over", left + over, len(state.rooms)),
    ]


def of_tasks(plan: Plan, template: Template, shows: Iterable[Show], tasks: Iterable[Task]) -> list[Sum]:
    """Every show has each item once per target, by the hosts and platforms that the sheet gives it."""
    wanted = per_show(plan, template, shows)
    found = Counter(task.show_uid for task in tasks)
    keys = Counter((task.show_uid, task.confirmation, task.target_uid, task.template_item_uid) for task in tasks)
    return [
        Sum("tasks = shows ever confirmed × items, per target", wanted.total(), found.total()),
        Sum("shows with another number of tasks", 0, sum(wanted[uid] != found[uid] for uid in wanted | found)),
        Sum("tasks that are there twice", 0, keys.total() - len(keys)),
    ]


def per_show(plan: Plan, template: Template, shows: Iterable[Show]) -> Counter[str]:
    """How many tasks each show must have."""
    rows = {row["external_id"]: row for row in plan.rows}
    sizes = {
        show.uid: [len(split(rows[show.external_id][column])) for column in ("mcs", "platforms")] for show in shows
    }
    return Counter({uid: sum(targets(item, *size) for item in template.items) for uid, size in sizes.items()})


def of_events(heard: Heard, booked: set[str]) -> list[Sum]:
    """A subscriber hears once of every show that this run booked."""
    told = Counter(heard.shows.values())
    return [
        Sum("shows booked now that a subscriber heard of", len(booked), len(booked & set(told))),
        Sum("shows that a subscriber heard of twice", 0, sum(count > 1 for count in told.values())),
    ]


def of_repetition(first: Counter[str], second: Counter[str], before: State, after: State) -> list[Sum]:
    """A second confirmation of the same plan changes nothing."""
    names = ("shows", "room bookings", "tasks")
    return [
        Sum("confirmed again: unchanged = booked", first["booked"] + first["unchanged"], second["unchanged"]),
        *(
            Sum(f"confirmed again: {outcome} as before", first[outcome], second[outcome])
            for outcome in ("refused", "protected", "cancelled")
        ),
        Sum("confirmed again: any other outcome", 0, second.total() - sum(second[known] for known in QUIET)),
        *(
            Sum(f"confirmed again: {name} that came or went", 0, len(old ^ new))
            for name, old, new in zip(names, before.uids(), after.uids(), strict=True)
        ),
    ]
