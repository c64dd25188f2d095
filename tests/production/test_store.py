"""What the database itself keeps true, whoever races."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from eridu.production.v1 import show_service_pb2 as api
from sqlalchemy import text

from libs.common import migrations, uids
from libs.common.access import Caller
from libs.common.clock import now
from libs.common.db import Database
from libs.common.errors import Invalid, Stale
from services.production import store
from services.production.commands import following
from services.production.commands.shows import save
from services.production.domain.following import Booked, Planned
from services.production.domain.show import Details, Done, Show, new_show
from tests.production.scheduling import START, Scheduling
from tests.production.test_rpc import create
from tests.support.house import House
from tests.support.suite import Suite, refused, until


@pytest.fixture
def db(suite: Suite) -> Database:
    """Production's database."""
    return suite.processes["production"].db


def caller() -> Caller:
    """Production itself."""
    return Caller.system("production")


def a_show(mcs: int = 1) -> Show:
    """A draft of nobody's."""
    details = Details(
        studio_uid=uids.new("studio"),
        client_uid=uids.new("client"),
        name="Gala",
        starts_at=START,
        ends_at=START + timedelta(hours=1),
        mc_uids=[uids.new("mc") for _ in range(mcs)],
    )
    return new_show(uids.new("show"), details, now())


async def keep(db: Database, before: Show | None, after: Show) -> Show:
    """Store a show with its ledger entry."""
    async with db.begin(caller()) as tx:
        return await save(tx, Done.UPDATED, before, after)


async def test_the_tables_in_store_are_the_migrated_schema(suite: Suite):
    migrations.check(suite.admin_url, "production", Path("services/production/migrations"))


async def test_a_show_is_read_as_it_was_written(db: Database):
    show = await keep(db, None, replace(a_show(3), metadata={"a": [1, {"b": None}]}, cancel_reason="it's \\ “so”"))
    async with db.read() as reader:
        assert await store.load_show(reader, show.uid) == show


async def test_a_show_that_ends_before_it_starts_is_refused_by_the_table(db: Database):
    show = a_show()
    with pytest.raises(Invalid) as refusal:
        await keep(db, None, replace(show, ends_at=show.starts_at))
    assert refusal.value.reason == "END_BEFORE_START"


async def test_a_change_over_another_version_is_stale(db: Database):
    show = await keep(db, None, a_show())
    changed = replace(show, name="First").next_version(now())
    await keep(db, show, changed)
    with pytest.raises(Stale):
        await keep(db, show, replace(show, name="Second").next_version(now()))
    with pytest.raises(Stale):
        await keep(db, None, replace(show, name="Third"))
    async with db.read() as reader:
        assert (await store.load_show(reader, show.uid)).name == "First"


async def test_who_waited_for_the_lock_sees_the_new_parts(db: Database):
    show = await keep(db, None, a_show())
    locked, waiting = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with db.begin(caller()) as tx:
            before = await store.lock_show(tx, show.uid)
            locked.set()
            await waiting.wait()
            await until(somebody_waits)
            details = Details(
                studio_uid=show.studio_uid,
                client_uid=show.client_uid,
                name="Gala",
                starts_at=show.starts_at,
                ends_at=show.ends_at,
                mc_uids=["mc_new"],
            )
            await save(tx, Done.MOVED, before, before.take(details, now()).next_version(now()))

    async def second() -> Show:
        await locked.wait()
        async with db.begin(caller()) as tx:
            waiting.set()
            return await store.lock_show(tx, show.uid)

    async def somebody_waits() -> bool:
        async with db.read() as reader:
            return bool((await reader.execute(text("SELECT 1 FROM pg_locks WHERE NOT granted"))).first())

    _, seen = await asyncio.gather(first(), second())
    assert (seen.version, seen.mc_uids) == (2, ["mc_new"])


async def test_two_replicas_that_hear_of_the_same_new_shows_at_once_make_them_once(db: Database):
    details = Details(
        studio_uid=uids.new("studio"),
        client_uid=uids.new("client"),
        name="Gala",
        starts_at=START,
        ends_at=START + timedelta(hours=1),
        mc_uids=["mc_a", "mc_b"],
    )
    shows = [uids.new("show") for _ in range(50)]
    planned = [Planned(show_uid=uid, version=1, details=details, at=START) for uid in shows]
    booked = [
        Booked(show_uid=uid, version=1, confirmation=1, in_force=True, details=details, at=START)
        for uid in reversed(shows)
    ]

    async def hear() -> list[BaseException]:
        ended = await asyncio.gather(
            following.follow_plans(db, caller(), now, planned),
            following.follow_bookings(db, caller(), now, booked),
            return_exceptions=True,
        )
        return [error for error in ended if error is not None]

    assert all(isinstance(error, Stale) for error in await hear())  # which the consumer repeats
    assert await hear() == []
    async with db.read() as reader:
        found = await reader.execute(
            text(
                "SELECT status, (SELECT count(*) FROM production.show_mc WHERE show_id = show.id) AS mcs"
                " FROM production.show WHERE uid = ANY(:uids)"
            ),
            {"uids": shows},
        )
        assert [tuple(row) for row in found] == [("confirmed", 2)] * 50


async def test_of_many_cancellations_at_once_one_is_written(house: House, scheduling: Scheduling):
    draft = await house.manager(create(house))
    calls = [house.manager(api.CancelShowRequest(uid=draft.uid, reason=str(n))) for n in range(6)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert await scheduling.actions(draft.uid) == ["created", "cancelled"]
    assert (await refused(house.manager(api.CancelShowRequest(uid=draft.uid, reason="x")))).code.name == (
        "FAILED_PRECONDITION"
    )


async def test_the_lists_read_an_index_in_order(suite: Suite, db: Database):
    async with db.writer.begin() as conn:
        await conn.execute(text("SET LOCAL enable_seqscan = off"))
        await conn.execute(text("SET LOCAL enable_sort = off"))
        for column in ("studio_uid", "client_uid", "schedule_uid"):
            plan = await conn.execute(
                text(
                    f"EXPLAIN SELECT uid FROM production.show WHERE {column} = 'x' AND deleted_at IS NULL"
                    " AND (starts_at, uid) > ('2031-01-01', 'show_') ORDER BY starts_at, uid LIMIT 51"
                )
            )
            lines = "\n".join(row[0] for row in plan)
            assert f"show_{column}_idx" in lines
            assert "Sort" not in lines
