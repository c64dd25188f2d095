"""What every call goes through, outermost first. Each is one duty: do it, then let the call proceed.

The order is: bound the time, know the caller, ask the declaration, read and validate, do it once, repeat what lost a
race. The errors and the log line are around all of them (see server.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable

import protovalidate
from eridu.common.v1.access_pb2 import Access
from google.protobuf.message import DecodeError, Message
from protovalidate import FieldPathPb
from sqlalchemy.exc import DBAPIError

from libs.common.config import Config
from libs.common.errors import Denied, FieldViolation, Invalid, Overloaded, Unavailable
from libs.common.once import Replayed, RequestOnce
from libs.common.principals import Principals
from libs.common.rpc.call import Call
from libs.common.rpc.status import is_conflict
from libs.common.rpc.tls import service_of
from libs.common.tokens import Claims, Verifier, unauthenticated

Proceed = Callable[[Call], Awaitable[bytes]]
Interceptor = Callable[[Call, Proceed], Awaitable[bytes]]

DEFAULT_DEADLINE = 15.0  # seconds, for a caller that names none
LONGEST_DEADLINE = 60.0
LEAST_TIME = 0.05  # seconds; a call with less left is not begun
RACES = 4  # times that a transaction which lost a race is run again


async def bound_time(call: Call, proceed: Proceed) -> bytes:
    """Give every call a deadline."""
    given = call.context.time_remaining()
    call.deadline = time.monotonic() + (DEFAULT_DEADLINE if given is None else min(given, LONGEST_DEADLINE))
    require_time(call)
    return await proceed(call)


def require_time(call: Call) -> None:
    """Refuse to begin what its caller will not wait for."""
    if call.remaining() < LEAST_TIME:
        raise Unavailable("DEADLINE_TOO_SHORT", "too little time is left to begin")


def admit(config: Config) -> Interceptor:
    """Work on a bounded number of calls, let a bounded number wait, and send the rest away at once."""
    running = asyncio.Semaphore(config.max_running)
    waiting = 0

    async def enter(call: Call, proceed: Proceed) -> bytes:
        nonlocal waiting
        if running.locked():
            if waiting >= config.max_waiting:
                raise Overloaded("OVERLOADED", "too many calls at once: try again")
            waiting += 1
            try:
                await running.acquire()
            finally:
                waiting -= 1
        else:
            await running.acquire()
        try:
            require_time(call)  # after the wait
            return await proceed(call)
        finally:
            running.release()

    return enter


def authenticate(verifier: Verifier, principals: Principals) -> Interceptor:
    """Find out who calls: a user by token, a service by certificate or token, or a service that acts for a user."""

    async def know(call: Call, proceed: Proceed) -> bytes:
        service = service_of(call.context)
        user: Claims | None = None
        key = "authorization"
        if key in call.metadata or not service:
            claims = await verifier.verify(bearer(call, key))
            if not claims.service:
                user = claims
            elif service in ("", claims.subject):
                service = claims.subject
            else:
                raise unauthenticated()  # the certificate names another service
        call.caller.service = service
        if service and "eridu-user-authorization" in call.metadata:
            key = "eridu-user-authorization"
            other = await verifier.verify(bearer(call, key))
            if user or other.service:
                raise unauthenticated()  # for one user at a time
            user = other
        if user is None:
            return await proceed(call)
        call.user_token = bearer(call, key)
        call.caller.principal = await principals.of(user)
        return await proceed(call)

    return know


def bearer(call: Call, key: str) -> str:
    """The one bearer token under a metadata key."""
    values = call.metadata.get(key, [])
    if len(values) != 1 or not values[0].startswith("Bearer "):
        raise unauthenticated()
    return values[0].removeprefix("Bearer ")


async def ask_declaration(call: Call, proceed: Proceed) -> bytes:
    """Ask the RPC's own declaration whether this kind of caller may call it at all.

    Whether a member may touch *this* entity is asked where the entity is loaded (`caller.require`).
    """
    access, caller = call.method.access, call.caller
    if caller.service and caller.service not in access.services:
        raise Denied("SERVICE_DENIED", f"service {caller.service} may not call this")
    if access.who == Access.WHO_SERVICE and not caller.service:
        raise Denied("SERVICES_ONLY", "only services may call this")
    if access.who == Access.WHO_SYSTEM_ADMIN and not caller.unlimited:
        raise Denied("SYSTEM_ADMINS_ONLY", "only system admins may call this")
    caller.access = access
    answer = await proceed(call)
    caller.require_checked()
    return answer


async def read_and_validate(call: Call, proceed: Proceed) -> bytes:
    """Read the message and hold it against the rules of its proto; every bad field is named."""
    try:
        call.request = call.method.request.FromString(call.body)
    except DecodeError as error:
        raise Invalid("REQUEST_UNREADABLE", "this is no message of the right type") from error
    if b"\0" in call.body:  # rarely so in a sound message: only then look closer
        refuse_nul(call.request)
    try:
        protovalidate.validate(call.request)
    except protovalidate.ValidationError as error:
        violations = [FieldViolation(path_of(broken.proto.field), broken.proto.message) for broken in error.violations]
        named = ", ".join(sorted({violation.field for violation in violations if violation.field}))
        message = f"the request breaks rules: {named or violations[0].description}"
        raise Invalid("REQUEST_INVALID", message, violations) from error
    call.caller.request_id = getattr(call.request, "request_id", "")
    return await proceed(call)


def refuse_nul(message: Message, path: str = "") -> None:
    """Refuse NUL in any text: PostgreSQL has no place for it."""
    for field, value in message.ListFields():
        here = f"{path}{field.name}"
        if field.message_type and field.message_type.GetOptions().map_entry:
            values = [(here, one) for pair in value.items() for one in pair]
        elif field.is_repeated:
            values = [(f"{here}[{index}]", one) for index, one in enumerate(value)]
        else:
            values = [(here, value)]
        for place, one in values:
            if isinstance(one, Message):
                refuse_nul(one, f"{place}.")
            elif isinstance(one, str) and "\0" in one:
                broken = "text must not contain NUL"
                raise Invalid("REQUEST_INVALID", f"{place}: {broken}", [FieldViolation(place, broken)])


def path_of(path: FieldPathPb | None) -> str:
    """A field path as people write it: `items[3].title`; empty for a rule about the whole message."""
    return ".".join(
        element.field_name + (f"[{element.subscript.value}]" if element.subscript else "")
        for element in (path.elements if path else ())
    )


async def answer_once(call: Call, proceed: Proceed) -> bytes:
    """With a request id: the change and its answer are kept together, and the same call again gets that answer."""
    caller = call.caller
    if not (call.method.mutates and caller.request_id):
        return await proceed(call)
    body_hash = hashlib.blake2b(call.request.SerializeToString(deterministic=True), digest_size=16).digest()
    # A service that acts for somebody says so: one user's ids are never another's, whoever passes them on.
    actor = f"{caller.actor} for {caller.on_behalf_of}" if caller.on_behalf_of else caller.actor
    once = RequestOnce(actor, call.method.path, caller.request_id, body_hash)
    caller.once = once
    try:
        answer = await proceed(call)
        if caller.tx is not None:
            await once.answer(caller.tx, answer)
            await caller.tx.commit()
        return answer
    except Replayed as replayed:
        caller.checked = True
        return replayed.answer
    finally:
        if caller.tx is not None:
            await caller.tx.close()


async def repeat_lost_races(call: Call, proceed: Proceed) -> bytes:
    """Run a call again whose transaction lost a race (serialization, deadlock): the caller sees nothing."""
    for attempt in range(RACES):
        try:
            return await proceed(call)
        except DBAPIError as error:
            hopeless = attempt == RACES - 1 or call.remaining() < 1
            if hopeless or call.caller.committed or not is_conflict(error):
                raise
        await asyncio.sleep(random.uniform(0.005, 0.05) * 2**attempt)
    raise AssertionError("unreachable")
