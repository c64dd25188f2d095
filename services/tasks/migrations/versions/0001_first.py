"""Templates with their items, tasks, the shows they are for, and the house's books."""

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
    create_books("tasks")
    op.execute(f"""
        CREATE TABLE tasks.template (
            {ENTITY},
            studio_uid text NOT NULL,
            name text NOT NULL,
            client_uid text NOT NULL,
            show_type text NOT NULL,
            show_standard text NOT NULL,
            active boolean NOT NULL
        );
        CREATE UNIQUE INDEX template_name_key ON tasks.template (studio_uid, name) WHERE deleted_at IS NULL;

        CREATE TABLE tasks.template_item (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            uid text NOT NULL UNIQUE,
            template_uid text NOT NULL REFERENCES tasks.template (uid),
            position integer NOT NULL,
            title text NOT NULL,
            type text NOT NULL,
            required boolean NOT NULL,
            needs_review boolean NOT NULL,
            due_anchor text NOT NULL,
            due_offset_minutes integer NOT NULL,
            CONSTRAINT template_item_position_key UNIQUE (template_uid, position)
        );

        CREATE TABLE tasks.known_show (
            uid text PRIMARY KEY,
            studio_uid text NOT NULL,
            client_uid text NOT NULL,
            name text NOT NULL,
            type text NOT NULL,
            standard text NOT NULL,
            status text NOT NULL,
            confirmation integer NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            targets text[] NOT NULL,
            version bigint NOT NULL,
            generated integer NOT NULL,
            generated_targets text[] NOT NULL
        );

        CREATE TABLE tasks.task (
            {ENTITY},
            studio_uid text NOT NULL,
            client_uid text NOT NULL,
            show_uid text NOT NULL,
            confirmation integer NOT NULL,
            target_uid text NOT NULL,
            template_item_uid text NOT NULL,
            title text NOT NULL,
            type text NOT NULL,
            required boolean NOT NULL,
            needs_review boolean NOT NULL,
            status text NOT NULL,
            assignee_uid text NOT NULL,
            due_at timestamptz NOT NULL,
            due_anchor text NOT NULL,
            due_offset_minutes integer NOT NULL,
            due_edited boolean NOT NULL,
            completed_at timestamptz,
            completed_by text NOT NULL,
            CONSTRAINT task_generation_key UNIQUE (show_uid, confirmation, target_uid, template_item_uid)
        );
        CREATE INDEX task_studio_idx ON tasks.task (studio_uid, due_at, uid);
        CREATE INDEX task_open_idx ON tasks.task (studio_uid, due_at, uid) WHERE status NOT IN ('completed', 'closed');
        CREATE INDEX task_assignee_idx ON tasks.task (assignee_uid, due_at, uid) WHERE assignee_uid <> '';
        CREATE INDEX task_gate_idx ON tasks.task (show_uid, confirmation, type, due_at, uid)
            WHERE required AND status NOT IN ('completed', 'closed');
    """)
    grant("tasks")
