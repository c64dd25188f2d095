"""Every saved change of a plan is a version that nobody can change any more; clients approve versions."""

from alembic import op

from libs.common.migrations import grant

revision = "0007"
down_revision = "0006"

ROW = "uid, external_id, name, room_uid, mc_uids, platform_uids, type, standard, starts_at, ends_at, cancelled, started, removed_at, version"


def upgrade() -> None:
    op.execute(f"""
        ALTER TABLE scheduling.schedule ADD COLUMN approved_version integer NOT NULL DEFAULT 0;
        ALTER TABLE scheduling.schedule ADD COLUMN approved_by text NOT NULL DEFAULT '';
        ALTER TABLE scheduling.schedule ADD COLUMN approved_at timestamptz;

        CREATE TABLE scheduling.plan_version (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            uid text NOT NULL UNIQUE,
            schedule_uid text NOT NULL REFERENCES scheduling.schedule (uid),
            number integer NOT NULL,
            cause text NOT NULL,
            actor text NOT NULL,
            on_behalf_of text NOT NULL,
            reason text NOT NULL,
            category text NOT NULL,
            restored_number integer NOT NULL,
            show_count integer NOT NULL,
            added integer NOT NULL,
            changed integer NOT NULL,
            removed integer NOT NULL,
            created_at timestamptz NOT NULL
        );
        CREATE UNIQUE INDEX plan_version_number_key ON scheduling.plan_version (schedule_uid, number);
        COMMENT ON TABLE scheduling.plan_version IS 'append-only';

        CREATE TABLE scheduling.plan_version_row (
            schedule_uid text NOT NULL,
            show_uid text NOT NULL,
            number integer NOT NULL,
            uid text NOT NULL,
            external_id text NOT NULL,
            name text NOT NULL,
            room_uid text NOT NULL,
            mc_uids text[] NOT NULL,
            platform_uids text[] NOT NULL,
            type text NOT NULL,
            standard text NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            cancelled boolean NOT NULL,
            started boolean NOT NULL,
            removed_at timestamptz,
            version bigint NOT NULL,
            PRIMARY KEY (schedule_uid, show_uid, number),
            FOREIGN KEY (schedule_uid, number) REFERENCES scheduling.plan_version (schedule_uid, number)
        );
        CREATE INDEX plan_version_row_number_idx ON scheduling.plan_version_row (schedule_uid, number);
        COMMENT ON TABLE scheduling.plan_version_row IS 'append-only';

        -- Plans that are there already begin their history with what they are now.
        INSERT INTO scheduling.plan_version
            (uid, schedule_uid, number, cause, actor, on_behalf_of, reason, category, restored_number,
             show_count, added, changed, removed, created_at)
        SELECT 'ver_' || substr(uid, 7), uid, plan_version, 'imported', 'service:scheduling', '',
               'the plan as it was when versions began to be kept', '', 0, living, living, 0, 0, updated_at
        FROM scheduling.schedule CROSS JOIN LATERAL (
            SELECT count(*) AS living FROM scheduling.planned_show
            WHERE schedule_uid = schedule.uid AND removed_at IS NULL
        ) AS plan
        WHERE plan_version > 0;
        INSERT INTO scheduling.plan_version_row (schedule_uid, show_uid, number, {ROW})
        SELECT schedule_uid, show_uid, plan_version, {", ".join(f"planned_show.{name.strip()}" for name in ROW.split(","))}
        FROM scheduling.planned_show JOIN scheduling.schedule ON schedule.uid = schedule_uid
        WHERE plan_version > 0;
    """)
    grant("scheduling")
