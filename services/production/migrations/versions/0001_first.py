"""Shows with their MCs and platforms, and the house's books."""

from alembic import op

from libs.common.migrations import create_books, grant

revision = "0001"
down_revision = None

ENTITY = """
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid text NOT NULL UNIQUE,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    version bigint NOT NULL
"""


def upgrade() -> None:
    create_books("production")
    op.execute(f"""
        CREATE TABLE production.show (
            {ENTITY},
            studio_uid text NOT NULL,
            client_uid text NOT NULL,
            schedule_uid text NOT NULL,
            external_id text NOT NULL,
            name text NOT NULL,
            room_uid text NOT NULL,
            type text NOT NULL,
            standard text NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            status text NOT NULL,
            confirmation integer NOT NULL,
            booking_version bigint NOT NULL,
            plan_version bigint NOT NULL,
            started_at timestamptz,
            completed_at timestamptz,
            cancel_reason text NOT NULL,
            released_at timestamptz,
            CONSTRAINT show_time_check CHECK (starts_at < ends_at)
        );
        CREATE INDEX show_studio_uid_idx ON production.show (studio_uid, starts_at, uid) WHERE deleted_at IS NULL;
        CREATE INDEX show_client_uid_idx ON production.show (client_uid, starts_at, uid) WHERE deleted_at IS NULL;
        CREATE INDEX show_schedule_uid_idx ON production.show (schedule_uid, starts_at, uid) WHERE deleted_at IS NULL;

        CREATE TABLE production.show_mc (
            {ENTITY},
            show_id bigint NOT NULL REFERENCES production.show (id),
            mc_uid text NOT NULL,
            UNIQUE (show_id, mc_uid)
        );

        CREATE TABLE production.show_platform (
            {ENTITY},
            show_id bigint NOT NULL REFERENCES production.show (id),
            platform_uid text NOT NULL,
            UNIQUE (show_id, platform_uid)
        );
    """)
    grant("production")
