from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from eridu.identity.v1.platform_service_pb2 import CreatePlatformRequest
from eridu.identity.v1.platform_service_pb2_grpc import add_PlatformServiceServicer_to_server
from eridu.scheduling.v1.booking_pb2 import ShowBooking
from eridu.scheduling.v1.booking_service_pb2 import ReleaseShowRequest
from eridu.scheduling.v1.booking_service_pb2_grpc import add_BookingServiceServicer_to_server
from sqlalchemy import text

from libs.common import uids
from libs.common.clock import now
from libs.common.db import Database
from libs.common.errors import Refused
from libs.common.rpc.call import caller, current
from services.identity import convert
from services.identity.commands import groups as commands
from services.identity.domain.nouns import PLATFORM
from tests.common.conftest import Partial, Serve
from tests.support.suite import Suite, refused, request_id, until


class Platforms(Partial):
    """CreatePlatform with a gate before its end."""

    def __init__(self) -> None:
        self.db: Database | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = 0
        self.error: Exception | None = None

    async def CreatePlatform(self, request: Any, context: Any) -> Any:
        self.begun += 1
        assert self.db is not None
        made = await commands.create_group(self.db, caller(), now, PLATFORM, {"name": request.name})
        await self.gate.wait()
        if self.error:
            raise self.error
        assert current.get().request == request
        return convert.group(made)


async def count(db: Database, name: str) -> int:
    async with db.read() as reader:
        found = await reader.execute(text("SELECT count(*) FROM platform WHERE name = :name"), {"name": name})
        return int(found.scalar_one())


@pytest.fixture
def platforms() -> Platforms:
    return Platforms()


def served_by(platforms: Platforms) -> tuple[Any, Platforms]:
    return add_PlatformServiceServicer_to_server, platforms


def request(**more: Any) -> CreatePlatformRequest:
    return CreatePlatformRequest(**{"name": uids.new("name"), "request_id": request_id(), **more})


async def test_the_same_id_at_the_same_time_has_one_effect_and_one_answer(serve: Serve, platforms: Platforms):
    async with serve(served_by(platforms)) as served:
        platforms.db = served.db
        wanted = request()
        answers = await asyncio.gather(*(served(wanted) for _ in range(20)))
        assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
        assert await count(served.db, wanted.name) == 1
        assert await served(wanted) == answers[0]


async def test_the_same_id_with_another_body_is_refused(serve: Serve, platforms: Platforms):
    async with serve(served_by(platforms)) as served:
        platforms.db = served.db
        wanted = request()
        await served(wanted)
        refusal = await refused(served(request(request_id=wanted.request_id)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_the_same_id_of_another_caller_is_another_request(serve: Serve, platforms: Platforms):
    async with serve(served_by(platforms)) as served:
        platforms.db = served.db
        first, second = request(), request()
        second.request_id = first.request_id
        assert (await served(first, "ann")).name == first.name
        assert (await served(second, "bob")).name == second.name


async def test_a_refused_request_leaves_its_id_free(serve: Serve, platforms: Platforms):
    async with serve(served_by(platforms)) as served:
        platforms.db = served.db
        wanted = request()
        platforms.error = Refused("NOT_NOW", "not now")
        assert (await refused(served(wanted))).reason == "NOT_NOW"
        assert await count(served.db, wanted.name) == 0
        platforms.error = None
        assert (await served(wanted)).name == wanted.name


async def test_who_waits_for_a_request_that_fails_makes_it_anew(serve: Serve, platforms: Platforms):
    async with serve(served_by(platforms)) as served:
        platforms.db = served.db
        wanted = request()
        platforms.gate.clear()
        platforms.error = Refused("NOT_NOW", "not now")
        first = asyncio.create_task(refused(served(wanted)))
        await until(lambda: begun(platforms, 1))
        second = asyncio.create_task(served(wanted))
        platforms.gate.set()
        assert (await first).reason == "NOT_NOW"
        platforms.error = None
        assert (await second).name == wanted.name
        assert await count(served.db, wanted.name) == 1


async def begun(platforms: Platforms, calls: int) -> bool:
    return platforms.begun >= calls


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("fails", [False, True])
async def test_a_change_whose_caller_left_runs_to_its_end(
    serve: Serve, platforms: Platforms, fails: bool, caplog: pytest.LogCaptureFixture
):
    noise: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
    try:
        async with serve(served_by(platforms)) as served:
            platforms.db = served.db
            wanted = request()
            platforms.gate.clear()
            platforms.error = ZeroDivisionError("logged") if fails else None
            leaves = asyncio.create_task(served(wanted))
            await until(lambda: begun(platforms, 1))
            leaves.cancel()
            await asyncio.wait({leaves})
            (change,) = served.process.server.changes
            platforms.gate.set()
            await asyncio.wait({change})
            platforms.error = None
            assert await count(served.db, wanted.name) == (0 if fails else 1)
            assert (await served(wanted)).name == wanted.name
            assert await count(served.db, wanted.name) == 1
            assert not served.process.server.changes
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    assert noise == []
    assert ("logged" in caplog.text) == fails


async def test_a_draining_server_waits_for_a_change_whose_caller_left(serve: Serve, platforms: Platforms):
    async with serve(served_by(platforms)) as served:
        platforms.db = served.db
        wanted = request()
        platforms.gate.clear()
        leaves = asyncio.create_task(served(wanted))
        await until(lambda: begun(platforms, 1))
        leaves.cancel()
        await asyncio.wait({leaves})
        drained = asyncio.create_task(served.process.server.drain(5))
        await asyncio.sleep(0.1)
        assert not drained.done()
        platforms.gate.set()
        await drained
        assert await count(served.db, wanted.name) == 1


class Bookings(Partial):
    """ReleaseShow writes down for whom it was called."""

    def __init__(self) -> None:
        self.db: Database | None = None

    async def ReleaseShow(self, request: Any, context: Any) -> ShowBooking:
        assert self.db is not None
        name = f"{request.show_uid} {caller().on_behalf_of}"
        made = await commands.create_group(self.db, caller(), now, PLATFORM, {"name": name})
        return ShowBooking(show_uid=made.name)


async def test_one_users_id_is_never_anothers_whichever_service_passes_it_on(serve: Serve, house: Suite):
    bookings = Bookings()
    path = "/eridu.scheduling.v1.BookingService/ReleaseShow"
    async with serve((add_BookingServiceServicer_to_server, bookings)) as served:
        bookings.db = served.db
        show = uids.new("show")
        body = ReleaseShowRequest(show_uid=show, confirmation=1, request_id=request_id()).SerializeToString()
        for who in ("ann", "bob", "ann"):
            answer = await served.raw(path, body, *house.service("production", who).metadata)
            assert ShowBooking.FromString(answer).show_uid == f"{show} user_{who}"
