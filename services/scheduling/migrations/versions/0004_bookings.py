"""Lists of bookings by studio, client and resource read from their indexes no more than they show."""

from alembic import op

from libs.common.migrations import grant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("""
        DROP INDEX scheduling.booking_studio_idx;
        DROP INDEX scheduling.booking_client_idx;
        CREATE INDEX booking_studio_idx
            ON scheduling.booking (studio_uid, lower(period), id, upper(period), released_at);
        CREATE INDEX booking_client_idx
            ON scheduling.booking (client_uid, lower(period), id, upper(period), released_at);
        CREATE INDEX booking_resource_idx
            ON scheduling.booking (resource_uid, lower(period), id, upper(period), released_at);
        CREATE INDEX show_booking_client_idx ON scheduling.show_booking (client_uid, studio_uid);
    """)
    grant("scheduling")
