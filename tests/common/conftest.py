"""A house of its own for the tests of what is common: identity's schema with no service running, and a NATS server
that tests may stop.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from deploy.local.nats import Nats
from deploy.local.processes import take_port
from libs.common.access import Principal
from libs.common.bus import Bus
from libs.common.db import Database
from libs.common.process import Process
from libs.common.tokens import Claims
from services.identity.store import tables
from tests.conftest import DATABASE, ROOT
from tests.support.suite import Suite, call


@pytest.fixture(scope="session")
def own_nats(worker: str) -> Iterator[Nats]:
    server = Nats(Path(os.environ[ROOT]) / worker / "common", "test")
    server.start(take_port(), take_port())
    yield server
    server.stop()


@pytest.fixture(scope="session")
def house(worker: str, own_nats: Nats) -> Suite:
    root = Path(os.environ[ROOT]) / worker / "common"
    return Suite(root, os.environ[DATABASE], f"eridu_{worker}_common", own_nats.url, ("identity",))


@pytest.fixture
async def db(house: Suite) -> AsyncIterator[Database]:
    database = Database(house.config("identity"), "identity", tables.REFUSALS)
    yield database
    await database.close()


@pytest.fixture
async def bus(house: Suite) -> AsyncIterator[Bus]:
    connected = Bus(house.config("identity"), "test")
    await connected.connect()
    await connected.ensure_stream("identity")
    yield connected
    await connected.close()


class Partial:
    """A servicer with the methods that a test needs; nobody calls the others."""

    def __getattr__(self, name: str) -> Any:
        async def absent(request: Any, context: Any) -> Any:
            raise NotImplementedError(name)

        return absent


class Served:
    """A real server with servicers of a test's making, and a real channel to it."""

    def __init__(self, house: Suite, process: Process, channel: grpc.aio.Channel) -> None:
        self.house, self.process, self.channel = house, process, channel

    @property
    def db(self) -> Database:
        return self.process.db

    def metadata(self, who: str) -> list[tuple[str, str]]:
        return self.house.caller(who).metadata

    async def __call__(self, request: Any, who: str = "ann", timeout: float = 30) -> Any:
        """Call as somebody; here everybody is a system admin."""
        service = request.DESCRIPTOR.file.package.split(".")[1]
        return await call({service: self.channel}, request, self.metadata(who), timeout)

    async def raw(self, path: str, body: bytes, *metadata: tuple[str, str]) -> Any:
        """Call with these very bytes."""
        method: Any = self.channel.unary_unary(path)
        return await method(body, metadata=metadata or self.metadata("ann"), timeout=30)


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve(house: Suite) -> Serve:
    """`async with serve((add_…Servicer_to_server, servicer), max_running=1) as call: await call(SomeRequest(…))`."""

    @asynccontextmanager
    async def serving(*servicers: tuple[Callable[[Any, Any], None], object], **settings: Any) -> AsyncIterator[Served]:
        async def lookup(claims: Claims) -> Principal:
            return Principal(f"user_{claims.subject}", system_admin=True)

        process = Process(house.config("identity", **settings), "identity", tables.REFUSALS, lookup)
        for register, servicer in servicers:
            process.server.add(register, servicer)
        port = await process.server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Served(house, process, channel)
        await process.drain()

    return serving
