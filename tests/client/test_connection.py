"""The Python client against the real services."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from eridu.identity.v1.client_service_pb2 import CreateClientRequest, GetClientRequest, ListClientsRequest
from eridu.identity.v1.user_service_pb2 import CreateUserRequest, GetMeRequest
from eridu.scheduling.v1.plan_pb2 import PlanRow, StreamPlanRequest
from eridu.scheduling.v1.watch_pb2 import WatchBookingsRequest

from libs.client.connection import SERVICES, Eridu, each, with_request_id
from libs.common.errors import AlreadyExists, Denied, Invalid, NotFound, Unauthenticated, Unavailable
from tests.support.house import build_house
from tests.support.suite import ADMIN, Suite

NOBODY = "127.0.0.1:1"  # no server listens there


def addresses(suite: Suite) -> dict[str, str]:
    running = {name: f"127.0.0.1:{process.server.port}" for name, process in suite.processes.items()}
    return dict.fromkeys(SERVICES, NOBODY) | running


@pytest.fixture
async def admin(suite: Suite) -> AsyncIterator[Eridu]:
    async with Eridu(addresses(suite), suite.token(ADMIN)) as eridu:
        yield eridu


def fresh(noun: str) -> str:
    return f"{noun} {uuid.uuid4()}"


async def test_a_call_carries_the_token_and_answers_the_message(admin: Eridu):
    assert (await admin.users.GetMe(GetMeRequest())).ext_id == ADMIN


async def test_the_token_may_be_a_function_that_is_asked_for_every_call(suite: Suite):
    asked: list[str] = []

    def token() -> str:
        asked.append(suite.token(ADMIN))
        return asked[-1]

    async with Eridu(addresses(suite), token) as eridu:
        await eridu.users.GetMe(GetMeRequest())
        await eridu.users.GetMe(GetMeRequest())
    assert len(asked) == 2


async def test_a_refusal_is_raised_as_the_service_raised_it(admin: Eridu):
    name = fresh("client")
    await admin.clients.CreateClient(CreateClientRequest(name=name))
    with pytest.raises(AlreadyExists) as taken:
        await admin.clients.CreateClient(CreateClientRequest(name=name))
    assert (taken.value.reason, taken.value.domain) == ("CLIENT_NAME_TAKEN", "identity.eridu")
    with pytest.raises(NotFound) as missing:
        await admin.clients.GetClient(GetClientRequest(uid="client_01jd0000000000000000000000"))
    assert missing.value.reason == "CLIENT_NOT_FOUND"


async def test_a_bad_request_names_its_fields(admin: Eridu):
    with pytest.raises(Invalid) as bad:
        await admin.users.CreateUser(CreateUserRequest(email="no address", name="X\0"))
    assert "name" in {violation.field for violation in bad.value.violations}
    with pytest.raises(Invalid) as bad:
        await admin.users.CreateUser(CreateUserRequest(email="no address", name=""))
    assert {violation.field for violation in bad.value.violations} == {"name", "email"}


async def test_a_wrong_token_and_too_little_right_are_refused(suite: Suite, admin: Eridu):
    async with Eridu(addresses(suite), "not a token") as nobody:
        with pytest.raises(Unauthenticated):
            await nobody.users.GetMe(GetMeRequest())
    ext_id = f"{uuid.uuid4()}@eridu.local"
    await admin.users.CreateUser(CreateUserRequest(ext_id=ext_id, email=ext_id, name="Somebody"))
    async with Eridu(addresses(suite), suite.token(ext_id)) as somebody:
        with pytest.raises(Denied):
            await somebody.clients.CreateClient(CreateClientRequest(name=fresh("client")))


async def test_a_service_that_is_away_is_unavailable(suite: Suite):
    async with Eridu(dict.fromkeys(SERVICES, NOBODY), suite.token(ADMIN)) as eridu:
        with pytest.raises(Unavailable):
            await eridu.users.GetMe(GetMeRequest(), timeout=3)


async def test_a_watch_is_iterated_and_its_refusal_is_raised(admin: Eridu, suite: Suite):
    house = await build_house(suite)
    request = WatchBookingsRequest(studio_uid=house.studio.uid)
    async for part in admin.bookings.WatchBookings(request):
        assert part.live
        break
    with pytest.raises(Invalid) as bad:
        await anext(aiter(admin.bookings.WatchBookings(WatchBookingsRequest())))
    assert bad.value.reason == "REQUEST_INVALID"


async def test_a_request_may_come_in_parts(admin: Eridu, suite: Suite):
    house = await build_house(suite)
    uid = (await house.schedule()).uid
    row = PlanRow(external_id="1", name="Show", start="2026-03-02T10:00", end="2026-03-02T11:00")
    answer = await admin.schedules.StreamPlan(iter([StreamPlanRequest(uid=uid), StreamPlanRequest(rows=[row])]))
    assert (len(answer.rows), answer.saved) == (1, True)


async def test_all_pages_of_a_list_come_in_order_and_once(admin: Eridu):
    names = sorted(fresh("client") for _ in range(5))
    for name in names:
        await admin.clients.CreateClient(CreateClientRequest(name=name))
    query = ListClientsRequest(names=names, page_size=2)
    found = [client.name async for client in each(admin.clients.ListClients, query)]
    assert found == names
    assert query.page_token == "", "the caller's request stays as it is"


async def test_the_request_id_of_the_caller_is_kept(admin: Eridu):
    request = CreateClientRequest(name=fresh("client"), request_id=str(uuid.uuid4()))
    first = await admin.clients.CreateClient(request)
    assert await admin.clients.CreateClient(request) == first


def test_a_change_without_a_request_id_is_given_one_and_a_read_is_not():
    request = CreateClientRequest(name="x")
    named = with_request_id(request)
    assert isinstance(named, CreateClientRequest)
    assert uuid.UUID(named.request_id)
    assert request.request_id == "", "the caller's request stays as it is"
    read = GetMeRequest()
    assert with_request_id(read) is read


def test_an_address_that_is_missing_is_named():
    with pytest.raises(ValueError, match="no address for production, tasks"):
        Eridu({"identity": NOBODY, "scheduling": NOBODY}, "token")
