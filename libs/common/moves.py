"""Moves: the named transitions of a state machine.

A life cycle is a list of them in one place: `START = Move("show", "start", {CONFIRMED}, LIVE)`.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from libs.common.errors import Refused

State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Move(Generic[State]):
    """A transition: what it is called, from which states it may start, where it ends."""

    noun: str
    verb: str
    sources: Set[State]
    target: State

    def allowed(self, state: State) -> bool:
        """Whether something in `state` may make this move."""
        return state in self.sources

    def apply(self, state: State) -> State:
        """The state after the move; refused (`SHOW_MOVE_REFUSED`) from any state that is not a source."""
        if state not in self.sources:
            raise Refused(
                f"{self.noun.upper()}_MOVE_REFUSED",
                f"a {state} {self.noun} cannot {self.verb}: only {', '.join(sorted(self.sources))}",
                move=self.verb,
                status=state,
            )
        return self.target
