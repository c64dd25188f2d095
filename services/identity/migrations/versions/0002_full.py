"""Bans, memberships with a beginning and an end, sealed secrets of platforms, the merged audit trail."""

from alembic import op

from libs.common.migrations import add_platform_scope, grant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    add_platform_scope("identity")
    op.execute("""
        ALTER TABLE identity."user"
            ADD COLUMN banned_at timestamptz,
            ADD COLUMN ban_reason text NOT NULL DEFAULT '';
        DROP INDEX identity.user_ext_id_key;
        CREATE UNIQUE INDEX user_ext_id_key ON identity."user" (ext_id) WHERE deleted_at IS NULL AND ext_id <> '';

        ALTER TABLE identity.studio ADD COLUMN client_approval boolean NOT NULL DEFAULT false;
        ALTER TABLE identity.platform
            ADD COLUMN settings jsonb NOT NULL DEFAULT '{}',
            ADD COLUMN api_config_set_at timestamptz;

        ALTER TABLE identity.membership
            ADD COLUMN starts_at timestamptz,
            ADD COLUMN ends_at timestamptz,
            ADD CONSTRAINT membership_period_check CHECK (starts_at < ends_at);

        CREATE TABLE identity.api_config (
            platform_id bigint PRIMARY KEY REFERENCES identity.platform (id),
            key_id text NOT NULL,
            wrapped_key bytea NOT NULL,
            ciphertext bytea NOT NULL
        );
        CREATE INDEX api_config_key_id_idx ON identity.api_config (key_id);

        CREATE TABLE identity.audit (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            event_uid uuid NOT NULL UNIQUE,
            occurred_at timestamptz NOT NULL,
            service text NOT NULL,
            action text NOT NULL,
            actor text NOT NULL,
            on_behalf_of text NOT NULL,
            person text GENERATED ALWAYS AS (CASE WHEN on_behalf_of = '' THEN actor ELSE on_behalf_of END) STORED,
            entity_uid text NOT NULL,
            entity_version bigint NOT NULL,
            studio_uid text NOT NULL,
            client_uid text NOT NULL,
            platform_uid text NOT NULL,
            reason text NOT NULL,
            request_id text NOT NULL,
            trace_id text NOT NULL,
            old_values jsonb NOT NULL,
            new_values jsonb NOT NULL
        );
        CREATE INDEX audit_time_idx ON identity.audit (occurred_at, event_uid);
        CREATE INDEX audit_entity_uid_idx ON identity.audit (entity_uid, occurred_at, event_uid);
        CREATE INDEX audit_person_idx ON identity.audit (person, occurred_at, event_uid);
        CREATE INDEX audit_action_idx ON identity.audit (action, occurred_at, event_uid);
        CREATE INDEX audit_actor_idx ON identity.audit (actor, occurred_at, event_uid);
        CREATE INDEX audit_studio_uid_idx ON identity.audit (studio_uid, occurred_at, event_uid) WHERE studio_uid <> '';
        CREATE INDEX audit_client_uid_idx ON identity.audit (client_uid, occurred_at, event_uid) WHERE client_uid <> '';
        CREATE INDEX audit_platform_uid_idx
            ON identity.audit (platform_uid, occurred_at, event_uid) WHERE platform_uid <> '';

        CREATE TABLE identity.dependant (
            entity_uid text PRIMARY KEY,
            noun text NOT NULL,
            version bigint NOT NULL,
            groups jsonb NOT NULL
        );
        CREATE INDEX dependant_groups_idx ON identity.dependant USING gin (groups);
    """)
    op.execute("COMMENT ON TABLE identity.audit IS 'append-only'")
    grant("identity")
    op.execute("GRANT DELETE ON identity.api_config TO eridu_identity")
