"""One PostgreSQL server for the run, one database and one NATS server for each worker, the suite in each."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from grpc.aio import init_grpc_aio

from deploy.local.nats import Nats
from deploy.local.postgres import Postgres
from deploy.local.processes import take_port
from tests.support.suite import Suite

CLONE = Path(__file__).resolve().parents[1]
ROOT = "ERIDU_TEST_ROOT"
DATABASE = "ERIDU_TEST_DATABASE_URL"


def pytest_configure(config: pytest.Config) -> None:
    """Start PostgreSQL before the workers, which inherit its address."""
    # gRPC's event engine would be shut down with its last channel, and wait for calls that tests broke off on purpose.
    init_grpc_aio()
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    root = CLONE / ".local" / "test" / str(os.getpid())
    root.mkdir(parents=True)
    postgres = Postgres(root, "test")
    postgres.start(take_port())
    os.environ[ROOT], os.environ[DATABASE] = str(root), postgres.admin_url
    config.stash[POSTGRES] = postgres


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what `pytest_configure` started, whatever happened between."""
    postgres = config.stash.get(POSTGRES, None)
    if postgres is not None:
        postgres.stop()
        shutil.rmtree(os.environ[ROOT], ignore_errors=True)


POSTGRES = pytest.StashKey[Postgres]()


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """Name of this test worker."""
    return str(getattr(request.config, "workerinput", {}).get("workerid", "main"))


@pytest.fixture(scope="session")
def nats_server(worker: str) -> Iterator[Nats]:
    """A NATS server of this worker's own."""
    server = Nats(Path(os.environ[ROOT]) / worker, "test")
    server.start(take_port(), take_port())
    yield server
    server.stop()


@pytest.fixture(scope="session")
def stopped_suite(worker: str, nats_server: Nats) -> Suite:
    """A migrated database and keys; no service runs yet."""
    return Suite(Path(os.environ[ROOT]) / worker, os.environ[DATABASE], f"eridu_{worker}", nats_server.url)


@pytest.fixture(scope="session")
async def suite(stopped_suite: Suite) -> AsyncIterator[Suite]:
    """The four services, up."""
    try:
        await stopped_suite.start()
        yield stopped_suite
    finally:  # also when one of them did not start: a server left running keeps the whole run from ending
        await stopped_suite.stop()
