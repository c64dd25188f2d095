"""`kill -9` of any service in the middle of the main job: after a restart the end is the same as without it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import psycopg
import pytest
from eridu.scheduling.v1 import confirmation_pb2
from eridu.scheduling.v1 import schedule_request_pb2 as plans
from eridu.tasks.v1.template_service_pb2 import ActivateTemplateRequest, CreateTemplateRequest

from deploy.local.stack import SYSTEM_ADMIN, Stack
from libs.common.rpc.neighbours import OPTIONS
from tests.flows.test_main_job import ITEMS
from tests.support.house import House, build_house
from tests.support.suite import As, until

SHOWS = 400
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
ROOMS = 8
TASKS_EACH = 4  # three on the show, one on its MC


class Processes:
    """The suite as real processes, which can be killed."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.channels = {
            service: grpc.aio.insecure_channel(address, options=OPTIONS) for service, address in stack.addresses.items()
        }

    def caller(self, ext_id: str = SYSTEM_ADMIN) -> As:
        """Somebody who calls."""
        return As(self, [("authorization", f"Bearer {self.stack.user_token(ext_id)}")])

    async def kill(self, service: str) -> None:
        """`kill -9`, then start again on the same port."""
        self.stack.kill(service)
        await asyncio.to_thread(self.stack.start_service, service)

    @contextlib.asynccontextmanager
    async def held(self, table: str) -> AsyncIterator[None]:
        """Nobody else writes to the table meanwhile."""
        async with await psycopg.AsyncConnection.connect(self.stack.admin_url) as connection:
            await connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield

    async def count(self, query: str, *values: object) -> int:
        """A number from the database, read as its owner."""
        async with await psycopg.AsyncConnection.connect(self.stack.admin_url) as connection:
            row = await (await connection.execute(query, values)).fetchone()
            assert row is not None
            return int(row[0])


@pytest.fixture(scope="module")
async def processes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Processes]:
    """A stack of this module's own."""
    root: Path = tmp_path_factory.mktemp("stack")
    with contextlib.ExitStack() as stay:
        stack = await asyncio.to_thread(stay.enter_context, Stack.running(root))
        running = Processes(stack)
        yield running
        for channel in running.channels.values():
            await channel.close()
        await asyncio.to_thread(stay.pop_all().close)


async def planned_house(processes: Processes) -> tuple[House, str]:
    """A house with a plan of several hundred shows, proposed; the schedule's uid."""
    house = await build_house(processes)
    for number in range(ROOMS):
        await house.room(f"R{number}")
        await house.mc(f"M{number}")
    template = await house.manager(CreateTemplateRequest(studio_uid=house.studio.uid, name="Every show", items=ITEMS))
    await house.manager(ActivateTemplateRequest(uid=template.uid))
    schedule = await house.schedule()
    rows = [
        f"{n},Show {n},R{n % ROOMS},M{n % ROOMS},,,,2026-03-{1 + hour // 24:02}T{hour % 24:02}:00,"
        f"2026-03-{1 + hour // 24:02}T{hour % 24:02}:45"
        for n in range(SHOWS)
        for hour in [n // ROOMS]
    ]
    await house.plan(schedule, *rows)
    await house.manager(plans.ProposeScheduleRequest(uid=schedule.uid))
    return house, schedule.uid


async def confirm(house: House, uid: str) -> None:
    """Confirm, and repeat with the same request id until there is an answer: what every client does."""
    request = confirmation_pb2.ConfirmScheduleRequest(uid=uid, request_id=str(uuid.uuid4()))

    async def answered() -> bool:
        try:
            answer = await house.manager(request)
        except grpc.aio.AioRpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED):
                raise
            return False
        assert len(answer.results) == SHOWS
        return True

    await until(answered, within=60)


async def settled(processes: Processes, house: House) -> None:
    """Wait until everything has its tasks, then look that nothing is there twice and nothing is left to do."""
    studio = house.studio.uid

    async def all_there() -> bool:
        return (
            await processes.count("SELECT count(*) FROM tasks.task WHERE studio_uid = %s", studio) >= SHOWS * TASKS_EACH
            and await processes.count("SELECT count(*) FROM production.outbox") == 0
            and await processes.count("SELECT count(*) FROM tasks.outbox") == 0
        )

    await until(all_there, within=90)
    counts = {
        "confirmed shows": "SELECT count(*) FROM production.show WHERE status = 'confirmed' AND studio_uid = %s",
        "shows": "SELECT count(*) FROM production.show WHERE studio_uid = %s",
        "bookings": "SELECT count(*) FROM scheduling.booking WHERE released_at IS NULL AND studio_uid = %s",
        "tasks": "SELECT count(*) FROM tasks.task WHERE studio_uid = %s",
        "different tasks": "SELECT count(DISTINCT (show_uid, target_uid, template_item_uid)) FROM tasks.task"
        " WHERE studio_uid = %s",
        "confirmations said": "SELECT count(*) FROM production.ledger WHERE action = 'show.confirmed'"
        " AND studio_uid = %s",
        "bookings said": "SELECT count(*) FROM scheduling.ledger WHERE action = 'booking.confirmed'"
        " AND studio_uid = %s",
        "generations said": "SELECT count(*) FROM tasks.ledger WHERE action = 'task.generated' AND studio_uid = %s",
    }
    assert {name: await processes.count(query, studio) for name, query in counts.items()} == {
        "confirmed shows": SHOWS,
        "shows": SHOWS,
        "bookings": SHOWS * 2,
        "tasks": SHOWS * TASKS_EACH,
        "different tasks": SHOWS * TASKS_EACH,
        "confirmations said": SHOWS,
        "bookings said": SHOWS,
        "generations said": SHOWS,
    }
    assert (
        await processes.count(
            "SELECT (SELECT count(*) FROM production.parked) + (SELECT count(*) FROM tasks.parked)"
            " + (SELECT count(*) FROM scheduling.parked)"
        )
        == 0
    )


async def when(condition: Callable[[], Awaitable[int]]) -> None:
    """Wait until the work has begun."""

    async def begun() -> bool:
        return await condition() > 0

    await until(begun)


@pytest.mark.timeout(240)
async def test_nothing_is_lost_or_doubled_when_scheduling_is_killed_while_it_confirms(processes: Processes) -> None:
    house, uid = await planned_house(processes)
    async with processes.held("scheduling.ledger"):  # bookings are written, their ledger rows cannot be: the middle
        confirming = asyncio.create_task(confirm(house, uid))
        await when(lambda: processes.count(WAITING, "eridu.scheduling"))
        processes.stack.kill("scheduling")
    await asyncio.to_thread(processes.stack.start_service, "scheduling")
    await confirming
    await processes.kill("scheduling")  # and once more while its relay may be publishing
    await settled(processes, house)


@pytest.mark.timeout(240)
async def test_nothing_is_lost_or_doubled_when_the_followers_are_killed_while_they_follow(processes: Processes) -> None:
    house, uid = await planned_house(processes)
    await confirm(house, uid)
    for service in ("production", "tasks"):
        async with processes.held(f"{service}.ledger"):
            await when(lambda service=service: processes.count(WAITING, f"eridu.{service}"))  # type: ignore[misc]
            processes.stack.kill(service)
        await asyncio.to_thread(processes.stack.start_service, service)
    await processes.kill("identity")
    await settled(processes, house)
