"""Snapshots for those who watch bookings."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
        CREATE INDEX show_booking_studio_uid_idx ON scheduling.show_booking (studio_uid, ends_at, show_uid) WHERE in_force;
        CREATE INDEX show_booking_client_uid_idx ON scheduling.show_booking (client_uid, ends_at, show_uid) WHERE in_force;
    """)
