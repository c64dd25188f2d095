"""Users, the three kinds of group, memberships, and the house's books."""

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
    create_books("identity")
    op.execute(f"""
        CREATE TABLE identity."user" (
            {ENTITY},
            ext_id text NOT NULL,
            email text NOT NULL,
            name text NOT NULL,
            system_admin boolean NOT NULL
        );
        CREATE UNIQUE INDEX user_ext_id_key ON identity."user" (ext_id) WHERE deleted_at IS NULL;
        CREATE UNIQUE INDEX user_email_key ON identity."user" (email) WHERE deleted_at IS NULL;

        CREATE TABLE identity.client (
            {ENTITY},
            name text NOT NULL,
            contact_person text NOT NULL,
            contact_email text NOT NULL
        );
        CREATE UNIQUE INDEX client_name_key ON identity.client (name) WHERE deleted_at IS NULL;

        CREATE TABLE identity.studio (
            {ENTITY},
            name text NOT NULL,
            address text NOT NULL,
            time_zone text NOT NULL,
            operational_day_start text NOT NULL,
            task_gate text NOT NULL
        );
        CREATE UNIQUE INDEX studio_name_key ON identity.studio (name) WHERE deleted_at IS NULL;

        CREATE TABLE identity.platform (
            {ENTITY},
            name text NOT NULL
        );
        CREATE UNIQUE INDEX platform_name_key ON identity.platform (name) WHERE deleted_at IS NULL;

        CREATE TABLE identity.membership (
            {ENTITY},
            user_id bigint NOT NULL REFERENCES identity."user" (id),
            client_id bigint REFERENCES identity.client (id),
            studio_id bigint REFERENCES identity.studio (id),
            platform_id bigint REFERENCES identity.platform (id),
            role text NOT NULL,
            CONSTRAINT membership_one_group_check CHECK (num_nonnulls(client_id, studio_id, platform_id) = 1)
        );
        CREATE UNIQUE INDEX membership_client_id_key ON identity.membership (user_id, client_id) WHERE deleted_at IS NULL;
        CREATE UNIQUE INDEX membership_studio_id_key ON identity.membership (user_id, studio_id) WHERE deleted_at IS NULL;
        CREATE UNIQUE INDEX membership_platform_id_key ON identity.membership (user_id, platform_id) WHERE deleted_at IS NULL;
        CREATE INDEX membership_client_id_idx ON identity.membership (client_id);
        CREATE INDEX membership_studio_id_idx ON identity.membership (studio_id);
        CREATE INDEX membership_platform_id_idx ON identity.membership (platform_id);
    """)
    grant("identity")
