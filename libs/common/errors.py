"""The six refusals, and what each means across the wire.

A refusal is an answer, not an accident: it carries a stable `reason` (UPPER_SNAKE, what clients and tests match on),
a sentence for people, and the facts of the sentence. `rpc/status.py` turns it into a gRPC status with exactly one
`google.rpc.ErrorInfo`; anything that is not a refusal leaves as INTERNAL without text.

    Invalid        could never work              INVALID_ARGUMENT      fix the request
    NotFound       not there, or not for you     NOT_FOUND             stop
    AlreadyExists  to create, but there          ALREADY_EXISTS        read it
    Refused        the state forbids it now      FAILED_PRECONDITION   change the state first
    Stale          somebody changed it first     ABORTED               read again, retry
    Denied         this caller may not           PERMISSION_DENIED     stop

Three more are about the house, not the request: `Unauthenticated` (no valid token), `Unavailable` (a store or a
neighbour does not answer; retry), and for watches `OutOfRange` (what was to be continued is gone; begin again).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class DomainError(Exception):
    """A refusal with a stable reason. `facts` are every variable of the message, as strings."""

    def __init__(self, reason: str, message: str, **facts: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.facts = {name: str(value) for name, value in facts.items()}
        self.domain = ""  # set when the refusal came from another service


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of a request: its path and what is wrong with it."""

    field: str
    description: str


class Invalid(DomainError):
    """The request could never work; `violations` name the fields."""

    def __init__(self, reason: str, message: str, violations: Sequence[FieldViolation] = (), **facts: object) -> None:
        super().__init__(reason, message, **facts)
        self.violations = tuple(violations)


class NotFound(DomainError):
    """It is not there, or not for this caller: both read the same."""

    @classmethod
    def of(cls, noun: str, uid: str) -> NotFound:
        """The refusal for an entity that is missing or hidden: `SHOW_NOT_FOUND`."""
        return cls(f"{noun.upper()}_NOT_FOUND", f"there is no {noun.replace('_', ' ')} {uid}", uid=uid)


class AlreadyExists(DomainError):
    """It was to be created, and is there."""


class Refused(DomainError):
    """The state forbids it now."""


class Stale(DomainError):
    """Somebody changed it first."""

    @classmethod
    def of(cls, noun: str, uid: str) -> Stale:
        """The refusal for an etag or a version that is not the current one."""
        return cls("STALE", f"{noun.replace('_', ' ')} {uid} was changed meanwhile: read it again", uid=uid)


class Denied(DomainError):
    """This caller may not."""


class OutOfRange(DomainError):
    """It asks for what is past and gone: begin again."""


class Unauthenticated(DomainError):
    """No valid token. The same text for every cause, so that nobody learns which check failed."""


class Unavailable(DomainError):
    """A store or a neighbour does not answer: try again."""


class Overloaded(DomainError):
    """Too many calls at once: try again later."""
