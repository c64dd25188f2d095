"""The committed table of rights is what the protos declare."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]


def test_the_table_of_rights_is_what_the_protos_declare():
    table = subprocess.run(
        [sys.executable, "-m", "deploy.access"], cwd=CLONE, check=True, capture_output=True, text=True
    )
    committed = (CLONE / "protos" / "ACCESS.md").read_text()
    assert committed == table.stdout, "run make access, and look at the change of rights"
