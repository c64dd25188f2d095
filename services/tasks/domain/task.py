"""A task: its life, and who may move it on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from libs.common.entities import Entity
from libs.common.errors import Denied, Refused
from libs.common.moves import Move

TASK = "task"
TASK_PREFIX = "task"

TaskKey = tuple[str, int, str, str]  # show, confirmation, target, template item: one generated task each


class TaskType(StrEnum):
    """When in a show's life a task is due, and on what it hangs."""

    PRE_PRODUCTION = "pre_production"
    PRODUCTION = "production"
    POST_PRODUCTION = "post_production"
    SHOW_MC_REVIEW = "show_mc_review"
    SHOW_PLATFORM_REVIEW = "show_platform_review"
    OTHER = "other"


class DueAnchor(StrEnum):
    """What a due date counts from."""

    SHOW_START = "show_start"
    SHOW_END = "show_end"


class TaskStatus(StrEnum):
    """The life of a task."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    REVIEW = "review"
    COMPLETED = "completed"
    BLOCKED = "blocked"
    CLOSED = "closed"


PENDING, ASSIGNED, IN_PROGRESS, REVIEW, COMPLETED, BLOCKED, CLOSED = TaskStatus
OPEN = frozenset({PENDING, ASSIGNED, IN_PROGRESS, REVIEW, BLOCKED})

ASSIGN = Move(TASK, "assign", {PENDING, ASSIGNED}, ASSIGNED)
START = Move(TASK, "start", {ASSIGNED}, IN_PROGRESS)
SUBMIT = Move(TASK, "submit", {IN_PROGRESS}, REVIEW)
APPROVE = Move(TASK, "approve", {REVIEW}, COMPLETED)
RETURN = Move(TASK, "return", {REVIEW}, IN_PROGRESS)
COMPLETE = Move(TASK, "complete", {IN_PROGRESS}, COMPLETED)
CLOSE = Move(TASK, "close", OPEN, CLOSED)  # by the house: the show, its confirmation or the target is gone
REVIVE = Move(TASK, "revive", {CLOSED}, PENDING)  # by the house: the target came back


@dataclass(frozen=True, slots=True, kw_only=True)
class Doer:
    """Who works on a task."""

    user_uid: str
    manager: bool  # of the task's studio: may do everybody's work


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Entity):
    """Something to be done for a show."""

    studio_uid: str
    client_uid: str
    show_uid: str
    confirmation: int
    target_uid: str
    template_item_uid: str
    title: str
    type: TaskType
    required: bool
    needs_review: bool
    status: TaskStatus = PENDING
    assignee_uid: str = ""
    due_at: datetime
    due_anchor: DueAnchor
    due_offset_minutes: int
    due_edited: bool = False  # a person chose the date: it follows the show no longer
    completed_at: datetime | None = None
    completed_by: str = ""

    @property
    def key(self) -> TaskKey:
        """Of what it is the only task."""
        return self.show_uid, self.confirmation, self.target_uid, self.template_item_uid

    def assign(self, assignee_uid: str) -> Task:
        """Give it to somebody."""
        return replace(self, status=ASSIGN.apply(self.status), assignee_uid=assignee_uid)

    def start(self, by: Doer) -> Task:
        """Begin it."""
        status = START.apply(self.status)
        self.require_own(by)
        return replace(self, status=status)

    def submit(self, by: Doer) -> Task:
        """It is done and wants a look."""
        status = SUBMIT.apply(self.status)
        self.require_own(by)
        return replace(self, status=status)

    def approve(self, by: Doer, now: datetime) -> Task:
        """A manager looked at it and is content."""
        return replace(self, status=APPROVE.apply(self.status), completed_at=now, completed_by=by.user_uid)

    def send_back(self) -> Task:
        """A manager looked at it and is not."""
        return replace(self, status=RETURN.apply(self.status))

    def complete(self, by: Doer, now: datetime) -> Task:
        """It is done, and no look is needed."""
        status = COMPLETE.apply(self.status)
        self.require_own(by)
        if self.needs_review:
            raise Refused("REVIEW_NEEDED", "somebody looks at this task before it is completed: submit it")
        return replace(self, status=status, completed_at=now, completed_by=by.user_uid)

    def close(self) -> Task:
        """It is no longer to be done."""
        return replace(self, status=CLOSE.apply(self.status))

    def revive(self) -> Task:
        """It is to be done again, by nobody yet."""
        return replace(self, status=REVIVE.apply(self.status), assignee_uid="")

    def shift(self, due_at: datetime) -> Task:
        """It is due at another time, unless a person chose the date."""
        return self if self.due_edited or due_at == self.due_at else replace(self, due_at=due_at)

    def require_own(self, by: Doer) -> None:
        """Denied unless it is the doer's own, or the doer is a manager."""
        if not by.manager and by.user_uid != self.assignee_uid:
            raise Denied("NOT_YOUR_TASK", "this task is somebody else's", uid=self.uid)


class GateState(StrEnum):
    """Whether a show may move on."""

    CLEAR = "clear"
    OPEN_TASKS = "open_tasks"
    NOT_GENERATED = "not_generated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What stands between a show and its next phase."""

    studio_uid: str = ""  # empty when nothing was heard of the show
    generated: int = 0
    open_tasks: tuple[Task, ...] = ()

    def state(self, confirmation: int) -> GateState:
        """The answer for one confirmation: what is not made yet is not done."""
        if self.generated < confirmation:
            return GateState.NOT_GENERATED
        return GateState.OPEN_TASKS if self.open_tasks else GateState.CLEAR


def assignee_not_member(user_uid: str) -> Refused:
    """The refusal for an assignee from outside the studio."""
    message = f"user {user_uid} is no member of the task's studio"
    return Refused("ASSIGNEE_NOT_MEMBER", message, user_uid=user_uid)
