"""What the database itself promises, whoever runs at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from libs.common import migrations, uids
from libs.common.access import Caller
from libs.common.clock import now
from libs.common.db import Database
from libs.common.errors import AlreadyExists, Stale
from libs.common.pages import PageQuery
from services.tasks.commands.shows import follow_shows
from services.tasks.domain.show import KnownShow, ShowStatus
from services.tasks.domain.task import ASSIGNED, DueAnchor, Task, TaskType
from services.tasks.domain.template import Template, TemplateItem, plan_tasks
from services.tasks.store import shows, tasks, templates
from services.tasks.store.tables import REFUSALS
from tests.support.suite import Suite

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
async def db(suite: Suite) -> AsyncIterator[Database]:
    """The tables of tasks, with connections of the test's own."""
    db = Database(suite.config("tasks"), "tasks", REFUSALS)
    yield db
    await db.close()


def system() -> Caller:
    """Somebody who may."""
    return Caller.system("tasks")


def a_template(studio_uid: str, items: int = 1) -> Template:
    return Template(
        uid=uids.new("tpl"),
        created_at=NOW,
        updated_at=NOW,
        studio_uid=studio_uid,
        name=uids.new("name"),
        active=True,
        items=tuple(
            TemplateItem(
                uid=uids.new("titem"),
                title=f"Item {number}",
                type=TaskType.PRE_PRODUCTION,
                required=True,
                needs_review=False,
                due_anchor=DueAnchor.SHOW_START,
                due_offset_minutes=number,
            )
            for number in range(items)
        ),
    )


def a_show(studio_uid: str, **more: Any) -> KnownShow:
    given: dict[str, Any] = {
        "uid": uids.new("show"),
        "studio_uid": studio_uid,
        "client_uid": uids.new("client"),
        "name": "Morning show",
        "type": "",
        "standard": "",
        "status": ShowStatus.CONFIRMED,
        "confirmation": 1,
        "starts_at": NOW,
        "ends_at": NOW + timedelta(hours=2),
        "version": 2,
    }
    return KnownShow(**given | more)


async def keep(db: Database, *new: Template) -> None:
    """Insert templates; their ledger rows are not what these tests are about."""
    async with db.begin(system()) as tx:
        for one in new:
            await templates.insert_template(tx, one)
        tx.recorded = 1


async def known(db: Database, template: Template) -> KnownShow:
    """A confirmed show of the template's studio that was heard of; both are in the database."""
    await keep(db, template)
    async with db.begin(system()) as tx:
        [show] = await shows.hear_shows(tx, [a_show(template.studio_uid)])
    return show


async def insert(db: Database, planned: list[Task]) -> list[Task]:
    """Insert planned tasks in a transaction of their own."""
    async with db.begin(system()) as tx:
        made = await tasks.insert_planned(tx, planned, NOW)
        tx.recorded = 1
    return made


async def count(db: Database, show: KnownShow) -> int:
    """How many tasks a show has."""
    async with db.read() as reader:
        found = await reader.execute(text("SELECT count(*) FROM task WHERE show_uid = :uid"), {"uid": show.uid})
        return int(found.scalar_one())


def test_the_tables_are_the_migrated_schema(stopped_suite: Suite):
    migrations.check(stopped_suite.admin_url, "tasks", Path("services/tasks/migrations"))


async def test_a_name_is_taken_among_the_templates_of_one_studio(db: Database):
    first = a_template(uids.new("studio"))
    await keep(db, first, replace(a_template(uids.new("studio")), name=first.name))
    with pytest.raises(AlreadyExists) as refused:
        await keep(db, replace(a_template(first.studio_uid), name=first.name))
    assert refused.value.reason == "TEMPLATE_NAME_TAKEN"


async def test_a_template_is_read_as_it_was_written(db: Database):
    template = a_template(uids.new("studio"), items=12)
    await keep(db, template)
    async with db.read() as reader:
        assert await templates.load_template(reader, template.uid) == template
        assert await templates.active_templates(reader, {template.studio_uid}) == [template]


async def test_two_transactions_that_make_the_same_tasks_make_one_set(db: Database):
    template = a_template(uids.new("studio"), items=50)
    show = await known(db, template)
    plans = [plan_tasks(show, [template], show.all_targets(), NOW) for _ in range(6)]
    plans[1::2] = [plan[::-1] for plan in plans[1::2]]  # in opposite orders, to provoke a deadlock
    made = await asyncio.gather(*(insert_at_last(db, plan) for plan in plans))
    assert sum(made) == await count(db, show) == 50


async def insert_at_last(db: Database, plan: list[Task]) -> int:
    """Insert a plan; a transaction that lost a race is run again, as the house does."""
    while True:
        try:
            return len(await insert(db, plan))
        except DBAPIError:
            continue


async def test_consumers_that_hear_the_same_shows_at_once_make_one_set(db: Database):
    template = a_template(uids.new("studio"), items=5)
    await keep(db, template)
    run = [a_show(template.studio_uid) for _ in range(40)]
    await asyncio.gather(*(follow_shows(db, system(), now, order) for order in (run, run[::-1], run[10:], run[::2])))
    assert [await count(db, show) for show in run] == [5] * len(run)
    async with db.read() as reader:
        said = await reader.execute(
            text("SELECT count(*) FROM ledger WHERE entity_uid = ANY(:uids)"), {"uids": [show.uid for show in run]}
        )
        assert said.scalar_one() == len(run)


async def test_a_transaction_that_dies_leaves_nothing_and_can_be_repeated(db: Database):
    template = a_template(uids.new("studio"), items=3)
    await keep(db, template)
    show = a_show(template.studio_uid)

    async def die_before_the_commit() -> None:
        async with db.begin(system()) as tx:
            [heard] = await shows.hear_shows(tx, [show])
            assert await tasks.insert_planned(tx, plan_tasks(heard, [template], heard.all_targets(), NOW), NOW)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await die_before_the_commit()
    assert await count(db, show) == 0
    await follow_shows(db, system(), now, [show])
    assert await count(db, show) == 3


async def test_of_a_show_the_newest_version_stays(db: Database):
    show = a_show(uids.new("studio"), targets=("smc_1", "spl_1"))
    newer = a_show(show.studio_uid, uid=show.uid, version=3, targets=())
    for said, news in (([show], [show]), ([show], []), ([newer], [newer]), ([show], [])):
        async with db.begin(system()) as tx:
            assert await shows.hear_shows(tx, said) == news
    async with db.read() as reader:
        assert await shows.find_show(reader, show.uid) == newer
        assert await shows.find_show(reader, uids.new("show")) is None


async def test_of_two_changes_of_one_version_the_second_is_stale(db: Database):
    template = a_template(uids.new("studio"))
    show = await known(db, template)
    [task] = await insert(db, plan_tasks(show, [template], show.all_targets(), NOW))
    assigned = task.assign("user_a")
    async with db.begin(system()) as tx:
        saved = await tasks.save_task(tx, task, assigned, NOW)
        tx.recorded = 1
    assert (saved.status, saved.version) == (ASSIGNED, 2)
    with pytest.raises(Stale):
        async with db.begin(system()) as tx:
            await tasks.save_task(tx, task, assigned, NOW)
    with pytest.raises(Stale):
        async with db.begin(system()) as tx:
            await tasks.save_followed(tx, [(task, task.close())], NOW)


async def test_pages_of_tasks_end_where_the_next_begins(db: Database):
    template = a_template(uids.new("studio"), items=25)
    show = await known(db, template)
    made = await insert(db, plan_tasks(show, [template], show.all_targets(), NOW))
    seen: list[Task] = []
    after: tuple[Any, ...] | None = None
    while True:
        page = PageQuery(10, after, "")
        async with db.read() as reader:
            found = await tasks.list_tasks(
                reader,
                studio_uid=show.studio_uid,
                show_uid="",
                assignee_uid="",
                statuses=[],
                type_=None,
                visible=system().visible(),
                page=page,
            )
        seen += found.rows
        if not found.next_token:
            break
        after = (found.rows[-1].due_at, found.rows[-1].uid)
    assert seen == sorted(made, key=lambda task: (task.due_at, task.uid))
