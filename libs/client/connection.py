"""A connection to the suite: the typed stubs of every service, with one token, and refusals as Python exceptions.

    async with Eridu(addresses, token) as eridu:
        show = await eridu.shows.StartShow(StartShowRequest(uid=uid))

A refusal raises what the service raised (`libs.common.errors`): match on its type or its `reason`, never on its text.
A change that names no `request_id` is given one, so that what the channel repeats after an outage happens once.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar, cast

import grpc
from eridu.identity.v1.access_service_pb2_grpc import AccessServiceStub
from eridu.identity.v1.client_service_pb2_grpc import ClientServiceStub
from eridu.identity.v1.membership_service_pb2_grpc import MembershipServiceStub
from eridu.identity.v1.platform_service_pb2_grpc import PlatformServiceStub
from eridu.identity.v1.studio_service_pb2_grpc import StudioServiceStub
from eridu.identity.v1.user_service_pb2_grpc import UserServiceStub
from eridu.production.v1.show_service_pb2_grpc import ShowServiceStub
from eridu.scheduling.v1.blackout_service_pb2_grpc import BlackoutServiceStub
from eridu.scheduling.v1.booking_service_pb2_grpc import BookingServiceStub
from eridu.scheduling.v1.mc_service_pb2_grpc import McServiceStub
from eridu.scheduling.v1.room_service_pb2_grpc import RoomServiceStub
from eridu.scheduling.v1.schedule_service_pb2_grpc import ScheduleServiceStub
from eridu.tasks.v1.task_service_pb2_grpc import TaskServiceStub
from eridu.tasks.v1.template_service_pb2_grpc import TemplateServiceStub
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from libs.common.errors import DomainError, FieldViolation, Invalid
from libs.common.rpc.neighbours import OPTIONS
from libs.common.rpc.status import DETAILS, from_error

SERVICES = ("identity", "scheduling", "production", "tasks")
TIMEOUT = 30.0  # seconds for a call that names none
PAGE = 500  # rows that `each` asks for at once

Request = TypeVar("Request", bound=Message)


class Eridu:
    """The four services, called as one user. Make it where it is used, inside the event loop.

    `token` is a bearer token, or a function that answers a fresh one: tokens end.
    """

    def __init__(self, addresses: Mapping[str, str], token: str | Callable[[], str]) -> None:
        if missing := [service for service in SERVICES if not addresses.get(service)]:
            raise ValueError(f"no address for {', '.join(missing)}: give host:port for each of {', '.join(SERVICES)}")
        bearer: Callable[[], str] = (lambda: token) if isinstance(token, str) else token
        self.lines = {service: Line(addresses[service], bearer) for service in SERVICES}
        identity, scheduling, production, tasks = (cast(grpc.aio.Channel, line) for line in self.lines.values())
        self.users = UserServiceStub(identity)
        self.clients = ClientServiceStub(identity)
        self.studios = StudioServiceStub(identity)
        self.platforms = PlatformServiceStub(identity)
        self.memberships = MembershipServiceStub(identity)
        self.access = AccessServiceStub(identity)
        self.rooms = RoomServiceStub(scheduling)
        self.mcs = McServiceStub(scheduling)
        self.blackouts = BlackoutServiceStub(scheduling)
        self.schedules = ScheduleServiceStub(scheduling)
        self.bookings = BookingServiceStub(scheduling)
        self.shows = ShowServiceStub(production)
        self.templates = TemplateServiceStub(tasks)
        self.tasks = TaskServiceStub(tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channels."""
        for line in self.lines.values():
            await line.channel.close()


class Line:
    """A channel to one service, in the shape that the generated stubs take."""

    def __init__(self, address: str, token: Callable[[], str]) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=[*OPTIONS, *direct(address)])
        self.token = token

    def unary_unary(self, path: str, *coders: Any, **options: Any) -> Callable[..., Awaitable[Message]]:
        """A method, as the stub's constructor asks for it: with the token, a request id, and refusals raised."""
        method: Any = self.channel.unary_unary(path, *coders, **options)

        async def ask(
            request: Message,
            timeout: float = TIMEOUT,  # noqa: ASYNC109 (it becomes the call's deadline, which travels with it)
            metadata: Sequence[tuple[str, str]] = (),
        ) -> Message:
            headers = [("authorization", f"Bearer {self.token()}"), *metadata]
            try:
                return cast(Message, await method(with_request_id(request), metadata=headers, timeout=timeout))
            except grpc.aio.AioRpcError as error:
                raise refusal_of(error) from error

        return ask

    def stream_unary(self, path: str, *coders: Any, **options: Any) -> Callable[..., Awaitable[Message]]:
        """A method whose request comes in parts: `await stub.StreamPlan(parts)`; the first part gets the request id."""
        method: Any = self.channel.stream_unary(path, *coders, **options)

        async def send(
            parts: Iterable[Message],
            timeout: float = TIMEOUT,  # noqa: ASYNC109 (it becomes the call's deadline, which travels with it)
            metadata: Sequence[tuple[str, str]] = (),
        ) -> Message:
            headers = [("authorization", f"Bearer {self.token()}"), *metadata]
            first, *others = parts
            try:
                stream = method(iter([with_request_id(first), *others]), metadata=headers, timeout=timeout)
                return cast(Message, await stream)
            except grpc.aio.AioRpcError as error:
                raise refusal_of(error) from error

        return send

    def unary_stream(self, path: str, *coders: Any, **options: Any) -> Callable[..., AsyncIterator[Message]]:
        """A watch, as the stub's constructor asks for it: `async for` over its messages; refusals are raised."""
        method: Any = self.channel.unary_stream(path, *coders, **options)

        async def watch(request: Message, metadata: Sequence[tuple[str, str]] = ()) -> AsyncIterator[Message]:
            stream = method(request, metadata=[("authorization", f"Bearer {self.token()}"), *metadata])
            try:
                async for message in stream:
                    yield message
            except grpc.aio.AioRpcError as error:
                raise refusal_of(error) from error
            finally:
                stream.cancel()

        return watch


async def each(method: Callable[[Request], Awaitable[Any]], request: Request) -> AsyncIterator[Any]:
    """Every row of a list, page after page: `async for show in each(eridu.shows.ListShows, ListShowsRequest(…))`."""
    asked = copy_of(request)
    query: Any = asked
    query.page_size = query.page_size or PAGE
    while True:
        page = await method(asked)
        rows = next(field.name for field in page.DESCRIPTOR.fields if field.is_repeated)
        for row in getattr(page, rows):
            yield row
        if not page.next_page_token:
            return
        query.page_token = page.next_page_token


def with_request_id(request: Message) -> Message:
    """The request itself, or a copy with a request id when it could have one and has none."""
    if "request_id" not in request.DESCRIPTOR.fields_by_name or cast(Any, request).request_id:
        return request
    named: Any = copy_of(request)
    named.request_id = str(uuid.uuid4())
    return cast(Message, named)


def copy_of(request: Request) -> Request:
    """The same message once more."""
    copy = type(request)()
    copy.CopyFrom(request)
    return copy


def refusal_of(error: grpc.aio.AioRpcError) -> DomainError:
    """The refusal that a service answered with; an Invalid one names the bad fields of the request."""
    refusal = from_error(error)
    if isinstance(refusal, Invalid):
        refusal.violations = tuple(violations_of(error))
    return refusal


def violations_of(error: grpc.aio.AioRpcError) -> list[FieldViolation]:
    """The bad fields in the details of a status."""
    bad = error_details_pb2.BadRequest()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS:
            status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
            if any(detail.Unpack(bad) for detail in status.details):
                break
    return [FieldViolation(violation.field, violation.description) for violation in bad.field_violations]


def direct(address: str) -> list[tuple[str, int]]:
    """A web proxy does not know this machine's loopback interface, so none is asked."""
    return [("grpc.enable_http_proxy", 0)] if address.startswith(("127.", "localhost:", "[::1]:")) else []
