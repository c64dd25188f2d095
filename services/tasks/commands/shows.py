"""Changes of the tasks of whole shows: any number of shows in a fixed number of statements.

The lock of a show's row in `known_show` is held first, so that one show's tasks are made and changed by one
transaction at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from eridu.tasks.v1 import events_pb2

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.errors import NotFound
from libs.common.ledger import Entry
from services.tasks import convert
from services.tasks.domain.show import SHOW, KnownShow, newest, show_not_seen
from services.tasks.domain.task import CLOSED, Task
from services.tasks.domain.template import Template, plan_tasks
from services.tasks.store import shows as show_store
from services.tasks.store import tasks as task_store
from services.tasks.store import templates as template_store

Change = tuple[Task, Task]  # a task before and after


@dataclass(frozen=True, slots=True)
class Follow:
    """A way in which tasks follow their show: its event, the field that it is about, and why it happens."""

    verb: str
    event: type[events_pb2.TasksGenerated] | type[events_pb2.TasksShifted] | type[events_pb2.TasksClosed]
    field: str
    reason: str


CLOSE = Follow("closed", events_pb2.TasksClosed, "status", "their target or confirmation is the show's no longer")
REVIVE = Follow("generated", events_pb2.TasksGenerated, "status", "their target is the show's again")
SHIFT = Follow("shifted", events_pb2.TasksShifted, "due_at", "the show has another time")


def follow_of(before: Task, after: Task) -> Follow:
    """How a task followed its show."""
    if after.status is CLOSED:
        return CLOSE
    return REVIVE if before.status is CLOSED else SHIFT


async def follow_shows(db: Database, caller: Caller, clock: Clock, shows: Sequence[KnownShow]) -> None:
    """Make, shift and close tasks so that they fit what the shows have become; old news changes nothing."""
    now = clock()
    async with db.begin(caller) as tx:
        news = await show_store.hear_shows(tx, newest(shows))
        settled = await settle(tx, news, now)
        _, generated = await generate(tx, {show: show.targets_to_generate() for show in news}, now)
        await ledger.record(tx, *settled, *generated)


async def generate_tasks(db: Database, caller: Caller, clock: Clock, show_uid: str) -> list[Task]:
    """Make the tasks of a confirmed show that are missing, also those of templates that were activated later."""
    async with db.begin(caller) as tx:
        show = await show_store.find_show(tx, show_uid, lock=True)
        if show is None:
            raise show_not_seen(show_uid) if caller.visible().everything else NotFound.of(SHOW, show_uid)
        caller.require(SHOW, show_uid, show.studio_uid)
        show.require_confirmed()
        made, generated = await generate(tx, {show: show.all_targets()}, clock())
        await ledger.record(tx, *generated)
    return made


async def settle(tx: Tx, shows: Sequence[KnownShow], now: datetime) -> list[Entry]:
    """Close the tasks that their shows no longer need, revive those that they need again, shift the due dates."""
    followed = {show.uid: show for show in shows if show.generated}  # the others never had tasks
    if not followed:
        return []
    tasks = await task_store.lock_followers(tx, followed)
    settled = [(task, followed[task.show_uid].settle(task)) for task in tasks]
    saved = await task_store.save_followed(tx, [(task, after) for task, after in settled if after != task], now)
    changes: dict[tuple[Follow, str], list[Change]] = defaultdict(list)
    for before, after in saved:
        changes[follow_of(before, after), after.show_uid].append((before, after))
    return [entry for (follow, uid), some in changes.items() for entry in followed_entries(follow, followed[uid], some)]


async def generate(
    tx: Tx, targets: Mapping[KnownShow, Collection[str]], now: datetime
) -> tuple[list[Task], list[Entry]]:
    """Make the tasks that hang on these targets of locked shows and are not there yet; they and their entries."""
    shows = [show for show, some in targets.items() if some]
    if not shows:
        return [], []
    templates = by_studio(await template_store.active_templates(tx, {show.studio_uid for show in shows}))
    there = await task_store.generated_keys(tx, [show for show in shows if show.generated == show.confirmation])
    planned = [
        task
        for show in shows
        for task in plan_tasks(show, templates[show.studio_uid], targets[show], now)
        if task.key not in there
    ]
    made = await task_store.insert_planned(tx, planned, now)
    await show_store.mark_generated(tx, shows)
    by_show: dict[str, list[Task]] = defaultdict(list)
    for task in made:
        by_show[task.show_uid].append(task)
    return made, [entry for show in shows for entry in generated_entries(show, by_show[show.uid])]


def by_studio(templates: Sequence[Template]) -> dict[str, list[Template]]:
    """Templates by studio."""
    found: dict[str, list[Template]] = defaultdict(list)
    for template in templates:
        found[template.studio_uid].append(template)
    return found


def generated_entries(show: KnownShow, tasks: Sequence[Task]) -> list[Entry]:
    """What the ledger says of generation; a confirmation for which there is nothing to do is generated too."""
    if not tasks and show.generated == show.confirmation:
        return []
    return [
        Entry(
            "tasks.task.generated",
            events_pb2.TasksGenerated(show_uid=show.uid, tasks=batch.messages),
            show.uid,
            show.version,
            show.studio_uid,
            show.client_uid,
            new={"confirmation": show.confirmation, "tasks": [task.uid for task in batch.tasks]},
        )
        for batch in convert.batches(tasks)
    ]


def followed_entries(follow: Follow, show: KnownShow, changes: Sequence[Change]) -> list[Entry]:
    """What the ledger says of tasks that followed their show."""
    old = {before.uid: getattr(before, follow.field) for before, _ in changes}
    return [
        Entry(
            f"tasks.task.{follow.verb}",
            follow.event(show_uid=show.uid, tasks=batch.messages),
            show.uid,
            show.version,
            show.studio_uid,
            show.client_uid,
            follow.reason if show.happens else f"the show is {show.status}",
            {task.uid: old[task.uid] for task in batch.tasks},
            {task.uid: getattr(task, follow.field) for task in batch.tasks},
        )
        for batch in convert.batches([after for _, after in changes])
    ]
