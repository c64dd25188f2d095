"""Identity's tables: what only the database can promise."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, make_url, text

from libs.common import migrations, uids
from libs.common.db import Database
from libs.common.pages import PageQuery
from services.identity.domain.trail import AuditQuery
from services.identity.store import trail
from tests.support.statements import heard, most_rows
from tests.support.suite import Suite

ROWS = 40_000
PAGE = 50


async def test_the_tables_in_store_are_the_migrated_schema(suite: Suite):
    migrations.check(suite.admin_url, "identity", Path("services/identity/migrations"))


@pytest.fixture(scope="session")
def long_trail(stopped_suite: Suite) -> dict[str, str]:
    """A long trail of many studios; what one of them, a client, a person and an entity in it are called."""
    rare = {"client_uid": uids.new("client"), "actor": uids.new("user"), "entity_uid": uids.new("room")}
    names = {**rare, "studio_uid": uids.new("studio")}
    insert = text(
        """
        INSERT INTO identity.audit (event_uid, occurred_at, service, action, actor, on_behalf_of, entity_uid,
            entity_version, studio_uid, client_uid, platform_uid, reason, request_id, trace_id, old_values, new_values)
        SELECT gen_random_uuid(), timestamptz '2020-01-01' + n * interval '1 second', 'scheduling',
            'action.' || n % 20, CASE WHEN n % 400 = 0 THEN :actor ELSE 'user_' || n % 97 END, '',
            CASE WHEN n % 400 = 1 THEN :entity_uid ELSE 'room_' || n END, 1,
            CASE WHEN n % 400 < 4 THEN :studio_uid ELSE 'studio_' || n % 70 END,
            CASE WHEN n % 400 = 2 THEN :client_uid ELSE 'client_' || n % 50 END, '', '', '', '', '{}', '{}'
        FROM generate_series(1, :rows) AS n
        """
    )
    engine = create_engine(make_url(stopped_suite.admin_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(insert, {**names, "rows": ROWS})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE identity.audit"))
    engine.dispose()
    return names


@pytest.mark.parametrize(
    "filters",
    [
        (),
        ("studio_uid",),
        ("client_uid",),
        ("actor",),
        ("entity_uid",),
        ("action",),
        ("studio_uid", "entity_uid"),
        ("studio_uid", "actor"),
    ],
)
@pytest.mark.parametrize("later", [False, True])
async def test_a_page_of_a_long_trail_reads_little_more_than_a_page(
    db: Database, long_trail: dict[str, str], filters: tuple[str, ...], later: bool
):
    known = {**long_trail, "action": "action.2"}
    wanted = AuditQuery(
        group_uid=next((known[name] for name in filters if name in ("studio_uid", "client_uid")), ""),
        entity_uid=known["entity_uid"] if "entity_uid" in filters else "",
        actor=known["actor"] if "actor" in filters else "",
        action=known["action"] if "action" in filters else "",
    )
    after = (datetime(2020, 1, 1, 6, tzinfo=UTC), uids.new_uuid()) if later else None
    async with db.read() as reader:
        with heard(db) as said:
            page = await trail.list_audits(reader, wanted, PageQuery(PAGE, after, ""))
        [(statement, parameters)] = said
        plan = await reader.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        read = plan.scalar_one()
    assert len(page.rows) == PAGE
    assert most_rows(read[0]["Plan"]) <= 10 * PAGE, json.dumps(read, indent=1)


async def test_no_later_migration_gives_the_right_to_change_the_trail_back(suite: Suite):
    engine = create_engine(make_url(suite.admin_url).set(drivername="postgresql+psycopg"))
    granted = text("SELECT has_table_privilege('eridu_identity', 'identity.audit', :right)")
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migrations.grant("identity")
        rights = {right: connection.execute(granted, {"right": right}).scalar_one() for right in ("INSERT", "UPDATE")}
    engine.dispose()
    assert rights == {"INSERT": True, "UPDATE": False}
