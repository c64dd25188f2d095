"""The ledger knows the platform that an entity belongs to."""

from libs.common.migrations import add_platform_scope

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    add_platform_scope("scheduling")
