"""`eridu migrate`: every service's schema brought up to date, on a database of one's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from deploy.local.processes import LocalError
from deploy.local.stack import CLONE, service_command


def migrate(say: Callable[[str], None]) -> None:
    """Runs the migrations of all services; when one fails, says what it said."""
    if not os.environ.get("ERIDU_DATABASE_URL"):
        raise LocalError("set ERIDU_DATABASE_URL to the database, as its owner: postgresql://owner:password@host/eridu")
    done = subprocess.run(service_command("migrate"), check=False, cwd=CLONE, capture_output=True, text=True)
    if done.returncode:
        raise LocalError(f"the migration failed:\n{(done.stdout + done.stderr).strip()}")
    say("all schemas are up to date")
