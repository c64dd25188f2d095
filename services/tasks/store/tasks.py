"""Tasks in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, text, tuple_

from libs.common.access import Visible
from libs.common.db import Reader, Tx
from libs.common.errors import Stale
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import among, columns_of, living, load_one, mapping, save_one
from services.tasks.domain.show import KnownShow
from services.tasks.domain.task import COMPLETED, OPEN, TASK, Gate, Task, TaskKey, TaskStatus, TaskType
from services.tasks.store import tables
from services.tasks.store.tables import known_show, task

TASKS = columns_of(task, Task).where(living(task))

# What differs from one new task to the next; the rest is the same for all of them.
PLANNED_COLUMNS = {
    "uid": "text",
    "studio_uid": "text",
    "client_uid": "text",
    "show_uid": "text",
    "confirmation": "integer",
    "target_uid": "text",
    "template_item_uid": "text",
    "title": "text",
    "type": "text",
    "required": "boolean",
    "needs_review": "boolean",
    "due_at": "timestamptz",
    "due_anchor": "text",
    "due_offset_minutes": "integer",
}

INSERT_PLANNED = text(
    f"""
    INSERT INTO tasks.task ({", ".join(PLANNED_COLUMNS)},
        status, assignee_uid, due_edited, completed_by, metadata, created_at, updated_at, version)
    SELECT {", ".join(PLANNED_COLUMNS)}, 'pending', '', false, '', '{{}}', :now, :now, 1
    FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in PLANNED_COLUMNS.items())})
        AS planned ({", ".join(PLANNED_COLUMNS)})
    ON CONFLICT ON CONSTRAINT task_generation_key DO NOTHING
    RETURNING uid
    """
)

SAVE_FOLLOWED = text(
    """
    UPDATE tasks.task
    SET status = changed.status, assignee_uid = changed.assignee_uid, due_at = changed.due_at,
        version = task.version + 1, updated_at = :now
    FROM unnest(CAST(:uids AS text[]), CAST(:versions AS bigint[]), CAST(:statuses AS text[]),
                CAST(:assignee_uids AS text[]), CAST(:due_ats AS timestamptz[]))
        AS changed (uid, version, status, assignee_uid, due_at)
    WHERE task.uid = changed.uid AND task.version = changed.version
    """
)


async def insert_planned(tx: Tx, planned: Sequence[Task], now: datetime) -> list[Task]:
    """Insert new tasks, in one statement; those that were not there before."""
    if not planned:
        return []
    values: dict[str, Any] = {name: [getattr(one, name) for one in planned] for name in PLANNED_COLUMNS}
    made = set((await tx.execute(INSERT_PLANNED, {**values, "now": now})).scalars())
    return [one for one in planned if one.uid in made]


async def save_followed(tx: Tx, changes: Sequence[tuple[Task, Task]], now: datetime) -> list[tuple[Task, Task]]:
    """Write what may change in tasks that follow their shows, in one statement; before and after."""
    if not changes:
        return []
    values = {
        "uids": [before.uid for before, _ in changes],
        "versions": [before.version for before, _ in changes],
        "statuses": [after.status for _, after in changes],
        "assignee_uids": [after.assignee_uid for _, after in changes],
        "due_ats": [after.due_at for _, after in changes],
        "now": now,
    }
    if (await tx.execute(SAVE_FOLLOWED, values)).rowcount < len(changes):
        raise Stale("STALE", "a task was changed meanwhile")
    return [(before, replace(after, version=before.version + 1, updated_at=now)) for before, after in changes]


async def save_task(tx: Tx, before: Task, after: Task, now: datetime) -> Task:
    """Write a changed task."""
    return await save_one(tx, task, TASK, before, after, now)


async def load_task(reader: Reader, uid: str, lock: bool = False) -> Task:
    """A living task."""
    return await load_one(reader, task, Task, TASK, uid, lock)


async def lock_followers(tx: Tx, show_uids: Collection[str]) -> list[Task]:
    """The tasks that follow these shows, locked: all but the completed ones, whatever their confirmation."""
    query = TASKS.where(among(task.c.show_uid, show_uids), task.c.status != COMPLETED)
    rows = await tx.execute(query.order_by(task.c.uid).with_for_update())
    return [Task(**mapping(row)) for row in rows]


async def generated_keys(reader: Reader, shows: Sequence[KnownShow]) -> set[TaskKey]:
    """The keys of all tasks that were ever made for these shows."""
    if not shows:
        return set()
    rows = await reader.execute(
        select(*tables.GENERATION_KEY).where(among(task.c.show_uid, [one.uid for one in shows]))
    )
    return {tuple(row) for row in rows}


async def list_tasks(
    reader: Reader,
    *,
    studio_uid: str,
    show_uid: str,
    assignee_uid: str,
    statuses: Collection[TaskStatus],
    type_: TaskType | None,
    visible: Visible,
    page: PageQuery,
) -> Page[Task]:
    """Tasks that the caller may see, by due date."""
    query = TASKS
    for column, wanted in (
        (task.c.studio_uid, studio_uid),
        (task.c.show_uid, show_uid),
        (task.c.assignee_uid, assignee_uid),
        (task.c.type, type_),
    ):
        if wanted:
            query = query.where(column == wanted)
    if assignee_uid:
        query = query.where(task.c.assignee_uid != "")  # said, so that the index of assigned tasks is taken
    if statuses:
        query = query.where(among(task.c.status, statuses))
        if OPEN.issuperset(statuses):
            query = query.where(tables.OPEN)
    if not visible.everything:
        query = query.where(among(task.c.studio_uid, visible.studios))
    if page.after:
        query = query.where(tuple_(*tables.BY_DUE) > page.after)
    rows = await reader.execute(query.order_by(*tables.BY_DUE).limit(page.size + 1))
    return cut([Task(**mapping(row)) for row in rows], page, "due_at", "uid")


async def find_gate(reader: Reader, show_uid: str, confirmation: int, phase: TaskType, most: int) -> Gate:
    """How far a show's tasks are made, and its open required ones of a phase by due date: one statement, one moment."""
    required = (
        (task.c.show_uid == known_show.c.uid)
        & (task.c.confirmation == confirmation)
        & (task.c.type == phase)
        & task.c.required
        & tables.OPEN
        & living(task)
    )
    query = (
        select(known_show.c.studio_uid.label("of_studio"), known_show.c.generated, *TASKS.selected_columns)
        .select_from(known_show.outerjoin(task, required))
        .where(known_show.c.uid == show_uid)
        .order_by(*tables.BY_DUE)
        .limit(most)
    )
    rows = [mapping(row) for row in await reader.execute(query)]
    if not rows:
        return Gate()
    studio_uid, generated = rows[0]["of_studio"], rows[0]["generated"]
    found = [{f.name: row[f.name] for f in fields(Task)} for row in rows if row["uid"]]
    return Gate(studio_uid=studio_uid, generated=generated, open_tasks=tuple(Task(**values) for values in found))
