from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from eridu.identity.v1 import access_service_pb2 as access
from eridu.identity.v1.access_service_pb2_grpc import add_AccessServiceServicer_to_server
from eridu.identity.v1.user_pb2 import User
from eridu.identity.v1.user_service_pb2 import GetMeRequest, GetUserRequest
from eridu.identity.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server
from google.protobuf.message import Message
from pydantic import ValidationError

from libs.common.config import Config
from libs.common.errors import Unavailable
from libs.common.process import Process
from libs.common.rpc import call as this
from libs.common.rpc.call import current
from libs.common.rpc.server import Server
from libs.common.tokens import Claims
from tests.common.conftest import Partial, Serve, Served
from tests.support.certificates import Authority, Pair, write
from tests.support.suite import Refusal, Suite, call, refused

USER = GetUserRequest(uid="user_01m83h1ns0ehas7vcqe4e93wf8")  # GetUser names tasks among its services
ME = GetMeRequest()  # GetMe names none
TASKS = "spiffe://eridu/tasks"
REFUSED = (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "a valid bearer token is needed")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def tls(tmp_path: Path, authority: Authority) -> dict[str, str]:
    """The files of the server under test."""
    return write(tmp_path / "server", authority, authority.issue("spiffe://eridu/identity"))


class Users(Partial):
    """Answers who called: the actor, and for whom."""

    def __init__(self) -> None:
        self.calls = 0
        self.passed_on = ""

    async def GetMe(self, request: Any, context: Any) -> User:
        self.calls += 1
        caller = this.caller()
        self.passed_on = current.get().user_token
        return User(uid=caller.actor, name=caller.on_behalf_of)

    GetUser = GetMe


def users() -> tuple[Any, Users]:
    return add_UserServiceServicer_to_server, Users()


class Caller:
    """Calls a server with a certificate and with whatever else."""

    def __init__(self, served: Served, authority: Authority) -> None:
        self.served, self.authority = served, authority

    async def __call__(self, pair: Pair | None, request: Message, *metadata: tuple[str, str]) -> tuple[str, str]:
        """Who the server says that called, and for whom."""
        shown = (pair.key, pair.certificate) if pair else (None, None)
        credentials = grpc.ssl_channel_credentials(self.authority.pem, *shown)
        address = f"127.0.0.1:{self.served.process.server.port}"
        async with grpc.aio.secure_channel(address, credentials) as channel:
            answer = await call({"identity": channel}, request, list(metadata))
        return answer.uid, answer.name


def outcome(refusal: Refusal) -> tuple[grpc.StatusCode, str]:
    return refusal.code, refusal.reason


def said(refusal: Refusal) -> tuple[grpc.StatusCode, str, str]:
    return refusal.code, refusal.reason, refusal.message


async def test_a_certificate_alone_names_the_service_and_the_declaration_says_what_it_may(
    serve: Serve, tls: dict[str, str], authority: Authority
):
    servicer = users()
    async with serve(servicer, **tls) as served:
        ask = Caller(served, authority)
        assert await ask(authority.issue(TASKS), USER) == ("service:tasks", "")
        for service, request in (("tasks", ME), ("production", USER), ("nobody", USER)):
            refusal = await refused(ask(authority.issue(f"spiffe://eridu/{service}"), request))
            assert outcome(refusal) == (grpc.StatusCode.PERMISSION_DENIED, "SERVICE_DENIED")
    assert servicer[1].calls == 1


async def test_a_service_token_must_name_the_service_of_the_certificate(
    serve: Serve, house: Suite, tls: dict[str, str], authority: Authority
):
    pair = authority.issue(TASKS)
    async with serve(users(), **tls) as served:
        ask = Caller(served, authority)
        assert await ask(pair, USER, *house.service("tasks").metadata) == ("service:tasks", "")
        assert await ask(pair, USER, *house.service("tasks", "ann").metadata) == ("service:tasks", "user_ann")
        for other in (house.service("production"), house.service("production", "ann")):
            refusal = await refused(ask(pair, USER, *other.metadata))
            assert said(refusal) == REFUSED


async def test_a_users_token_over_a_services_certificate_is_the_service_on_behalf_of_the_user(
    serve: Serve, house: Suite, tls: dict[str, str], authority: Authority
):
    pair, token = authority.issue(TASKS), f"Bearer {house.token('ann')}"
    servicer = users()
    async with serve(servicer, **tls) as served:
        ask = Caller(served, authority)
        for key in ("authorization", "eridu-user-authorization"):
            servicer[1].passed_on = ""
            assert await ask(pair, USER, (key, token)) == ("service:tasks", "user_ann")
            assert f"Bearer {servicer[1].passed_on}" == token
            refusal = await refused(ask(pair, ME, (key, token)))  # the user may, the service may not
            assert outcome(refusal) == (grpc.StatusCode.PERMISSION_DENIED, "SERVICE_DENIED")


async def test_a_certificate_makes_no_bad_token_good(
    serve: Serve, house: Suite, tls: dict[str, str], authority: Authority
):
    ann, bob = f"Bearer {house.token('ann')}", f"Bearer {house.token('bob')}"
    service = house.service("tasks").metadata[0][1]
    bad: list[list[tuple[str, str]]] = [
        [("authorization", "")],
        [("authorization", "Bearer x")],
        [("authorization", f"Bearer {house.token('ann', ttl=-100)}")],
        [("authorization", ann), ("authorization", ann)],
        [("authorization", ann), ("eridu-user-authorization", bob)],
        [("eridu-user-authorization", "Bearer x")],
        [("eridu-user-authorization", service)],
        [("eridu-user-authorization", ann), ("eridu-user-authorization", bob)],
    ]
    pair, servicer = authority.issue(TASKS), users()
    async with serve(servicer, **tls) as served:
        refusals = [await refused(Caller(served, authority)(pair, USER, *metadata)) for metadata in bad]
    assert {said(refusal) for refusal in refusals} == {REFUSED}
    assert servicer[1].calls == 0


Issue = Callable[[Authority], Pair]
NAMELESS: dict[str, Issue] = {
    "no name": lambda authority: authority.issue(),
    "a common name like a service's": lambda authority: authority.issue(name=TASKS),
    "hosts like a service's": lambda authority: authority.issue(hosts=(TASKS, "tasks")),
    "another house": lambda authority: authority.issue("spiffe://elsewhere/tasks", "https://eridu/tasks"),
    "more than a name": lambda authority: authority.issue(f"{TASKS}/more", f"x-{TASKS}", f"{TASKS}\n"),
    "more than a name, after NUL": lambda authority: authority.issue(f"{TASKS}\0", f"{TASKS}\0/more"),
    "less than a name": lambda authority: authority.issue("spiffe://eridu/", "spiffe://eridu", "tasks"),
    "other letters": lambda authority: authority.issue("spiffe://eridu/TASKS", "SPIFFE://eridu/tasks"),
}


@pytest.mark.parametrize("issue", NAMELESS.values(), ids=NAMELESS)
async def test_with_a_certificate_that_names_no_service_the_token_decides(
    serve: Serve, house: Suite, tls: dict[str, str], authority: Authority, issue: Issue
):
    operator = issue(authority)
    async with serve(users(), **tls) as served:
        ask = Caller(served, authority)
        ann, bob = house.caller("ann").metadata[0], ("eridu-user-authorization", house.caller("bob").metadata[0][1])
        assert await ask(operator, ME, ann) == await ask(operator, ME, ann, bob) == ("user_ann", "")
        assert await ask(operator, USER, *house.service("tasks").metadata) == ("service:tasks", "")
        for metadata in ([], [bob]):
            assert said(await refused(ask(operator, USER, *metadata))) == REFUSED


async def test_a_certificate_that_names_two_services_is_nobodys(
    serve: Serve, house: Suite, tls: dict[str, str], authority: Authority
):
    both = authority.issue(TASKS, "spiffe://eridu/production")
    async with serve(users(), **tls) as served:
        for metadata in ([], house.service("tasks").metadata):
            refusal = await refused(Caller(served, authority)(both, USER, *metadata))
            assert said(refusal) == REFUSED


async def test_without_a_good_certificate_there_is_no_connection(
    serve: Serve, house: Suite, tls: dict[str, str], authority: Authority
):
    """However good the token is."""
    servicer, token = users(), house.service("tasks").metadata
    async with serve(servicer, **tls) as served:
        ask = Caller(served, authority)
        for pair in (Authority().issue(TASKS), authority.issue(TASKS, ends=timedelta(days=-1)), None):
            assert outcome(await refused(ask(pair, USER, *token))) == (grpc.StatusCode.UNAVAILABLE, "")
        plain = await refused(call({"identity": served.channel}, USER, token))
        assert outcome(plain) == (grpc.StatusCode.UNAVAILABLE, "")
        assert (await refused(served.raw("/grpc.health.v1.Health/Check", b""))).code == grpc.StatusCode.UNAVAILABLE
        assert servicer[1].calls == 0
        await ask(authority.issue(TASKS), USER, *token)


async def test_new_files_are_used_without_a_restart_and_useless_ones_are_not(
    serve: Serve, tls: dict[str, str], authority: Authority, tmp_path: Path
):
    old, new = authority, Authority()
    async with serve(users(), **tls) as served:
        old_asks, new_asks = Caller(served, old), Caller(served, new)
        old_pair, new_pair = old.issue(TASKS), new.issue(TASKS)
        await old_asks(old_pair, USER)
        assert (await refused(new_asks(new_pair, USER))).code == grpc.StatusCode.UNAVAILABLE
        coming = new.issue("spiffe://eridu/identity")
        Path(tls["tls_cert"]).write_bytes(coming.certificate)  # one file after the other: they do not fit meanwhile
        assert await old_asks(old_pair, USER) == ("service:tasks", "")
        Path(tls["tls_key"]).unlink()
        assert await old_asks(old_pair, USER) == ("service:tasks", "")
        Path(tls["tls_key"]).write_bytes(coming.key)
        Path(tls["tls_ca"]).write_bytes(b"no certificate")
        assert await old_asks(old_pair, USER) == ("service:tasks", "")
        Path(tls["tls_ca"]).write_bytes(new.pem)
        assert await new_asks(new_pair, USER) == ("service:tasks", "")
        assert (await refused(old_asks(old_pair, USER))).code == grpc.StatusCode.UNAVAILABLE


async def test_a_server_does_not_start_with_files_that_do_not_fit(
    house: Suite, tls: dict[str, str], authority: Authority
):
    Path(tls["tls_key"]).write_bytes(authority.issue().key)
    server = Server(house.config("identity", **tls), "identity", [])
    with pytest.raises(ValueError, match=r"tls_key .* are no certificate, its key and its authorities"):
        await server.start()
    Path(tls["tls_key"]).unlink()
    with pytest.raises(FileNotFoundError, match="tls_key"):
        await server.start()
    await server.server.stop(None)


@pytest.mark.parametrize("given", [*itertools.combinations(("cert", "key", "ca"), 1), ("cert", "ca"), ("key", "ca")])
def test_a_part_of_the_files_is_refused_and_what_is_missing_is_named(given: tuple[str, ...]):
    with pytest.raises(ValidationError, match="tls_cert, tls_key and tls_ca go together") as refusal:
        Config.model_validate({"database_url": "a secret", **{f"tls_{name}": "a file" for name in given}})
    for name in ("cert", "key", "ca"):
        assert (f"ERIDU_TLS_{name.upper()}" in str(refusal.value)) == (name not in given)
    assert "secret" not in str(refusal.value)


class Access(Partial):
    """Knows everybody, and tells who asked."""

    async def GetPrincipal(self, request: Any, context: Any) -> access.Principal:
        return access.Principal(user_uid=f"{this.caller().actor}_{request.ext_id}")


async def test_processes_ask_each_other_over_tls(
    serve: Serve, house: Suite, tls: dict[str, str], authority: Authority, tmp_path: Path
):
    async with serve((add_AccessServiceServicer_to_server, Access()), **tls) as served:
        address = f"127.0.0.1:{served.process.server.port}"
        ann = Claims("ann", time.time() + 60)

        def asking(service: str, files: dict[str, str]) -> Process:
            return Process(house.config(service, identity_address=address, **files), service, {})

        tasks = asking("tasks", write(tmp_path / "tasks", authority, authority.issue(TASKS)))
        assert (await tasks.ask_identity(ann)).user_uid == "service:tasks_ann"
        await tasks.drain()
        plain = asking("tasks", {})
        with pytest.raises(Unavailable):
            await plain.ask_identity(ann)
        await plain.drain()
