"""The whole suite on one machine: stores, database, migrations, services; up in this order, down in the reverse."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from grpc_health.v1 import health_pb2

from deploy.local import keys
from deploy.local.nats import Nats
from deploy.local.postgres import Postgres, prepare, url_for
from deploy.local.processes import LocalError, Process, take_port, write_private

CLONE = Path(__file__).resolve().parents[2]
DEFAULT_ROOT = CLONE / ".local"
SERVICES = ("identity", "scheduling", "production", "tasks")
SYSTEM_ADMIN = "root@eridu.local"
READY_WITHIN = 60.0
DRAIN_WITHIN = 20.0


def service_command(service: str) -> Sequence[str]:
    """How a service is started; for `migrate`, how all schemas are brought up to date."""
    return [sys.executable, "-m", f"services.{service}"]


class Stack:
    """Starts, knows and stops everything under one root directory; one supervisor per root.

    `ERIDU_DATABASE_URL` (an administrator's) and `ERIDU_NATS_URL` in the environment stand for servers that are
    there already: then none is started here.
    """

    def __init__(
        self,
        root: Path = DEFAULT_ROOT,
        *,
        services: Sequence[str] = SERVICES,
        command: Callable[[str], Sequence[str]] = service_command,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.root = root.resolve()
        self.services = tuple(services)
        self.keys_dir = self.root / "keys"
        self.admin_url = ""  # the administrator's, of the database of the suite
        self.nats_url = ""
        self.addresses: dict[str, str] = {}
        self._command = command
        self._say = say
        self._lock: int | None = None
        self._secrets: dict[str, str] = {}
        self._ports: dict[str, int] = {}
        self._processes = {name: Process(self.root, name) for name in self.services}
        self._migration = Process(self.root, "migrate")
        self._stores: list[Postgres | Nats] = []

    @classmethod
    @contextlib.contextmanager
    def running(cls, root: Path = DEFAULT_ROOT, **options: Any) -> Iterator[Stack]:
        """A started stack for the length of a `with` block."""
        stack = cls(root, **options)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()

    def start(self) -> None:
        """Returns when all is SERVING. Raises LocalError with the log that explains it, and leaves nothing behind."""
        self._take_lock()
        try:
            self._load_secrets()
            postgres, nats = (
                Postgres(self.root, self._secrets["postgres"]),
                Nats(self.root, self._secrets["nats"]),
            )
            self._drain()  # what a killed supervisor left: services first, as in any stop
            nats.stop()
            postgres.stop()
            keys.ensure_keys(self.keys_dir, self.services)
            self._take_ports()
            self._start_postgres(postgres)
            self._start_nats(nats)
            self._migrate()
            for name in self.services:
                self._launch(name)
            self._wait_serving(self.services)
            self._write_facts()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Services first (SIGTERM, their grace, SIGKILL), stores last. A second Ctrl-C shortens the grace."""
        if self._lock is None:
            return  # the start was refused: what runs here is another supervisor's
        try:
            self._drain()
        except KeyboardInterrupt:
            for process in self._processes.values():
                process.kill()
        finally:
            for store in reversed(self._stores):
                store.stop()
            self._stores.clear()
            if self._ports:
                self._write_facts()
            os.close(self._lock)
            self._lock = None

    def kill(self, service: str) -> None:
        """kill -9: no drain, no goodbye."""
        self._processes[service].kill()

    def start_service(self, service: str) -> None:
        """Starts one service (again) on its old port and returns when it is SERVING."""
        self._processes[service].stop(grace=DRAIN_WITHIN)
        self._launch(service)
        self._wait_serving([service])
        self._write_facts()

    def dead(self) -> dict[str, str]:
        """The processes that are gone, with the end of their logs."""
        watched = [*self._processes.values(), *(store.process for store in self._stores)]
        return {process.name: process.tail() for process in watched if process.pid is None}

    def user_token(self, ext_id: str, **claims: Any) -> str:
        """A bearer token for a user of this stack; see `keys.user_token`."""
        return keys.user_token(self.keys_dir, ext_id, **claims)

    def environment(self, service: str) -> dict[str, str]:
        """The environment of a service's process: all that the stack and a service have to agree on."""
        return {
            **os.environ,
            **{f"ERIDU_{name.upper()}_ADDRESS": address for name, address in self.addresses.items()},
            "ERIDU_DATABASE_URL": url_for(self.admin_url, f"eridu_{service}", self._secrets[service]),
            "ERIDU_NATS_URL": self.nats_url,
            "ERIDU_LISTEN": self.addresses[service],
            "ERIDU_ISSUER": keys.ISSUER,
            "ERIDU_AUDIENCE": keys.AUDIENCE,
            "ERIDU_JWKS_URL": (self.keys_dir / "issuer.jwks.json").as_uri(),
            "ERIDU_SERVICE_KEY": str(self.keys_dir / f"{service}.pem"),
            "ERIDU_SERVICES_JWKS_URL": (self.keys_dir / "services.jwks.json").as_uri(),
            "ERIDU_SECRET_KEYS": f"local:{self._secrets['sealing']}" if service == "identity" else "",
            "ERIDU_ADMIN_EXT_ID": SYSTEM_ADMIN,
            "ERIDU_REFLECTION": "true",
            "ERIDU_STREAM_REPLICAS": "1",
            "PYTHONUNBUFFERED": "1",
            "no_grpc_proxy": "127.0.0.1",  # a machine's web proxy does not know our loopback interface
        }

    def _take_lock(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError:
            raise LocalError(f"{self.root} belongs to another user: run as that user or remove it") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode() or "?"
            os.close(lock)
            raise LocalError(f"Eridu runs already on {self.root} (supervisor's pid {holder})") from None
        os.truncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def _load_secrets(self) -> None:
        """Generated once: the cluster on disk knows its superuser's password for ever."""
        path = self.root / "secrets.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        passwords = {name: secrets.token_urlsafe(24) for name in ("postgres", "nats", *self.services)}
        self._secrets = passwords | {"sealing": base64.b64encode(secrets.token_bytes(32)).decode()} | known
        if self._secrets != known:
            write_private(path, json.dumps(self._secrets, indent=2))

    def _take_ports(self) -> None:
        """The ports of the last run as far as they are free: addresses that people noted down stay right."""
        known: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError, KeyError):
            known = json.loads((self.root / "stack.json").read_text())["ports"]
        self._ports = {}
        for name in ("postgres", "nats", "nats_monitor", *self.services):
            self._ports[name] = take_port(known.get(name), avoid=self._ports.values())
        self.addresses = {name: f"127.0.0.1:{self._ports[name]}" for name in self.services}

    def _start_postgres(self, postgres: Postgres) -> None:
        began, server, database = time.monotonic(), os.environ.get("ERIDU_DATABASE_URL", ""), "eridu"
        if server:
            named = urlsplit(server).path.strip("/")
            database = database if named in ("", "postgres") else named
        else:
            self._stores.append(postgres)
            postgres.start(self._ports["postgres"])
            server = postgres.admin_url
            self._tell(f"PostgreSQL {postgres.version} ready", began, postgres.address)
        self.admin_url = prepare(server, {name: self._secrets[name] for name in self.services}, database)

    def _start_nats(self, nats: Nats) -> None:
        began, self.nats_url = time.monotonic(), os.environ.get("ERIDU_NATS_URL", "")
        if not self.nats_url:
            self._stores.append(nats)
            nats.start(self._ports["nats"], self._ports["nats_monitor"])
            self.nats_url = nats.url
            self._tell(f"NATS {nats.version} ready", began, nats.address)

    def _migrate(self) -> None:
        began = time.monotonic()
        environment = self.environment(self.services[0]) | {"ERIDU_DATABASE_URL": self.admin_url}
        self._migration.start(self._command("migrate"), env=environment, cwd=CLONE)
        if not self._migration.wait(READY_WITHIN):
            raise LocalError(f"the migration does not end:\n{self._migration.tail()}")
        if self._migration.exit_code:
            raise LocalError(f"the migration failed:\n{self._migration.tail()}")
        self._tell("schemas migrated", began)

    def _launch(self, service: str) -> None:
        self._processes[service].start(self._command(service), env=self.environment(service), cwd=CLONE)

    def _wait_serving(self, services: Sequence[str]) -> None:
        began, waiting = time.monotonic(), list(services)
        while waiting:
            for name in waiting.copy():
                process = self._processes[name]
                if process.pid is None:
                    raise LocalError(f"{name} ended at start (exit code {process.exit_code}):\n{process.tail()}")
                if is_serving(self.addresses[name]):
                    waiting.remove(name)
                    self._tell(f"{name} ready", began, self.addresses[name])
                elif time.monotonic() - began > READY_WITHIN:
                    raise LocalError(f"{name} is not SERVING after {READY_WITHIN:.0f} s:\n{process.tail()}")
            time.sleep(0.02)

    def _drain(self) -> None:
        """All at once, so that one grace is enough for all."""
        processes = [*self._processes.values(), self._migration]
        for process in processes:
            process.send(signal.SIGTERM)
        deadline = time.monotonic() + DRAIN_WITHIN
        for process in processes:
            if not process.wait(max(0.0, deadline - time.monotonic())):
                process.kill()

    def _write_facts(self) -> None:
        """What anybody may know: ports, addresses, pids. Passwords are in `secrets.json`."""
        watched = [*self._processes.values(), *(store.process for store in self._stores)]
        pids = {process.name: process.pid for process in watched if process.pid is not None}
        facts: dict[str, Any] = {
            "running": bool(pids),
            "supervisor": os.getpid(),
            "pids": pids,
            "ports": self._ports,
        }
        facts |= {"addresses": self.addresses, "issuer": keys.ISSUER, "keys": str(self.keys_dir)}
        write_private(self.root / "stack.json", json.dumps(facts, indent=2))

    def _tell(self, what: str, began: float, where: str = "") -> None:
        self._say(f"{what:<24}{time.monotonic() - began:>6.1f} s   {where}".rstrip())


def is_supervised(root: Path = DEFAULT_ROOT) -> bool:
    """Whether somebody keeps a suite on this root: what a killed supervisor left runs, and is nobody's."""
    try:
        lock = os.open(root / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def is_serving(address: str) -> bool:
    """Whether the gRPC server at this address calls itself healthy."""
    request = health_pb2.HealthCheckRequest()
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            return check(request, timeout=1.0).status == health_pb2.HealthCheckResponse.SERVING
        except grpc.RpcError:
            return False
