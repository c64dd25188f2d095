"""The gRPC server of a service: every method of ours goes through the interceptors, and must declare its access."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import grpc
from eridu.common.v1 import access_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from libs.common.config import Config
from libs.common.errors import Invalid, Overloaded, Stale, Unavailable
from libs.common.rpc import catalog, tls
from libs.common.rpc.call import Call, Method
from libs.common.rpc.interceptors import LONGEST_DEADLINE, Interceptor, Proceed
from libs.common.rpc.outcome import Outcome, begin, log_call, outcome, refuse

log = logging.getLogger("eridu.rpc")

MAX_REQUEST = 4 * 1024**2  # bytes; an import of 5,000 rows has about one
MAX_PARTS = 16 * 1024**2  # bytes of a request that comes in parts
KINDS = ("unary_unary", "unary_stream", "stream_unary")

OPTIONS = [
    ("grpc.so_reuseport", 0),  # two servers on one port would share it silently
    ("grpc.max_receive_message_length", MAX_REQUEST),
    ("grpc.max_send_message_length", 32 * 1024**2),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 15_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
]


class AccessUndeclared(Exception):
    """A method says nothing about who may call it: the server does not start."""


class Server:
    """A grpc.aio server with health, reflection where configured, and the interceptors around every method."""

    def __init__(
        self, config: Config, service: str, interceptors: Sequence[Interceptor], recheck: Interceptor | None = None
    ) -> None:
        self.recheck = recheck or let_pass  # who a caller is, asked again while a watch goes on
        self.config = config
        self.service = service
        self.interceptors = interceptors
        self.server = grpc.aio.server(options=OPTIONS)
        self.names: list[str] = []
        self.health = health_aio.HealthServicer()
        self.port = 0
        self.changes: set[asyncio.Task[Outcome]] = set()  # mutating calls in hand, their callers there or gone
        self.watches = 0
        self.draining = asyncio.Event()

    def add(self, register: Callable[[Any, Any], None], servicer: object) -> None:
        """Serve a servicer; `register` is its generated `add_…Servicer_to_server`, which calls the two below."""
        register(servicer, self)

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Part of grpc's registration; the named form below is the one that carries the methods."""

    def add_registered_method_handlers(self, name: str, handlers: Mapping[str, Any]) -> None:
        """Register a gRPC service: each of its methods is wrapped once, here."""
        descriptor = catalog.service(name)
        wrapped: dict[str, Any] = {}
        for method in descriptor.methods:
            options: MethodOptions = method.GetOptions()
            access = options.Extensions[access_pb2.access]
            if access.who == access_pb2.Access.WHO_UNSPECIFIED:
                raise AccessUndeclared(f"{name}/{method.name} declares no access: add the option to its proto")
            known = Method(
                path=f"/{name}/{method.name}",
                service=self.service,
                request=message_factory.GetMessageClass(method.input_type),
                access=access,
                mutates=options.idempotency_level != MethodOptions.NO_SIDE_EFFECTS,
                handler=next(filter(None, (getattr(handlers[method.name], kind) for kind in KINDS))),
            )
            if method.server_streaming:
                wrapped[method.name] = grpc.unary_stream_rpc_method_handler(self.wrap_watch(known))
            elif method.client_streaming:
                wrapped[method.name] = grpc.stream_unary_rpc_method_handler(self.wrap_parts(known))
            else:
                wrapped[method.name] = grpc.unary_unary_rpc_method_handler(self.wrap(known))
        self.names.append(name)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, wrapped),))

    def wrap(self, method: Method) -> Callable[[bytes, Any], Any]:
        """The method with all interceptors around it, from bytes to bytes."""
        proceed = self.through_all(handle)

        async def serve(body: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            call = begin(method, body, context)
            answer = await (self.to_its_end(call, proceed) if method.mutates else outcome(call, proceed))
            if isinstance(answer, bytes):
                return answer
            await refuse(call, answer)
            raise AssertionError("abort raises")

        return serve

    def wrap_parts(self, method: Method) -> Callable[[AsyncIterator[bytes], Any], Any]:
        """A request that comes in parts: put together it is a request like any other, of a larger size.

        Protobuf puts messages together by writing one after the other: fields are set, repeated ones are continued.
        """
        serve = self.wrap(method)

        async def gather(parts: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            call = begin(method, b"", context)
            refusal: Outcome = await outcome(call, lambda call: self.recheck(call, nothing), silent=True)
            body, size = bytearray(), 0
            try:
                async with asyncio.timeout(LONGEST_DEADLINE):
                    async for part in parts:
                        size += len(part)
                        if size > MAX_PARTS and isinstance(refusal, bytes):
                            refusal = Invalid("REQUEST_TOO_LARGE", f"more than {MAX_PARTS} bytes")
                        if size > 2 * MAX_PARTS:
                            break
                        if isinstance(refusal, bytes):  # of those who are refused nothing is kept, but they are heard
                            body += part  # out: a caller who is still writing would not read why
            except TimeoutError:
                refusal = Unavailable("TOO_SLOW", f"the request took more than {LONGEST_DEADLINE:.0f} s")
            if not isinstance(refusal, bytes):
                await refuse(call, refusal)
            return bytes(await serve(bytes(body), context))

        return gather

    def wrap_watch(self, method: Method) -> Callable[[bytes, Any], AsyncIterator[bytes]]:
        """A watch: its first message comes like any answer; before each of the others the caller's rights are asked."""
        proceed = self.through_all(open_watch)

        async def serve(body: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[bytes]:
            call = begin(method, body, context)
            answer = await outcome(call, proceed) if self.watches < self.config.max_streams else too_many()
            if not isinstance(answer, bytes):
                await refuse(call, answer)
                return
            self.watches += 1
            try:
                yield answer
                while True:
                    following = await outcome(call, self.follow, silent=True)
                    if not isinstance(following, bytes):
                        await refuse(call, following)
                        return
                    yield following
            finally:
                self.watches -= 1
                await call.stream.aclose()  # type: ignore[union-attr]
                log_call(call, "CLOSED", "")

        return serve

    async def follow(self, call: Call) -> bytes:
        """The next message of a watch, if its caller may still have it; Unavailable when the server drains."""
        assert call.stream is not None
        following, draining = asyncio.ensure_future(anext(call.stream)), asyncio.ensure_future(self.draining.wait())
        try:
            await asyncio.wait({following, draining}, return_when=asyncio.FIRST_COMPLETED)
            if draining.done():
                raise Unavailable("DRAINING", "this server goes: continue on another one")
            message = following.result()
        finally:
            draining.cancel()
            if not following.done():
                following.cancel()
                await asyncio.wait({following})
        rights = call.caller.principal
        await self.recheck(call, nothing)
        if call.caller.principal != rights:
            raise Stale("RIGHTS_CHANGED", "your rights have changed: continue from the last cursor")
        return message.SerializeToString()

    def through_all(self, innermost: Proceed) -> Proceed:
        """All interceptors around something."""
        proceed = innermost
        for interceptor in reversed(self.interceptors):
            proceed = around(interceptor, proceed)
        return proceed

    async def to_its_end(self, call: Call, proceed: Proceed) -> Outcome:
        """Work on a change to its end even when its caller leaves: half a change is none."""
        change = asyncio.create_task(outcome(call, proceed))
        self.changes.add(change)
        change.add_done_callback(self.changes.discard)
        return await asyncio.shield(change)

    async def start(self) -> int:
        """Bind, serve and say SERVING; the port."""
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        if self.config.reflection:
            names = (
                *self.names,
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                reflection.SERVICE_NAME,
            )
            reflection.enable_server_reflection(names, self.server)
        if self.config.tls_cert:
            self.port = self.server.add_secure_port(self.config.listen, tls.server_credentials(self.config))
        else:
            self.port = self.server.add_insecure_port(self.config.listen)
        await self.server.start()
        await self.say(health_pb2.HealthCheckResponse.SERVING)
        return self.port

    async def say(self, serving: int) -> None:
        """Tell health checks how each service is."""
        for name in ("", *self.names):
            await self.health.set(name, serving)

    async def drain(self, grace: float) -> None:
        """Say NOT_SERVING, take no new calls, let those in hand end."""
        await self.say(health_pb2.HealthCheckResponse.NOT_SERVING)
        until = time.monotonic() + grace
        self.draining.set()
        await self.server.stop(grace)
        if self.changes:  # of callers who left
            await asyncio.wait(self.changes, timeout=max(until - time.monotonic(), 0.5))


def too_many() -> Overloaded:
    """The refusal of one watch more than this server keeps."""
    return Overloaded("TOO_MANY_WATCHES", "too many watches at once: try again, or another server")


async def nothing(call: Call) -> bytes:
    """The end of an interceptor that is asked for its own sake."""
    return b""


async def let_pass(call: Call, proceed: Proceed) -> bytes:
    """The interceptor that does nothing."""
    return await proceed(call)


async def open_watch(call: Call) -> bytes:
    """The innermost step of a watch: its first message; the rest waits in the call."""
    call.stream = call.method.handler(call.request, call.context)
    return (await anext(call.stream)).SerializeToString()


async def handle(call: Call) -> bytes:
    """The innermost step: the servicer's own method."""
    answer: Message = await call.method.handler(call.request, call.context)
    return answer.SerializeToString()


def around(interceptor: Interceptor, proceed: Proceed) -> Proceed:
    """One interceptor around the rest."""

    async def step(call: Call) -> bytes:
        return await interceptor(call, proceed)

    return step
