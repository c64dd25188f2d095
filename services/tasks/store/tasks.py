"""Tasks in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import datetime

from sqlalchemy import select, text, tuple_

from libs.common.access import Visible
from libs.common.db import Reader, Tx
from libs.common.errors import Stale
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import among, as_rows, columns_of, given, living, load_one, mapping, save_one
from services.tasks.domain.show import KnownShow
from services.tasks.domain.task import COMPLETED, OPEN, TASK, Gate, Task, TaskKey, TaskStatus, TaskType
from services.tasks.store import tables
from services.tasks.store.tables import known_show, task

TASKS = columns_of(task, Task).where(living(task))

PLANNED = {
    "uid": "text",
    "show_uid": "text",
    "target_uid": "text",
    "template_item_uid": "text",
    "due_at": "timestamptz",
}
OF_SHOW = ("studio_uid", "client_uid", "confirmation")
OF_ITEM = ("title", "type", "required", "needs_review", "due_anchor", "due_offset_minutes")

# What all tasks of a show or an item share is taken from the show (locked) and the item (never changed), here as in
# `plan_tasks`: half the time of sending it once more with every task.
INSERT_PLANNED = text(
    f"""
    INSERT INTO tasks.task ({", ".join((*PLANNED, *OF_SHOW, *OF_ITEM))},
        status, assignee_uid, due_edited, completed_by, metadata, created_at, updated_at, version)
    SELECT {", ".join(f"given.{name}" for name in PLANNED)},
        {", ".join(f"show.{name}" for name in OF_SHOW)},
        {", ".join(f"item.{name}" for name in OF_ITEM)},
        'pending', '', false, '', '{{}}', :now, :now, 1
    FROM {given(PLANNED)}
    JOIN tasks.known_show AS show ON show.uid = given.show_uid
    JOIN tasks.template_item AS item ON item.uid = given.template_item_uid
    ON CONFLICT ON CONSTRAINT task_generation_key DO NOTHING
    RETURNING uid
    """
)

FOLLOWED = {
    "uid": "text",
    "version": "bigint",
    "status": "text",
    "assignee_uid": "text",
    "due_at": "timestamptz",
}

SAVE_FOLLOWED = text(
    f"""
    UPDATE tasks.task
    SET status = given.status, assignee_uid = given.assignee_uid, due_at = given.due_at,
        version = task.version + 1, updated_at = :now
    FROM {given(FOLLOWED)}
    WHERE task.uid = given.uid AND task.version = given.version
    """
)


async def insert_planned(tx: Tx, planned: Sequence[Task], now: datetime) -> list[Task]:
    """Insert new tasks of known shows, in one statement; those that were not there before."""
    if not planned:
        return []
    rows = ({name: getattr(one, name) for name in PLANNED} for one in planned)
    made = set((await tx.execute(INSERT_PLANNED, {**as_rows(rows), "now": now})).scalars())
    return [one for one in planned if one.uid in made]


async def save_followed(tx: Tx, changes: Sequence[tuple[Task, Task]], now: datetime) -> list[tuple[Task, Task]]:
    """Write what may change in tasks that follow their shows, in one statement; before and after."""
    if not changes:
        return []
    rows = ({name: getattr(after, name) for name in FOLLOWED} for _, after in changes)  # with the version that was read
    if (await tx.execute(SAVE_FOLLOWED, {**as_rows(rows), "now": now})).rowcount < len(changes):
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
        query = query.where(tables.SOMEBODYS)
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
