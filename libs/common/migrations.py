"""Migrations: one Alembic tree per service, its version table in the service's own schema.

They run as the owner of the database, under an advisory lock, so that two starts at once do it once. Each tree's
`env.py` is one call of `run_environment`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command, context, op
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection, MetaData, NullPool, create_engine, make_url, text


def alembic_config(database_url: str, schema: str, scripts: Path) -> AlembicConfig:
    """Alembic's own configuration for one service."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    config.attributes |= {"database_url": database_url, "schema": schema}
    return config


def upgrade(database_url: str, schema: str, scripts: Path) -> None:
    """Bring a service's schema to its newest version."""
    command.upgrade(alembic_config(database_url, schema, scripts), "head")


def check(database_url: str, schema: str, scripts: Path) -> None:
    """Raise when the tables in store.py and the migrated schema differ."""
    command.check(alembic_config(database_url, schema, scripts))


def run_environment(metadata: MetaData) -> None:
    """What `env.py` does: connect, lock, migrate."""
    attributes = context.config.attributes
    url = make_url(attributes["database_url"]).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c lock_timeout=10s -c timezone=UTC"})
    with engine.connect() as connection:
        migrate(connection, metadata, attributes["schema"])


def migrate(connection: Connection, metadata: MetaData, schema: str) -> None:
    """Run the pending migrations of one schema in one transaction."""

    def only_ours(name: str | None, kind: str, parents: Any) -> bool:
        return name == schema if kind == "schema" else True

    with connection.begin():
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext('eridu.migrate.' || :schema))"), {"schema": schema}
        )
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        context.configure(
            connection=connection,
            target_metadata=metadata,
            version_table_schema=schema,
            include_schemas=True,
            include_name=only_ours,
            include_object=lambda item, name, kind, *_: name not in BOOKS,
        )
        context.run_migrations()


BOOKS = {
    "ledger",
    "outbox",
    "inbox",
    "parked",
    "request",
}  # the house's own books: made below, the same in every schema


def create_books(schema: str) -> None:
    """First migration of every service: ledger, outbox, inbox, parked messages and request ids."""
    for statement in BOOKS_DDL.replace("{schema}", schema).split(";\n\n"):
        op.execute(text(statement.replace(":", "\\:")))


def add_platform_scope(schema: str) -> None:
    """Second migration of every service: the ledger knows the platform that an entity belongs to."""
    op.execute(f"ALTER TABLE {schema}.ledger ADD COLUMN platform_uid text NOT NULL DEFAULT ''")


def grant(schema: str) -> None:
    """Last step of a migration: the service's role works with its tables, deletes no history, changes no ledger row.

    A table whose comment is `append-only` is only added to, also after the grants of later migrations.
    """
    role = f"eridu_{schema}"
    for statement in (
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        f"REVOKE UPDATE ON {schema}.ledger, {schema}.inbox FROM {role}",
        f"REVOKE INSERT, UPDATE ON {schema}.alembic_version FROM {role}",
        f"GRANT DELETE ON {schema}.outbox, {schema}.inbox, {schema}.parked, {schema}.request TO {role}",
        REVOKE_APPEND_ONLY.format(schema=schema, role=role),
    ):
        op.execute(statement)


REVOKE_APPEND_ONLY = """
DO $$
DECLARE kept text;
BEGIN
    FOR kept IN
        SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = '{schema}' AND relkind = 'r' AND obj_description(pg_class.oid, 'pg_class') = 'append-only'
    LOOP
        EXECUTE 'REVOKE UPDATE ON ' || kept || ' FROM {role}';
    END LOOP;
END $$
"""


BOOKS_DDL = """
CREATE TABLE {schema}.ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_uid uuid NOT NULL UNIQUE,
    occurred_at timestamptz NOT NULL,
    actor text NOT NULL,
    on_behalf_of text NOT NULL,
    request_id text NOT NULL,
    trace_id text NOT NULL,
    action text NOT NULL,
    entity_uid text NOT NULL,
    entity_version bigint NOT NULL,
    studio_uid text NOT NULL,
    client_uid text NOT NULL,
    old_values jsonb NOT NULL,
    new_values jsonb NOT NULL,
    reason text NOT NULL,
    event_type text NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    partition smallint NOT NULL
);

CREATE INDEX ledger_entity_idx ON {schema}.ledger (entity_uid, id);

CREATE TABLE {schema}.outbox (
    ledger_id bigint PRIMARY KEY,
    partition smallint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE FUNCTION {schema}.queue_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {schema}.outbox (ledger_id, partition) SELECT id, partition FROM added;
    RETURN NULL;
END $$;

CREATE TRIGGER queue_ledger AFTER INSERT ON {schema}.ledger
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}.queue_ledger();

CREATE TABLE {schema}.inbox (
    consumer text NOT NULL,
    event_uid uuid NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_uid)
);

CREATE TABLE {schema}.parked (
    consumer text NOT NULL,
    stream_sequence bigint NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, stream_sequence)
);

CREATE TABLE {schema}.request (
    actor text NOT NULL,
    method text NOT NULL,
    request_id text NOT NULL,
    body_hash bytea NOT NULL,
    answer bytea,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, method, request_id)
)
"""
