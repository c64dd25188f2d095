"""Holds: options on rooms and MCs. They stand in no exclusion constraint: a hold is in nobody's way."""

from alembic import op

from libs.common.migrations import grant

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE scheduling.hold (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            uid text NOT NULL UNIQUE,
            metadata jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            deleted_at timestamptz,
            version bigint NOT NULL,
            studio_uid text NOT NULL,
            client_uid text NOT NULL,
            name text NOT NULL,
            room_uid text NOT NULL,
            mc_uids text[] NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            state text NOT NULL,
            rank integer NOT NULL,
            show_uid text NOT NULL,
            ended_at timestamptz
        );
        CREATE INDEX hold_studio_idx ON scheduling.hold (studio_uid, starts_at, uid);
        CREATE INDEX hold_client_idx ON scheduling.hold (client_uid, starts_at, uid);
        CREATE INDEX hold_expiry_idx ON scheduling.hold (expires_at) WHERE state = 'held';

        CREATE TABLE scheduling.hold_slot (
            hold_id bigint NOT NULL REFERENCES scheduling.hold (id),
            kind text NOT NULL,
            resource_id bigint NOT NULL,
            resource_uid text NOT NULL,
            period tstzrange NOT NULL,
            expires_at timestamptz NOT NULL,
            held boolean NOT NULL,
            PRIMARY KEY (hold_id, resource_id),
            CONSTRAINT hold_slot_period_check CHECK (
                NOT isempty(period) AND lower_inc(period) AND NOT upper_inc(period)
                AND NOT lower_inf(period) AND NOT upper_inf(period)
                AND isfinite(lower(period)) AND isfinite(upper(period))
                AND upper(period) - lower(period) <= interval '5 days'
            )
        );
        CREATE INDEX hold_slot_held_idx ON scheduling.hold_slot
            USING gist (int8range(resource_id, resource_id, '[]'), period) WHERE held;
        CREATE INDEX hold_slot_resource_idx ON scheduling.hold_slot (resource_uid);
    """)
    grant("scheduling")
