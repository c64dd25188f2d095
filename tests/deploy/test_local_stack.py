"""The local stack on real servers: what it starts, what it isolates, and what it does about the leftovers of a kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jwt
import nats
import psycopg
import pytest

from deploy.local import keys, postgres
from deploy.local.processes import LocalError, Process, start_time, take_port
from deploy.local.stack import Stack, is_serving, is_supervised

SERVICES = ("identity", "tasks")

# Stands for a service: migrates a table into its schema, answers health checks, ends on SIGTERM.
SERVICE = """
import os, signal, sys
if os.environ.get("BROKEN") == sys.argv[1]:
    sys.exit("no such luck")
if sys.argv[1] == "migrate":
    import psycopg
    with psycopg.connect(os.environ["ERIDU_DATABASE_URL"]) as connection:
        for schema in ("identity", "tasks"):
            connection.execute(f"CREATE TABLE IF NOT EXISTS {schema}.thing (id int)")
            connection.execute(f"GRANT SELECT ON {schema}.thing TO eridu_{schema}")
    sys.exit()
import grpc
from concurrent.futures import ThreadPoolExecutor
from grpc_health.v1 import health, health_pb2_grpc
server = grpc.server(ThreadPoolExecutor(2))
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
server.add_insecure_port(os.environ["ERIDU_LISTEN"])
server.start()
signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
server.wait_for_termination()
"""

# Stands for `eridu up`, so that somebody can be killed.
SUPERVISOR = """
import signal, sys
from pathlib import Path
from deploy.local.stack import Stack
root, script = sys.argv[1:]
Stack(Path(root), services={services}, command=lambda name: [sys.executable, script, name]).start()
print("up", flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("service") / "service.py"
    path.write_text(SERVICE)
    return path


def command_of(script: Path) -> Callable[[str], Sequence[str]]:
    return lambda service: [sys.executable, str(script), service]


def make_stack(root: Path, script: Path) -> Stack:
    return Stack(root, services=SERVICES, command=command_of(script))


@pytest.fixture(scope="module", autouse=True)
def no_servers_given() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ERIDU_DATABASE_URL", raising=False)
        patch.delenv("ERIDU_NATS_URL", raising=False)
        yield


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, script: Path) -> Iterator[Stack]:
    stack = make_stack(tmp_path_factory.mktemp("stack"), script)
    stack.start()
    yield stack
    stack.stop()


def pids(root: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((root / "stack.json").read_text())["pids"]
    return found


def test_a_role_works_in_its_own_schema_only(stack: Stack) -> None:
    with psycopg.connect(stack.environment("identity")["ERIDU_DATABASE_URL"], autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM thing").fetchone() == (0,)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        for forbidden in (
            "SELECT count(*) FROM tasks.thing",
            "CREATE TABLE identity.mine (id int)",
            "CREATE TABLE public.mine (id int)",
            "CREATE TEMP TABLE mine (id int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


def test_the_server_keeps_what_it_acknowledges(stack: Stack) -> None:
    with psycopg.connect(stack.admin_url) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)


def test_jetstream_wants_the_password_and_keeps_a_message(stack: Stack) -> None:
    async def converse() -> bytes:
        client = await nats.connect(stack.nats_url)
        stream = client.jetstream()
        await stream.add_stream(name="TEST", subjects=["test"])
        await stream.publish("test", b"kept")
        kept = await stream.get_last_msg("TEST", "test")
        await client.close()
        return kept.data or b""

    async def intrude() -> None:
        async def hush(error: Exception) -> None:
            pass

        stranger = f"nats://eridu:wrong@{stack.nats_url.rpartition('@')[2]}"
        await nats.connect(stranger, allow_reconnect=False, error_cb=hush)

    assert asyncio.run(converse()) == b"kept"
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
        asyncio.run(intrude())


def test_prepare_may_run_in_two_processes_at_once(stack: Stack) -> None:
    failures: list[Exception] = []

    def prepare() -> None:
        try:
            postgres.prepare(stack.admin_url, {"identity": "a", "other": "b"}, database="eridu_w0")
        except psycopg.Error as error:
            failures.append(error)

    known = stack.environment("identity")["ERIDU_DATABASE_URL"]
    threads = [threading.Thread(target=prepare) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    url = postgres.url_for(stack.admin_url, "eridu_other", "b", "eridu_w0")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_schema()").fetchone() == ("other",)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.url_for(url, database="eridu"))
    secret = known.partition("eridu_identity:")[2].partition("@")[0]
    postgres.prepare(stack.admin_url, {"identity": secret})
    psycopg.connect(known).close()


def test_a_killed_service_comes_back_on_its_port(stack: Stack) -> None:
    address = stack.addresses["tasks"]
    stack.kill("tasks")
    assert list(stack.dead()) == ["tasks"]
    assert not is_serving(address)
    stack.start_service("tasks")
    assert stack.addresses["tasks"] == address
    assert is_serving(address)
    assert not stack.dead()


def test_a_second_supervisor_is_refused_and_disturbs_nothing(stack: Stack, script: Path) -> None:
    with pytest.raises(LocalError, match=f"runs already.*{os.getpid()}"):
        make_stack(stack.root, script).start()
    assert not stack.dead()


def test_no_secret_is_for_everybody(stack: Stack) -> None:
    facts = (stack.root / "stack.json").read_text()
    for secret in json.loads((stack.root / "secrets.json").read_text()).values():
        assert secret not in facts
    private = [stack.root / "secrets.json", stack.root / "nats" / "nats.conf", *stack.keys_dir.iterdir()]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert stack.keys_dir.stat().st_mode & 0o777 == 0o700


def test_a_token_verifies_against_the_published_keys(stack: Stack) -> None:
    published = json.loads((stack.keys_dir / "issuer.jwks.json").read_text())
    token = stack.user_token("u-1", name="Ann")
    key = jwt.PyJWKSet.from_dict(published)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience=keys.AUDIENCE, issuer=keys.ISSUER)
    assert (claims["sub"], claims["name"], claims["email_verified"]) == ("u-1", "Ann", True)
    services = json.loads((stack.keys_dir / "services.jwks.json").read_text())["keys"]
    assert [key["kid"] for key in services] == ["service:identity", "service:tasks"]


def test_what_a_killed_supervisor_left_is_taken_over(tmp_path: Path, script: Path) -> None:
    program = SUPERVISOR.format(services=SERVICES)
    supervisor = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), str(script)], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline() == b"up\n"
    supervisor.kill()
    supervisor.communicate()
    orphans = pids(tmp_path)
    assert set(orphans) == {*SERVICES, "postgres", "nats"}
    assert all(start_time(pid) for pid in orphans.values()), "they live in sessions of their own"
    assert not is_supervised(tmp_path)

    with Stack.running(tmp_path, services=SERVICES, command=command_of(script)) as stack:
        assert not any(start_time(pid) for pid in orphans.values())
        assert not stack.dead()
        assert is_supervised(tmp_path)
        ports = json.loads((tmp_path / "stack.json").read_text())["ports"]
    assert not pids(tmp_path)
    assert not any(is_serving(f"127.0.0.1:{ports[name]}") for name in SERVICES)


def test_a_service_that_ends_at_start_fails_the_start_at_once(
    tmp_path: Path, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", "tasks")
    with pytest.raises(LocalError, match=r"tasks ended at start .*\nno such luck"):
        make_stack(tmp_path, script).start()
    assert not pids(tmp_path), "nothing is left running"


def test_a_recycled_pid_is_never_touched(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "x.pid").write_text(json.dumps({"pid": bystander.pid, "started": "boot/1"}))
        process = Process(tmp_path, "x")
        process.stop(grace=1)
        process.kill()
        assert process.pid is None
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_what_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    process = Process(tmp_path, "stubborn")
    process.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    while process.tail() != "ready":
        time.sleep(0.01)
    process.stop(signal.SIGTERM, grace=0.2)
    assert process.exit_code == -signal.SIGKILL


def test_an_occupied_port_is_not_taken(tmp_path: Path) -> None:
    port = take_port()
    assert take_port(port) == port
    assert take_port(port, avoid=[port]) != port
