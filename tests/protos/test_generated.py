"""The committed code is what the protos generate."""

from __future__ import annotations

import filecmp
import subprocess
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]


def differences(compared: filecmp.dircmp[str]) -> list[str]:
    """Files that differ or stand on one side only, in all folders below."""
    here = [*compared.left_only, *compared.right_only, *compared.diff_files]
    return here + [name for below in compared.subdirs.values() for name in differences(below)]


def test_the_committed_code_is_what_the_protos_generate(tmp_path: Path):
    subprocess.run([CLONE / "deploy" / "proto.sh", tmp_path], check=True, capture_output=True)
    for package in ("eridu", "buf"):
        compared = filecmp.dircmp(CLONE / "libs" / "gen" / package, tmp_path / package, ignore=["__pycache__"])
        assert compared.same_files or compared.subdirs, "something was generated"
        assert differences(compared) == [], "run make proto"
