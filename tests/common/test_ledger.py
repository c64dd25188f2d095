from __future__ import annotations

import json
from typing import Any

import pytest
from eridu.common.v1.access_pb2 import Access
from eridu.identity.v1.events_pb2 import PlatformCreated
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError, ProgrammingError

from libs.common import ledger, uids
from libs.common.access import Caller, Principal
from libs.common.bus import MAX_MESSAGE
from libs.common.clock import now
from libs.common.db import Database, Tx
from libs.common.errors import AlreadyExists
from libs.common.ledger import Entry
from services.identity.commands import groups as commands
from services.identity.domain.group import Platform
from services.identity.domain.nouns import PLATFORM, fresh
from services.identity.store import groups as store
from services.identity.store import tables


def platform() -> Platform:
    return Platform(**fresh(PLATFORM, now()), name=uids.new("name"))


def created(entity: Platform, **more: Any) -> Entry:
    return ledger.entry("identity.platform.created", PlatformCreated(), None, entity, **more)


async def create(db: Database, caller: Caller, entity: Platform, **more: Any) -> None:
    async with db.begin(caller) as tx:
        await store.insert_group(tx, PLATFORM, entity)
        await ledger.record(tx, created(entity, **more))


async def names(db: Database, entity: Platform) -> list[str]:
    async with db.read() as reader:
        rows = await reader.execute(text("SELECT name FROM platform WHERE uid = :uid"), {"uid": entity.uid})
        return list(rows.scalars())


async def rows_of(db: Database, uid: str) -> list[Any]:
    async with db.read() as reader:
        return list(
            await reader.execute(text("SELECT * FROM ledger WHERE entity_uid = :uid ORDER BY id"), {"uid": uid})
        )


async def test_a_change_without_its_ledger_row_does_not_commit(db: Database):
    entity = platform()
    with pytest.raises(RuntimeError, match="ledger"):
        async with db.begin(Caller.system("identity")) as tx:
            await store.insert_group(tx, PLATFORM, entity)
    assert await names(db, entity) == []


@pytest.mark.parametrize("sql", ["UPDATE platform SET name = name WHERE false", "WITH x AS (SELECT 1) TABLE x"])
async def test_a_change_written_out_in_sql_needs_its_ledger_row_too(db: Database, sql: str):
    with pytest.raises(RuntimeError, match="ledger"):
        async with db.begin(Caller.system("identity")) as tx:
            await tx.execute(text(sql))


async def test_a_transaction_that_changes_nothing_needs_no_ledger_row(db: Database):
    async with db.begin(Caller.system("identity")) as tx:
        await tx.execute(text("SELECT 1"))


async def test_a_savepoint_that_is_undone_takes_its_ledger_row_along(db: Database):
    entity = platform()

    async def attempt_in_vain(tx: Tx) -> None:
        async with tx.attempt():
            await ledger.record(tx, created(entity))
            raise ValueError("undo")

    async def change() -> None:
        async with db.begin(Caller.system("identity")) as tx:
            await store.insert_group(tx, PLATFORM, entity)
            with pytest.raises(ValueError, match="undo"):
                await attempt_in_vain(tx)

    with pytest.raises(RuntimeError, match="ledger"):
        await change()
    assert await rows_of(db, entity.uid) == []


async def test_a_savepoint_survives_what_a_constraint_refuses(db: Database):
    first = await commands.create_group(db, Caller.system("identity"), now, PLATFORM, {"name": uids.new("name")})
    second = platform()
    async with db.begin(Caller.system("identity")) as tx:
        with pytest.raises(AlreadyExists):
            async with tx.attempt():
                await store.insert_group(tx, PLATFORM, Platform(**fresh(PLATFORM, now()), name=first.name))
        await store.insert_group(tx, PLATFORM, second)
        await ledger.record(tx, created(second))
    assert await names(db, second) == [second.name]


async def test_a_change_that_nobody_checked_does_not_commit(db: Database):
    entity = platform()
    caller = Caller(principal=Principal("user_1"), access=Access(who=Access.WHO_MEMBER))
    with pytest.raises(RuntimeError, match="never called"):
        await create(db, caller, entity)
    assert await names(db, entity) == []


@pytest.mark.parametrize(
    "sql", ["UPDATE ledger SET actor = 'nobody'", "DELETE FROM ledger", "TRUNCATE ledger", "DELETE FROM platform"]
)
async def test_the_service_itself_cannot_change_history(db: Database, sql: str):
    with pytest.raises(ProgrammingError) as refused:
        async with db.begin(Caller.system("identity")) as tx:
            await tx.execute(text(sql))
    assert getattr(refused.value.orig, "sqlstate", "") == "42501"


async def test_a_reading_connection_cannot_write(db: Database):
    with pytest.raises(DBAPIError) as refused:
        async with db.read() as reader:
            await reader.execute(update(tables.platform).values(name="x"))
    assert getattr(refused.value.orig, "sqlstate", "") == "25006"


async def test_a_ledger_row_and_its_event_say_the_same(db: Database):
    entity = platform()
    caller = Caller(service="gateway", principal=Principal("user_1"), request_id="r1", trace_id="t1", checked=True)
    await create(db, caller, entity, studio_uid="studio_1", client_uid="client_1", reason="because")
    (row,) = await rows_of(db, entity.uid)
    change = PlatformCreated.FromString(row.payload).change
    assert (row.subject, row.event_type) == ("eridu.identity.platform.created", "eridu.identity.v1.PlatformCreated")
    for name in ("actor", "on_behalf_of", "request_id", "trace_id", "action", "reason", "studio_uid", "client_uid"):
        assert getattr(change, name) == getattr(row, name), name
    assert (row.actor, row.on_behalf_of, row.action) == ("service:gateway", "user_1", "platform.created")
    assert (change.event_uid, change.entity_uid, change.entity_version) == (str(row.event_uid), entity.uid, 1)
    assert json.loads(change.new_values) == row.new_values
    assert (row.old_values, row.new_values["name"]) == ({}, entity.name)


async def test_an_event_that_no_stream_would_take_is_refused_where_it_is_made(db: Database):
    entity = platform()
    with pytest.raises(RuntimeError, match="too large"):
        await create(db, Caller.system("identity"), entity, reason="x" * MAX_MESSAGE)
    assert await names(db, entity) == []
