"""The gRPC server of a service: every method of ours goes through the interceptors, and must declare its access."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from eridu.common.v1 import access_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from libs.common.config import Config
from libs.common.errors import DomainError
from libs.common.rpc import status, tls
from libs.common.rpc.call import Call, Method, current
from libs.common.rpc.interceptors import Interceptor, Proceed

log = logging.getLogger("eridu.rpc")

MAX_REQUEST = 4 * 1024**2  # bytes; an import of 5,000 rows has about one

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


Outcome = bytes | DomainError | None  # an answer, a refusal, a bug


class AccessUndeclared(Exception):
    """A method says nothing about who may call it: the server does not start."""


class Server:
    """A grpc.aio server with health, reflection where configured, and the interceptors around every method."""

    def __init__(self, config: Config, service: str, interceptors: Sequence[Interceptor]) -> None:
        self.config = config
        self.service = service
        self.interceptors = interceptors
        self.server = grpc.aio.server(options=OPTIONS)
        self.names: list[str] = []
        self.health = health_aio.HealthServicer()
        self.port = 0
        self.changes: set[asyncio.Task[Outcome]] = set()  # mutating calls in hand, their callers there or gone

    def add(self, register: Callable[[Any, Any], None], servicer: object) -> None:
        """Serve a servicer; `register` is its generated `add_…Servicer_to_server`, which calls the two below."""
        register(servicer, self)

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Part of grpc's registration; the named form below is the one that carries the methods."""

    def add_registered_method_handlers(self, name: str, handlers: Mapping[str, Any]) -> None:
        """Register a gRPC service: each of its methods is wrapped once, here."""
        descriptor = descriptor_pool.Default().FindServiceByName(name)
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
                handler=handlers[method.name].unary_unary,
            )
            wrapped[method.name] = grpc.unary_unary_rpc_method_handler(self.wrap(known))
        self.names.append(name)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, wrapped),))

    def wrap(self, method: Method) -> Callable[[bytes, Any], Any]:
        """The method with all interceptors around it, from bytes to bytes."""
        proceed: Proceed = handle
        for interceptor in reversed(self.interceptors):
            proceed = around(interceptor, proceed)

        async def serve(body: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            metadata: dict[str, list[str]] = {}
            for key, value in context.invocation_metadata() or ():
                if isinstance(value, str):
                    metadata.setdefault(key, []).append(value)
            call = Call(method, body, context, metadata)
            call.caller.trace_id = trace_id(metadata)
            current.set(call)
            answer = await (self.to_its_end(call, proceed) if method.mutates else outcome(call, proceed))
            if isinstance(answer, bytes):
                return answer
            if answer is None:
                await context.abort(grpc.StatusCode.INTERNAL, "internal error")
            rich = status.to_status(answer, method.domain)
            details = ((status.DETAILS, rich.SerializeToString()),)
            await context.abort(status.CODES[type(answer)], rich.message, details)
            raise AssertionError("abort raises")

        return serve

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
        await self.server.stop(grace)
        if self.changes:  # of callers who left
            await asyncio.wait(self.changes, timeout=max(until - time.monotonic(), 0.5))


async def outcome(call: Call, proceed: Proceed) -> Outcome:
    """What a call comes to, logged: its answer or its refusal, or None for a bug, of which nothing leaves the house."""
    try:
        answer = await proceed(call)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # the caller left
            log_call(call, "CANCELLED", "")
            raise
        return refusal_logged(call, error)
    except Exception as error:
        return refusal_logged(call, error)
    log_call(call, "OK", "")
    return answer


def refusal_logged(call: Call, error: BaseException) -> DomainError | None:
    """The refusal that an error means to the caller; None for a bug, which is logged in full."""
    refusal = status.refusal_of(error)
    if refusal is None:
        log.error("%s failed", call.method.path, exc_info=error)
        log_call(call, "INTERNAL", type(error).__name__)
    else:
        log_call(call, status.CODES[type(refusal)].name, refusal.reason)
    return refusal


async def handle(call: Call) -> bytes:
    """The innermost step: the servicer's own method."""
    answer: Message = await call.method.handler(call.request, call.context)
    return answer.SerializeToString()


def around(interceptor: Interceptor, proceed: Proceed) -> Proceed:
    """One interceptor around the rest."""

    async def step(call: Call) -> bytes:
        return await interceptor(call, proceed)

    return step


def trace_id(metadata: Mapping[str, list[str]]) -> str:
    """The trace id of a W3C `traceparent`, or nothing."""
    parts = metadata.get("traceparent", [""])[0].split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else ""


def log_call(call: Call, code: str, reason: str) -> None:
    """One line for each call: never its body, never a token."""
    log.info(
        "%s %s %s",
        call.method.path,
        code,
        reason,
        extra={
            "ms": round((time.monotonic() - call.started) * 1000, 1),
            "actor": call.caller.actor,
            "request_id": call.caller.request_id,
            "trace_id": call.caller.trace_id,
        },
    )
