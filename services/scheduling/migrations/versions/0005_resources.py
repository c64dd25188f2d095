"""Rooms with equipment, MCs with a profile and bans, blackouts: when a room or an MC cannot be used."""

from alembic import op

from libs.common.migrations import grant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE scheduling.room ADD COLUMN equipment text[] NOT NULL DEFAULT '{}';
        ALTER TABLE scheduling.mc
            ADD COLUMN profile text NOT NULL DEFAULT '',
            ADD COLUMN banned_at timestamptz,
            ADD COLUMN ban_reason text NOT NULL DEFAULT '';

        CREATE TABLE scheduling.blackout (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            uid text NOT NULL UNIQUE,
            studio_uid text NOT NULL,
            kind text NOT NULL,
            resource_id bigint NOT NULL,
            resource_uid text NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            reason text NOT NULL,
            metadata jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            deleted_at timestamptz,
            version bigint NOT NULL,
            CONSTRAINT blackout_period_check CHECK (isfinite(starts_at) AND isfinite(ends_at) AND starts_at < ends_at)
        );
        CREATE INDEX blackout_period_idx ON scheduling.blackout
            USING gist (int8range(resource_id, resource_id, '[]'), tstzrange(starts_at, ends_at))
            WHERE deleted_at IS NULL;
        CREATE INDEX blackout_studio_idx ON scheduling.blackout (studio_uid, starts_at, uid);
    """)
    grant("scheduling")
