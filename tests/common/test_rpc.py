from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import psycopg
import pytest
from eridu.identity.v1.membership_service_pb2 import ListMembershipsRequest
from eridu.identity.v1.membership_service_pb2_grpc import add_MembershipServiceServicer_to_server
from eridu.identity.v1.user_pb2 import User
from eridu.identity.v1.user_service_pb2 import CreateUserRequest, GetMeRequest
from eridu.identity.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server
from eridu.tasks.v1.template_service_pb2 import CreateTemplateRequest, NewTemplateItem
from eridu.tasks.v1.template_service_pb2_grpc import add_TemplateServiceServicer_to_server
from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from sqlalchemy import text

from libs.common.errors import Invalid
from libs.common.rpc import status
from libs.common.rpc.server import AccessUndeclared, Server
from tests.common.conftest import Partial, Serve, Served
from tests.support.suite import Refusal, Suite, refused, until

GET_ME = "/eridu.identity.v1.UserService/GetMe"
CREATE = "/eridu.identity.v1.UserService/CreateUser"
Work = Callable[[], Awaitable[None]]


class Users(Partial):
    """GetMe and CreateUser do what the test wants."""

    def __init__(self, work: Work | None = None) -> None:
        self.work = work
        self.calls = 0

    async def GetMe(self, request: Any, context: Any) -> User:
        self.calls += 1
        if self.work is not None:
            await self.work()
        return User(uid="user_1")

    CreateUser = GetMe


def users(work: Work | None = None) -> tuple[Any, Users]:
    return add_UserServiceServicer_to_server, Users(work)


def seen(refusal: Refusal) -> tuple[grpc.StatusCode, str, list[str]]:
    return refusal.code, refusal.reason, list(refusal.fields)


SOUND = CreateUserRequest(ext_id="a", email="a@b.cd", name="Ann").SerializeToString()
UNREADABLE: tuple[grpc.StatusCode, str, list[str]] = (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_UNREADABLE", [])


@pytest.mark.parametrize(
    "body",
    [b"\xff\xff\xff", b"\x0a\x7f", SOUND[:-1], b"\x0a\x02\xc3\x28", b"\x0a\x03\xed\xa0\x80", b"\x22\x02" * 200],
    ids=["garbage", "a length beyond the end", "truncated", "invalid UTF-8", "half a surrogate", "nonsense"],
)
async def test_bytes_that_are_no_message_are_refused(serve: Serve, body: bytes):
    async with serve(users()) as served:
        refusal = await refused(served.raw(CREATE, body))
        assert seen(refusal) == UNREADABLE
        assert refusal.domain == "identity.eridu"


async def test_nul_is_refused_and_its_field_is_named(serve: Serve):
    async with serve(users(), (add_TemplateServiceServicer_to_server, Partial())) as served:
        refusal = await refused(served(CreateUserRequest(ext_id="a", email="a@b.cd", name="A\0nn")))
        assert seen(refusal) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID", ["name"])
        hidden = CreateUserRequest(ext_id="a", email="a@b.cd", name="Ann")
        hidden.metadata["key\0"] = 1
        assert list((await refused(served(hidden))).fields) == ["metadata.fields"]
        items = CreateTemplateRequest(items=[NewTemplateItem(title="a"), NewTemplateItem(title="\0")])
        assert list((await refused(served(items))).fields) == ["items[1].title"]


async def test_every_bad_field_is_named_by_its_path(serve: Serve):
    servicer = (add_TemplateServiceServicer_to_server, Partial())
    async with serve(servicer, (add_MembershipServiceServicer_to_server, Partial())) as served:
        items = [NewTemplateItem(title="a" * 300), NewTemplateItem(title="")]
        refusal = await refused(served(CreateTemplateRequest(name="", items=items)))
        assert {"studio_uid", "name", "items[0].title", "items[1].title"} <= set(refusal.fields)
        many = CreateTemplateRequest(items=[NewTemplateItem()] * 200)
        refusal = await refused(served(many))  # what names them must fit into the trailers
        assert (refusal.reason, len(refusal.fields)) == ("REQUEST_INVALID", status.MOST_VIOLATIONS)
        whole = await refused(served(ListMembershipsRequest()))
        assert (whole.code, whole.fields) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            {"": "name a user_uid or a group_uid"},
        )


def test_a_status_is_small_however_much_its_refusal_says():
    refusal = Invalid("LONG", "ü" * 5000, fact="y" * 5000)
    assert status.to_status(refusal, "identity.eridu").ByteSize() < 2000


async def test_without_a_valid_token_every_call_is_answered_alike(serve: Serve, house: Suite):
    good = f"Bearer {house.token('ann')}"
    service = house.service("production").metadata[0][1]
    bad: list[list[tuple[str, str]]] = [
        [("x-user-id", "ann")],
        [("authorization", "Bearer ")],
        [("authorization", "Bearer a.b.c")],
        [("authorization", f"Basic {house.token('ann')}")],
        [("authorization", good.lower())],
        [("authorization", f"Bearer {house.token('ann', ttl=-100)}")],
        [("authorization", good), ("authorization", good)],
        [("authorization", service), ("eridu-user-authorization", service)],
        [("authorization", service), ("eridu-user-authorization", "Bearer x")],
        [("authorization", service), ("eridu-user-authorization", good), ("eridu-user-authorization", good)],
    ]
    servicer = users()
    async with serve(servicer) as served:
        refusals = [await refused(served.raw(GET_ME, b"", *metadata)) for metadata in bad]
    assert {(refusal.code, refusal.reason, refusal.message) for refusal in refusals} == {
        (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "a valid bearer token is needed")
    }
    assert servicer[1].calls == 0


async def test_a_service_that_is_not_named_may_not_call(serve: Serve, house: Suite):
    async with serve(users()) as served:
        for caller in (house.service("production"), house.service("production", "ann")):
            refusal = await refused(served.raw(GET_ME, b"", *caller.metadata))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SERVICE_DENIED")


async def test_an_unknown_method_is_unimplemented(serve: Serve):
    async with serve(users()) as served:
        for path in ("/eridu.identity.v1.UserService/Nothing", "/no.such.Service/Call"):
            assert (await refused(served.raw(path, b""))).code == grpc.StatusCode.UNIMPLEMENTED


def test_a_method_that_declares_no_access_keeps_the_server_from_starting(house: Suite):
    file = descriptor_pb2.FileDescriptorProto(name="tests/open_door.proto", package="tests", syntax="proto3")
    file.message_type.add(name="Empty")
    method = file.service.add(name="OpenDoor").method.add(name="Enter")
    method.input_type = method.output_type = ".tests.Empty"
    descriptor_pool.Default().Add(file)
    server = Server(house.config("identity"), "identity", [])
    with pytest.raises(AccessUndeclared, match=r"tests\.OpenDoor/Enter"):
        server.add_registered_method_handlers("tests.OpenDoor", {})


BUGS = [ValueError, KeyError, StopAsyncIteration, RecursionError, asyncio.CancelledError, grpc.RpcError, AssertionError]


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("path", [GET_ME, CREATE])
async def test_a_bug_leaves_as_internal_and_says_nothing(
    serve: Serve, bug: type[BaseException], path: str, caplog: pytest.LogCaptureFixture
):
    async def stumble() -> None:
        raise bug("the secret")

    async with serve(users(stumble)) as served:
        refusal = await refused(served.raw(path, b"" if path == GET_ME else SOUND))
    assert (refusal.code, refusal.message, refusal.reason) == (grpc.StatusCode.INTERNAL, "internal error", "")
    assert "the secret" in caplog.text


async def test_with_too_little_time_left_nothing_is_touched(serve: Serve):
    servicer = users()
    async with serve(servicer) as served:
        await served(GetMeRequest())
        refusal = await refused(served(GetMeRequest(), timeout=0.03))
        assert refusal.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    assert servicer[1].calls == 1


async def terminate(house: Suite) -> None:
    """Cut every connection to the database, as a fail-over does."""
    async with await psycopg.AsyncConnection.connect(house.admin_url, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_a_lost_idle_connection_is_replaced_before_anybody_notices(serve: Serve, house: Suite):
    async def read() -> None:
        async with served.db.read() as reader:
            await reader.execute(text("SELECT 1"))

    async with serve(users(read)) as served:
        for _ in range(3):
            await asyncio.gather(*(served(GetMeRequest()) for _ in range(4)))
            await terminate(house)
            await served(GetMeRequest())


async def test_a_database_lost_in_the_middle_is_unavailable_and_the_next_call_works(serve: Serve, house: Suite):
    async def read_for_long() -> None:
        async with served.db.read() as reader:
            await reader.execute(text("SELECT pg_sleep(10)"))

    async with serve(users(read_for_long)) as served:
        slow = asyncio.create_task(refused(served(GetMeRequest())))

        async def asleep() -> bool:
            async with await psycopg.AsyncConnection.connect(house.admin_url) as admin:
                found = await admin.execute("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(10)'")
                return await found.fetchone() is not None

        await until(asleep)
        await terminate(house)
        refusal = await slow
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        async with served.db.read() as reader:
            await reader.execute(text("SELECT 1"))


async def serving(served: Served) -> bool:
    answer = health_pb2.HealthCheckResponse.FromString(await served.raw("/grpc.health.v1.Health/Check", b""))
    return answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_too_many_calls_are_sent_away_and_health_is_not_among_them(serve: Serve):
    gate = asyncio.Event()
    servicer = users(lambda: only(gate.wait()))
    async with serve(servicer, max_running=1, max_waiting=2) as served:
        calls = [asyncio.create_task(served(GetMeRequest())) for _ in range(6)]
        await until(lambda: ended(calls, 3))
        assert await serving(served)
        gate.set()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        errors = [end for end in ends if isinstance(end, grpc.aio.AioRpcError)]
        assert len(errors) == 3
        for error in errors:
            refusal = Refusal(error)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            (rich,) = [value for key, value in error.trailing_metadata() or () if key == status.DETAILS]
            kinds = [detail.type_url for detail in status_pb2.Status.FromString(rich).details]
            assert "type.googleapis.com/google.rpc.RetryInfo" in kinds
        await served(GetMeRequest())


async def ended(calls: list[asyncio.Task[Any]], least: int) -> bool:
    return sum(call.done() for call in calls) >= least


async def only(awaitable: Awaitable[Any]) -> None:
    await awaitable


async def reached(servicer: Users, calls: int) -> bool:
    return servicer.calls >= calls


async def test_callers_who_leave_while_they_wait_take_no_room(serve: Serve):
    gate = asyncio.Event()
    servicer = users(lambda: only(gate.wait()))
    async with serve(servicer, max_running=1, max_waiting=5) as served:
        working = asyncio.create_task(served(GetMeRequest()))
        await until(lambda: reached(servicer[1], 1))
        for _ in range(3):
            impatient = [served(GetMeRequest(), timeout=0.1) for _ in range(5)]
            codes = {(await refused(call)).code for call in impatient}
            assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
        gate.set()
        await working
        await asyncio.gather(*(served(GetMeRequest()) for _ in range(5)))


async def test_reflection_names_every_service_and_is_absent_where_it_is_not_wanted(serve: Serve):
    async with serve(users()) as served:
        answer = reflection_pb2.ServerReflectionResponse.FromString(await asked_for_services(served))
        names = {service.name for service in answer.list_services_response.service}
        assert {"eridu.identity.v1.UserService", "grpc.health.v1.Health"} <= names
        assert await serving(served)
    async with serve(users(), reflection=False) as served:
        assert (await refused(asked_for_services(served))).code == grpc.StatusCode.UNIMPLEMENTED


async def asked_for_services(served: Served) -> bytes:
    """The first answer of the reflection stream."""
    question = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    stream: Any = served.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")()
    await stream.write(question)
    await stream.done_writing()
    async for answer in stream:
        return bytes(answer)
    raise AssertionError("no answer")


async def test_one_line_is_logged_for_a_call_and_never_its_token(serve: Serve, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "eridu.rpc")
    async with serve(users()) as served:
        await served(GetMeRequest())
        token = served.metadata("ann")[0][1].removeprefix("Bearer ")
    lines = [record for record in caplog.records if record.name == "eridu.rpc"]
    assert [line.getMessage() for line in lines] == [f"{GET_ME} OK "]
    assert vars(lines[0])["actor"] == "user_ann"
    assert token not in caplog.text
