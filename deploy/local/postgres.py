"""A private PostgreSQL server on the loopback interface, and what every Eridu database needs in it."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.local.binaries import PostgresBinaries, find_postgres
from deploy.local.processes import LocalError, Process, write_private

ADMIN = "eridu_admin"
READY_WITHIN = 30.0
# Any number will do, as long as all callers of `prepare` on one server take the same one.
PREPARE_LOCK = 0x_45_52_49_44_55

# Durability is never traded for speed, not even here: what the tests prove must hold for the real thing.
CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 200

shared_buffers = '128MB'
effective_cache_size = '1GB'
maintenance_work_mem = '128MB'
random_page_cost = 1.1
jit = off

fsync = on
full_page_writes = on
synchronous_commit = on
wal_level = replica
max_wal_size = '2GB'
max_slot_wal_keep_size = '4GB'

deadlock_timeout = '200ms'
log_lock_waits = on
log_parameter_max_length_on_error = 0
log_line_prefix = '%m [%p] %u@%d '
log_timezone = 'UTC'
timezone = 'UTC'
"""

ROLE_SETTINGS = {
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
}


class Postgres:
    """The server of one stack; its data lives in `<root>/postgres`."""

    def __init__(self, root: Path, password: str) -> None:
        self.process = Process(root, "postgres")
        self.address = ""
        self.version = ""
        self._home = root / "postgres"
        self._data = self._home / "data"
        self._password = password

    @property
    def admin_url(self) -> str:
        """The superuser's URL of the maintenance database."""
        return f"postgresql://{ADMIN}:{quote(self._password, safe='')}@{self.address}/postgres"

    def start(self, port: int) -> None:
        """Makes the cluster if there is none, starts the server and returns when it accepts connections."""
        self.stop()  # a server left by a killed supervisor
        self._home.mkdir(parents=True, exist_ok=True)
        prefix, uid = _unprivileged(self._home)
        binaries = find_postgres()
        if uid is not None:
            binaries = _usable_by(uid, binaries, self._home)
        if not self._data.exists():
            self._make_cluster(binaries, prefix, uid)
        self._remove_stale_lock()
        self._data.joinpath("postgresql.conf").write_text(CONFIGURATION.format(port=port))
        self.process.start([*prefix, str(binaries.postgres), "-D", str(self._data)], uid=uid)
        self.address = f"127.0.0.1:{port}"
        self._wait_ready()

    def stop(self) -> None:
        """Fast shutdown (SIGINT): sessions are ended, everything committed is on disk."""
        self.process.stop(signal.SIGINT, signal.SIGQUIT, grace=20.0)

    def _make_cluster(self, binaries: PostgresBinaries, prefix: list[str], uid: int | None) -> None:
        draft, password_file = self._home / "data.new", self._home / "password"
        shutil.rmtree(draft, ignore_errors=True)  # an initdb that was killed
        write_private(password_file, self._password)
        if uid is not None:
            os.chown(password_file, uid, -1)
        command = [*prefix, str(binaries.initdb), "-D", str(draft), "-U", ADMIN, f"--pwfile={password_file}"]
        # No sync for the copy of the templates only: a power cut in this second costs an empty cluster.
        command += [
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
            "--no-instructions",
            *_locale(binaries),
        ]
        made = subprocess.run(command, check=False, user=uid, cwd=self._home, capture_output=True, text=True)
        password_file.unlink()
        if made.returncode:
            raise LocalError(f"initdb failed:\n{made.stderr.strip()}")
        draft.rename(self._data)

    def _remove_stale_lock(self) -> None:
        """PostgreSQL takes any process with the pid in its lock file for its owner; in a container one soon has it."""
        lock = self._data / "postmaster.pid"
        if not lock.exists():
            return
        owner = Path("/proc", lock.read_text().split("\n", 1)[0].strip(), "cmdline")
        if Path("/proc/self").exists() and (not owner.exists() or str(self._data).encode() not in owner.read_bytes()):
            lock.unlink()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                with psycopg.connect(self.admin_url, connect_timeout=2) as connection:
                    found = connection.info.server_version
                    self.version = f"{found // 10_000}.{found % 10_000}"
                    return
            except psycopg.OperationalError as error:
                if self.process.pid is None:
                    raise LocalError(f"PostgreSQL ended at start:\n{self.process.tail()}") from None
                if "password authentication failed" in str(error) or time.monotonic() > deadline:
                    self.stop()
                    raise LocalError(f"PostgreSQL does not let us in: {error}") from None
            time.sleep(0.02)


def prepare(admin_url: str, passwords: Mapping[str, str], database: str = "eridu") -> str:
    """Creates the database, and per service a role `eridu_<service>` with a schema of its own, as far as missing.

    `passwords` maps a service to its role's password. May be called any number of times and by several processes
    at once. Tables and the rights on them are made by each service's migration, not here. Returns the URL of the
    database for the same administrator.
    """
    target = url_for(admin_url, database=database)
    with psycopg.connect(_plain(admin_url), autocommit=True) as server:
        # Roles belong to the whole server and CREATE DATABASE has no IF NOT EXISTS: one caller at a time.
        server.execute("SELECT pg_advisory_lock(%s)", [PREPARE_LOCK])
        known = {name for (name,) in server.execute("SELECT rolname FROM pg_roles")}
        for service, password in passwords.items():
            _make_role(server, service, password, exists=f"eridu_{service}" in known)
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            name = sql.Identifier(database)
            server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(name))
        with psycopg.connect(target) as connection:
            _make_schemas(connection, database, passwords)
    return target


def url_for(admin_url: str, user: str = "", password: str = "", database: str = "") -> str:
    """The same server's URL for another user or another database; what is not given stays as it is."""
    parts = urlsplit(_plain(admin_url))
    login, _, hosts = parts.netloc.rpartition("@")
    if user:
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    path = f"/{quote(database, safe='')}" if database else parts.path
    return urlunsplit(parts._replace(netloc=f"{login}@{hosts}" if login else hosts, path=path))


def _plain(url: str) -> str:
    """Without SQLAlchemy's driver name, which psycopg does not know."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _make_role(server: psycopg.Connection, service: str, password: str, *, exists: bool) -> None:
    name = f"eridu_{service}"
    role = sql.Identifier(name)
    # Sent as the SCRAM verifier, so that the password itself can never land in a log of the server.
    verifier = server.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    verb = "ALTER ROLE {} LOGIN PASSWORD {}" if exists else "CREATE ROLE {} LOGIN NOSUPERUSER PASSWORD {}"
    server.execute(sql.SQL(verb).format(role, sql.Literal(verifier)))
    for setting, value in {"search_path": service, **ROLE_SETTINGS}.items():
        server.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(setting), sql.Literal(value)))


def _make_schemas(connection: psycopg.Connection, database: str, services: Mapping[str, str]) -> None:
    """Takes back what PostgreSQL gives to everybody, then gives each role its own schema and no other."""
    name = sql.Identifier(database)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for service in services:
        schema, role = sql.Identifier(service), sql.Identifier(f"eridu_{service}")
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        connection.execute(sql.SQL("REVOKE ALL ON SCHEMA {} FROM PUBLIC").format(schema))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, role))


def _locale(binaries: PostgresBinaries) -> list[str]:
    """The built-in locale (PostgreSQL 17 and later) sorts the same on every machine; C is the next best."""
    said = subprocess.run([binaries.postgres, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.split()[2].split(".")[0].rstrip("abcdefghijklmnopqrstuvwxyz")) >= 17:
        return ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--no-locale"]


def _unprivileged(home: Path) -> tuple[list[str], int | None]:
    """PostgreSQL refuses to run as root: the command prefix and the user id that make it run all the same."""
    if os.geteuid() != 0:
        return [], None
    owner = home.parent.stat().st_uid
    if owner != 0:
        return [], owner
    if _can_unshare():
        # A user namespace of its own: inside it is nobody, outside it keeps owning root's files.
        return ["unshare", "-U"], None
    return [], pwd.getpwnam("nobody").pw_uid


@functools.cache
def _can_unshare() -> bool:
    """Containers often forbid new user namespaces."""
    try:
        return subprocess.run(["unshare", "-U", "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def _usable_by(uid: int, binaries: PostgresBinaries, home: Path) -> PostgresBinaries:
    """Programs that `uid` may run and a home that it owns."""
    for path in (home, *home.rglob("*")):
        os.chown(path, uid, -1, follow_symlinks=False)
    for place in (None, home.parent / "bin"):
        found = binaries.copy_to(place) if place else binaries
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([found.postgres, "--version"], user=uid, cwd=home, capture_output=True, check=True)
            return found
    name = pwd.getpwuid(uid).pw_name
    raise LocalError(f"root may not run PostgreSQL, and {name} may not enter {home}: open its parent directories")
