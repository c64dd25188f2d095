"""The suite under test: the four services in this process, on a real PostgreSQL database and a real NATS server."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from pydantic import SecretStr

from deploy.local import keys, postgres
from libs.common import migrations
from libs.common.config import Config
from libs.common.process import Process
from libs.common.rpc import catalog
from libs.common.rpc.status import DETAILS

SERVICES = ("identity", "scheduling", "production", "tasks")
ADMIN = "root@eridu.local"
SECRET_KEYS = f"test:{base64.b64encode(bytes(32)).decode()}"
PASSWORDS = dict.fromkeys(SERVICES, "test")

T = TypeVar("T")


class Suite:
    """All services of one test worker, with addresses, tokens and a way to call them."""

    def __init__(
        self, root: Path, admin_url: str, database: str, nats_url: str, services: Iterable[str] = SERVICES
    ) -> None:
        self.root = root
        self.nats_url = nats_url
        self.admin_url = postgres.prepare(admin_url, PASSWORDS, database)
        self.keys = root / "keys"
        keys.ensure_keys(self.keys, SERVICES)
        self.processes: dict[str, Process] = {}
        self.channels: dict[str, grpc.aio.Channel] = {}
        for service in services:
            scripts = Path("services") / service / "migrations"
            if any(scripts.glob("versions/*.py")):
                migrations.upgrade(self.admin_url, service, scripts)

    def config(self, service: str, **more: Any) -> Config:
        """The settings of one service. Neighbours that run already are known by their ports."""
        addresses = {f"{name}_address": f"127.0.0.1:{p.server.port}" for name, p in self.processes.items()}
        return Config(
            database_url=postgres.url_for(self.admin_url, f"eridu_{service}", PASSWORDS[service]),
            nats_url=self.nats_url,
            jwks_url=f"file://{self.keys}/issuer.jwks.json",
            services_jwks_url=f"file://{self.keys}/services.jwks.json",
            service_key=str(self.keys / f"{service}.pem"),
            admin_ext_id=ADMIN,
            secret_keys=SecretStr(SECRET_KEYS if service == "identity" else ""),
            **{"heartbeat": 0.2, "reflection": True, "pool_size": 5, "log_level": "WARNING", **addresses, **more},
        )

    async def start(self, services: Iterable[str] = ("identity", "scheduling", "tasks", "production")) -> None:
        """Start the services in the order in which they ask each other."""
        for service in services:
            if Path(f"services/{service}/__main__.py").exists():
                await self.start_one(service)

    async def start_one(self, service: str, **more: Any) -> Process:
        """Start one service, its channels and all."""
        process: Process = import_module(f"services.{service}.__main__").compose(self.config(service, **more))
        self.processes[service] = process
        await process.start()
        self.channels[service] = grpc.aio.insecure_channel(f"127.0.0.1:{process.server.port}")
        return process

    async def stop(self) -> None:
        """Drain all that run."""
        for channel in self.channels.values():
            await channel.close()
        for process in reversed(self.processes.values()):
            await process.drain()

    def token(self, ext_id: str, **more: Any) -> str:
        """A token of the dev issuer."""
        return keys.user_token(self.keys, ext_id, **more)

    def caller(self, ext_id: str = ADMIN) -> As:
        """Somebody who calls."""
        return As(self, [("authorization", f"Bearer {self.token(ext_id)}")])

    def service(self, name: str, on_behalf_of: str = "") -> As:
        """A service that calls, in its own name or for a user."""
        from libs.common.tokens import ServiceToken

        metadata = [("authorization", f"Bearer {ServiceToken(self.config(name), name).current()}")]
        if on_behalf_of:
            metadata.append(("eridu-user-authorization", f"Bearer {self.token(on_behalf_of)}"))
        return As(self, metadata)


class Called(Protocol):
    """Something with channels to the services, for somebody to call: this process's suite, or real processes."""

    @property
    def channels(self) -> Mapping[str, grpc.aio.Channel]:
        """The channels, by service."""
        ...

    def caller(self, ext_id: str = ADMIN) -> As:
        """Somebody who calls."""
        ...


class As:
    """A caller: `await planner(CreateRoomRequest(…))`. The method is the one that takes the request."""

    def __init__(self, suite: Called, metadata: list[tuple[str, str]]) -> None:
        self.suite = suite
        self.metadata = metadata

    async def __call__(self, request: Any) -> Any:
        """Call the RPC that takes this request."""
        return await call(self.suite.channels, request, self.metadata)

    async def send(self, *parts: Any) -> Any:
        """The answer to a request that comes in parts."""
        return await send(self.suite.channels, parts, self.metadata)

    def watch(self, request: Any) -> Any:
        """The stream of the RPC that takes this request: `await stream.read()`, and `stream.cancel()`."""
        return watch(self.suite.channels, request, self.metadata)


async def call(
    channels: Mapping[str, grpc.aio.Channel],
    request: Any,
    metadata: list[tuple[str, str]] | None = None,
    timeout: float = 30,
) -> Any:
    """Call the RPC whose request this is: `CreateRoomRequest` goes to `CreateRoom`; of a stream, its first message."""
    found = method_of(request.DESCRIPTOR)
    if found.server_streaming:
        stream = watch(channels, request, metadata or [])
        async with asyncio.timeout(timeout):
            first = await stream.read()
        stream.cancel()
        return first
    if found.client_streaming:
        return await send(channels, [request], metadata or [])
    multi = channels[request.DESCRIPTOR.file.package.split(".")[1]].unary_unary(
        f"/{found.containing_service.full_name}/{found.name}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
    )
    return await multi(request, metadata=metadata, timeout=timeout)


async def send(channels: Mapping[str, grpc.aio.Channel], parts: Sequence[Any], metadata: list[tuple[str, str]]) -> Any:
    """Call the RPC that takes a request in these parts."""
    found = method_of(parts[0].DESCRIPTOR)
    channel: Any = channels[parts[0].DESCRIPTOR.file.package.split(".")[1]]
    multi = channel.stream_unary(
        f"/{found.containing_service.full_name}/{found.name}",
        request_serializer=type(parts[0]).SerializeToString,
        response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
    )
    return await multi(iter(parts), metadata=metadata)


def watch(channels: Mapping[str, grpc.aio.Channel], request: Any, metadata: list[tuple[str, str]]) -> Any:
    """Open a stream."""
    found = method_of(request.DESCRIPTOR)
    channel: Any = channels[request.DESCRIPTOR.file.package.split(".")[1]]
    multi = channel.unary_stream(
        f"/{found.containing_service.full_name}/{found.name}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
    )
    return multi(request, metadata=metadata)


@cache
def method_of(request: Descriptor) -> MethodDescriptor:
    """The one RPC that takes this request."""
    return next(one for one in catalog.methods().values() if one.input_type.full_name == request.full_name)


class Refusal:
    """A refused call, as its caller sees it."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        self.message = error.details() or ""
        self.reason = ""
        self.domain = ""
        self.facts: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        for key, value in error.trailing_metadata() or ():
            if key == DETAILS:
                for detail in status_pb2.Status.FromString(value).details:
                    self.read(detail)

    def read(self, detail: Any) -> None:
        """Take one detail apart."""
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            self.reason, self.domain, self.facts = info.reason, info.domain, dict(info.metadata)
        elif detail.Unpack(bad):
            self.fields = {violation.field: violation.description for violation in bad.field_violations}


async def refused(awaitable: Awaitable[Any]) -> Refusal:
    """The refusal of a call that must be refused."""
    try:
        answer = await awaitable
    except grpc.aio.AioRpcError as error:
        return Refusal(error)
    raise AssertionError(f"this should have been refused, and was answered: {answer}")


async def until(condition: Callable[[], Awaitable[T]], within: float = 30) -> T:
    """Wait until a condition holds; tests wait for what must come, never for a time."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        found = await condition()
        if found:
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {within} s: {condition}")
        await asyncio.sleep(0.02)


def request_id() -> str:
    """A fresh request id."""
    return str(uuid.uuid4())
