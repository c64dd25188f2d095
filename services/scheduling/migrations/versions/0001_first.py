"""Rooms, MCs, schedules with their plans, bookings with the constraint that makes a double booking impossible."""

from alembic import op

from libs.common.migrations import create_books, grant

revision = "0001"
down_revision = None

REST_OF_ENTITY = """
    uid text NOT NULL UNIQUE,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    version bigint NOT NULL
"""

PLANNED = """
    external_id text NOT NULL,
    name text NOT NULL,
    room_uid text NOT NULL,
    mc_uids text[] NOT NULL,
    platform_uids text[] NOT NULL,
    type text NOT NULL,
    standard text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
"""


def upgrade() -> None:
    create_books("scheduling")
    op.execute(f"""
        CREATE SEQUENCE scheduling.resource_key;

        CREATE TABLE scheduling.room (
            id bigint PRIMARY KEY DEFAULT nextval('scheduling.resource_key'),
            {REST_OF_ENTITY},
            studio_uid text NOT NULL,
            name text NOT NULL,
            capacity integer NOT NULL,
            capabilities text[] NOT NULL,
            turnaround_before integer NOT NULL,
            turnaround_after integer NOT NULL,
            active boolean NOT NULL
        );
        CREATE UNIQUE INDEX room_name_key ON scheduling.room (studio_uid, name) WHERE deleted_at IS NULL;

        CREATE TABLE scheduling.mc (
            id bigint PRIMARY KEY DEFAULT nextval('scheduling.resource_key'),
            {REST_OF_ENTITY},
            studio_uid text NOT NULL,
            name text NOT NULL,
            alias text NOT NULL,
            user_uid text NOT NULL
        );
        CREATE UNIQUE INDEX mc_name_key ON scheduling.mc (studio_uid, name) WHERE deleted_at IS NULL;

        CREATE TABLE scheduling.schedule (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            {REST_OF_ENTITY},
            studio_uid text NOT NULL,
            client_uid text NOT NULL,
            name text NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            status text NOT NULL,
            time_zone text NOT NULL,
            plan_version integer NOT NULL,
            confirmed_version integer NOT NULL
        );
        CREATE UNIQUE INDEX schedule_name_key ON scheduling.schedule (studio_uid, client_uid, name) WHERE deleted_at IS NULL;
        CREATE INDEX schedule_studio_idx ON scheduling.schedule (studio_uid, created_at, uid);
        CREATE INDEX schedule_client_idx ON scheduling.schedule (client_uid, created_at, uid);

        CREATE TABLE scheduling.planned_show (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            uid text NOT NULL UNIQUE,
            show_uid text NOT NULL UNIQUE,
            schedule_uid text NOT NULL REFERENCES scheduling.schedule (uid),
            {PLANNED},
            cancelled boolean NOT NULL,
            started boolean NOT NULL,
            removed_at timestamptz,
            version bigint NOT NULL
        );
        CREATE UNIQUE INDEX planned_show_external_id_key ON scheduling.planned_show (schedule_uid, external_id);
        CREATE INDEX planned_show_start_idx ON scheduling.planned_show (schedule_uid, starts_at, uid);

        CREATE TABLE scheduling.show_booking (
            show_uid text PRIMARY KEY,
            confirmation integer NOT NULL,
            version bigint NOT NULL,
            in_force boolean NOT NULL,
            studio_uid text NOT NULL,
            client_uid text NOT NULL,
            schedule_uid text NOT NULL,
            {PLANNED}
        );
        CREATE INDEX show_booking_schedule_idx ON scheduling.show_booking (schedule_uid) WHERE in_force;

        CREATE TABLE scheduling.booking (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            uid text NOT NULL UNIQUE,
            show_uid text NOT NULL REFERENCES scheduling.show_booking (show_uid),
            confirmation integer NOT NULL,
            studio_uid text NOT NULL,
            client_uid text NOT NULL,
            kind text NOT NULL,
            resource_id bigint NOT NULL,
            resource_uid text NOT NULL,
            period tstzrange NOT NULL,
            released_at timestamptz,
            created_at timestamptz NOT NULL,
            CONSTRAINT booking_period_check CHECK (
                NOT isempty(period) AND lower_inc(period) AND NOT upper_inc(period)
                AND NOT lower_inf(period) AND NOT upper_inf(period)
                AND isfinite(lower(period)) AND isfinite(upper(period))
                AND upper(period) - lower(period) <= interval '5 days'
            ),
            CONSTRAINT booking_no_double_booking EXCLUDE USING gist (
                int8range(resource_id, resource_id, '[]') WITH &&, period WITH &&
            ) WHERE (released_at IS NULL)
        );
        CREATE INDEX booking_show_idx ON scheduling.booking (show_uid);
        CREATE INDEX booking_studio_idx ON scheduling.booking (studio_uid, lower(period), uid);
        CREATE INDEX booking_client_idx ON scheduling.booking (client_uid, lower(period), uid);
    """)
    grant("scheduling")
