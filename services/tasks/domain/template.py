"""A template, and the tasks that are made from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from libs.common import uids
from libs.common.entities import Entity
from libs.common.errors import Refused
from services.tasks.domain.show import SHOW, KnownShow
from services.tasks.domain.task import TASK_PREFIX, DueAnchor, Task, TaskType

STUDIO = "studio"
TEMPLATE = "template"
TEMPLATE_PREFIX, ITEM_PREFIX = "tpl", "titem"

# Tasks of these types hang on each of the show's targets of that kind; all others hang on the show.
TARGETS = {TaskType.SHOW_MC_REVIEW: "smc", TaskType.SHOW_PLATFORM_REVIEW: "spl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateItem:
    """One thing to be done for every show that the template matches."""

    uid: str
    title: str
    type: TaskType
    required: bool
    needs_review: bool
    due_anchor: DueAnchor
    due_offset_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Template(Entity):
    """A studio's list of what is to be done; an empty condition matches every show."""

    studio_uid: str
    name: str
    client_uid: str = ""
    show_type: str = ""
    show_standard: str = ""
    active: bool = False
    items: tuple[TemplateItem, ...] = ()

    def activate(self) -> Template:
        """From now on shows that are confirmed get its tasks."""
        if not self.items:
            raise Refused("TEMPLATE_EMPTY", "a template without items has nothing to be done", uid=self.uid)
        if self.active:
            raise Refused("TEMPLATE_ACTIVE", "this template is active already", uid=self.uid)
        return replace(self, active=True)

    def deactivate(self) -> Template:
        """From now on shows no longer get its tasks."""
        if not self.active:
            raise Refused("TEMPLATE_INACTIVE", "this template is inactive already", uid=self.uid)
        return replace(self, active=False)

    def matches(self, show: KnownShow) -> bool:
        """Whether the show is to get its tasks."""
        return (
            self.active
            and self.studio_uid == show.studio_uid
            and self.client_uid in ("", show.client_uid)
            and self.show_type in ("", show.type)
            and self.show_standard in ("", show.standard)
        )


def plan_tasks(show: KnownShow, templates: Sequence[Template], targets: Collection[str], now: datetime) -> list[Task]:
    """The tasks of a show's confirmation that hang on these targets: one for each item and target."""
    return [
        Task(
            uid=uids.new(TASK_PREFIX),
            created_at=now,
            updated_at=now,
            studio_uid=show.studio_uid,
            client_uid=show.client_uid,
            show_uid=show.uid,
            confirmation=show.confirmation,
            target_uid=target,
            template_item_uid=item.uid,
            title=item.title,
            type=item.type,
            required=item.required,
            needs_review=item.needs_review,
            due_at=show.due(item.due_anchor, item.due_offset_minutes),
            due_anchor=item.due_anchor,
            due_offset_minutes=item.due_offset_minutes,
        )
        for template in templates
        if template.matches(show)
        for item in template.items
        for target in targets
        if uids.prefix(target) == TARGETS.get(item.type, SHOW)
    ]
