"""The gate: what open required tasks do to a show that wants to move on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from libs.common.errors import Refused

NAMED = 10  # open tasks that a refusal names


class Policy(StrEnum):
    """What the studio wants the gate to do."""

    BLOCK = "block"
    WARN = "warn"
    OFF = "off"


class GateState(StrEnum):
    """What the tasks say."""

    CLEAR = "clear"
    OPEN_TASKS = "open_tasks"
    NOT_GENERATED = "not_generated"


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A required task that is not done."""

    uid: str
    title: str


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing in the way of a move: the refusal that the move would raise."""

    refusal: Refused
    stops: bool = True  # not with a gate that only warns
    waivable: bool = False
    task_uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """The studio's policy and the tasks' answer."""

    policy: Policy
    state: GateState = GateState.CLEAR
    tasks: tuple[OpenTask, ...] = ()

    @property
    def holds(self) -> bool:
        """Without a waiver nobody passes."""
        return self.policy is Policy.BLOCK and self.state is not GateState.CLEAR

    def blockers(self) -> tuple[Blocker, ...]:
        """What the gate puts in the way."""
        if self.policy is Policy.OFF or self.state is GateState.CLEAR:
            return ()
        refusal = tasks_open(self.tasks) if self.state is GateState.OPEN_TASKS else tasks_not_generated()
        uids = tuple(task.uid for task in self.tasks)
        return (Blocker(refusal, stops=self.holds, waivable=True, task_uids=uids),)


OPEN = Gate(Policy.OFF)  # for moves that wait for no tasks


def tasks_open(tasks: tuple[OpenTask, ...]) -> Refused:
    """Required tasks are not done."""
    named = tasks[:NAMED]
    return Refused(
        "TASKS_OPEN",
        f"{len(tasks)} required tasks are open: {', '.join(task.title for task in named)}",
        count=len(tasks),
        task_uids=", ".join(task.uid for task in named),
        titles=", ".join(task.title for task in named),
    )


def tasks_not_generated() -> Refused:
    """The tasks of this confirmation are still to come."""
    return Refused("TASKS_NOT_GENERATED", "the tasks of this show are not generated yet: try again in a moment")
