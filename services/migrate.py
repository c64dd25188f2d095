"""`python -m services.migrate`: every service's schema brought up to date, in one process, as the database's owner.

Where each service has a database of its own, `python -m services.<service> migrate` does one.
"""

from __future__ import annotations

from pathlib import Path

from libs.common import logs, migrations
from libs.common.config import Config

SERVICES = ("identity", "scheduling", "production", "tasks")


def main() -> None:
    """Migrate one schema after the other."""
    config = Config()  # type: ignore[call-arg]  # from the environment
    logs.set_up(config.log_format, config.log_level)
    for service in SERVICES:
        migrations.upgrade(config.database_url, service, Path(__file__).parent / service / "migrations")


if __name__ == "__main__":
    main()
