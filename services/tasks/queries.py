"""What is read from tasks: one function per read."""

from __future__ import annotations

from collections.abc import Collection

from libs.common.access import Caller
from libs.common.db import Database
from libs.common.errors import NotFound
from libs.common.pages import Page, PageQuery
from services.tasks.domain.show import SHOW
from services.tasks.domain.task import TASK, Gate, Task, TaskStatus, TaskType
from services.tasks.domain.template import STUDIO, TEMPLATE, Template
from services.tasks.store import tasks, templates

MOST_OPEN = 100  # open tasks that the gate names


async def get_template(db: Database, caller: Caller, uid: str) -> Template:
    """A template of a studio of the caller's."""
    async with db.read() as reader:
        template = await templates.load_template(reader, uid)
    caller.require(TEMPLATE, uid, template.studio_uid)
    return template


async def list_templates(db: Database, caller: Caller, studio_uid: str, page: PageQuery) -> Page[Template]:
    """The templates of a studio of the caller's, by name."""
    caller.require(STUDIO, studio_uid, studio_uid)
    async with db.read() as reader:
        return await templates.list_templates(reader, studio_uid, page)


async def get_task(db: Database, caller: Caller, uid: str) -> Task:
    """A task of a studio of the caller's."""
    async with db.read() as reader:
        task = await tasks.load_task(reader, uid)
    caller.require(TASK, uid, task.studio_uid)
    return task


async def list_tasks(
    db: Database,
    caller: Caller,
    *,
    studio_uid: str,
    show_uid: str,
    assignee_uid: str,
    statuses: Collection[TaskStatus],
    type_: TaskType | None,
    page: PageQuery,
) -> Page[Task]:
    """Tasks of the caller's studios by due date."""
    async with db.read() as reader:
        return await tasks.list_tasks(
            reader,
            studio_uid=studio_uid,
            show_uid=show_uid,
            assignee_uid=assignee_uid,
            statuses=statuses,
            type_=type_,
            visible=caller.visible(),
            page=page,
        )


async def check_gate(db: Database, caller: Caller, show_uid: str, confirmation: int, phase: TaskType) -> Gate:
    """What stands between a show and its next phase."""
    async with db.read() as reader:
        gate = await tasks.find_gate(reader, show_uid, confirmation, phase, MOST_OPEN)
    if gate.studio_uid:
        caller.require(SHOW, show_uid, gate.studio_uid)
    elif not caller.visible().everything:  # nothing was heard of the show, so nobody can be said to be of its studio
        raise NotFound.of(SHOW, show_uid)
    return gate
