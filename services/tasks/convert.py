"""Between the domain of tasks and its messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from eridu.production.v1 import show_pb2
from eridu.tasks.v1 import task_pb2, task_service_pb2, template_pb2, template_service_pb2

from libs.common import uids
from libs.common.errors import Invalid
from libs.common.messages import set_time, stamp, time_of
from services.tasks.domain.show import KnownShow, ShowStatus
from services.tasks.domain.task import DueAnchor, Gate, GateState, Task, TaskStatus, TaskType
from services.tasks.domain.template import ITEM_PREFIX, Template, TemplateItem

TYPES = {one: template_pb2.TaskType.Value(f"TASK_TYPE_{one.name}") for one in TaskType}
TYPE_OF = {value: one for one, value in TYPES.items()}
ANCHORS = {one: template_pb2.DueAnchor.Value(f"DUE_ANCHOR_{one.name}") for one in DueAnchor}
ANCHOR_OF = {value: one for one, value in ANCHORS.items()} | {template_pb2.DUE_ANCHOR_UNSPECIFIED: DueAnchor.SHOW_START}
STATUSES = {one: task_pb2.TaskStatus.Value(f"TASK_STATUS_{one.name}") for one in TaskStatus}
STATUS_OF = {value: one for one, value in STATUSES.items()}
GATES = {one: task_service_pb2.GateState.Value(f"GATE_STATE_{one.name}") for one in GateState}
SHOW_STATUS_OF = {show_pb2.ShowStatus.Value(f"SHOW_STATUS_{one.name}"): one for one in ShowStatus}

BATCH = 500  # tasks in one event at most …
BATCH_BYTES = 256 * 1024  # … and bytes, well below what the stream takes in one message


def template(entity: Template) -> template_pb2.Template:
    """A template as a message."""
    message = template_pb2.Template(
        uid=entity.uid,
        studio_uid=entity.studio_uid,
        name=entity.name,
        client_uid=entity.client_uid,
        show_type=entity.show_type,
        show_standard=entity.show_standard,
        active=entity.active,
        items=[item(one) for one in entity.items],
    )
    stamp(message, entity)
    return message


def item(entity: TemplateItem) -> template_pb2.TemplateItem:
    """A template's item as a message."""
    return template_pb2.TemplateItem(
        uid=entity.uid,
        title=entity.title,
        type=TYPES[entity.type],
        required=entity.required,
        needs_review=entity.needs_review,
        due_anchor=ANCHORS[entity.due_anchor],
        due_offset_minutes=entity.due_offset_minutes,
    )


def items_of(messages: Iterable[template_service_pb2.NewTemplateItem]) -> tuple[TemplateItem, ...]:
    """The items of a new template."""
    return tuple(
        TemplateItem(
            uid=uids.new(ITEM_PREFIX),
            title=message.title,
            type=TYPE_OF[message.type],
            required=message.required,
            needs_review=message.needs_review,
            due_anchor=ANCHOR_OF[message.due_anchor],
            due_offset_minutes=message.due_offset_minutes,
        )
        for message in messages
    )


def task(entity: Task) -> task_pb2.Task:
    """A task as a message."""
    message = task_pb2.Task(
        uid=entity.uid,
        studio_uid=entity.studio_uid,
        client_uid=entity.client_uid,
        show_uid=entity.show_uid,
        confirmation=entity.confirmation,
        target_uid=entity.target_uid,
        template_item_uid=entity.template_item_uid,
        title=entity.title,
        type=TYPES[entity.type],
        required=entity.required,
        needs_review=entity.needs_review,
        status=STATUSES[entity.status],
        assignee_uid=entity.assignee_uid,
        completed_by=entity.completed_by,
    )
    set_time(message.due_at, entity.due_at)
    if entity.completed_at:
        set_time(message.completed_at, entity.completed_at)
    stamp(message, entity)
    return message


def gate(found: Gate, confirmation: int) -> task_service_pb2.CheckGateResponse:
    """The gate's answer for one confirmation; the open tasks only when it is they that stand in the way."""
    state = found.state(confirmation)
    open_tasks = found.open_tasks if state is GateState.OPEN_TASKS else ()
    return task_service_pb2.CheckGateResponse(state=GATES[state], open_tasks=[task(one) for one in open_tasks])


@dataclass(slots=True)
class Batch:
    """As many tasks as one event carries."""

    tasks: list[Task] = field(default_factory=list)
    messages: list[task_pb2.Task] = field(default_factory=list)
    size: int = 0

    def take(self, entity: Task, message: task_pb2.Task) -> bool:
        """Take one more, unless it is full."""
        size = self.size + message.ByteSize()
        if self.tasks and (len(self.tasks) == BATCH or size > BATCH_BYTES):
            return False
        self.tasks.append(entity)
        self.messages.append(message)
        self.size = size
        return True


def batches(tasks: Iterable[Task]) -> list[Batch]:
    """Tasks cut into what single events carry: at least one batch, even of nothing."""
    cut = [Batch()]
    for one in tasks:
        message = task(one)
        if not cut[-1].take(one, message):
            cut.append(Batch())
            cut[-1].take(one, message)
    return cut


def known_show(event: Any) -> KnownShow:
    """The show of one of production's events, all of which carry it whole."""
    show: show_pb2.Show = event.show
    if not (show.uid and show.studio_uid and show.HasField("starts_at") and show.HasField("ends_at")):
        raise Invalid("SHOW_INCOMPLETE", "an event about a show must carry the show")
    if show.status not in SHOW_STATUS_OF:
        raise Invalid("SHOW_STATUS_UNKNOWN", f"show status {show.status} is not known here")
    return KnownShow(
        uid=show.uid,
        studio_uid=show.studio_uid,
        client_uid=show.client_uid,
        name=show.name,
        type=show.type,
        standard=show.standard,
        status=SHOW_STATUS_OF[show.status],
        confirmation=show.confirmation,
        starts_at=time_of(show.starts_at),
        ends_at=time_of(show.ends_at),
        targets=(*(mc.uid for mc in show.mcs), *(platform.uid for platform in show.platforms)),
        version=event.change.entity_version,
    )
