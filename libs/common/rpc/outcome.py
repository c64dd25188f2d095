"""What a call comes to: begun, answered or refused, and logged in one line."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import grpc

from libs.common.errors import DomainError
from libs.common.rpc import status
from libs.common.rpc.call import Call, Method, current
from libs.common.rpc.interceptors import Proceed

log = logging.getLogger("eridu.rpc")

Outcome = bytes | DomainError | None  # an answer, a refusal, a bug


def begin(method: Method, body: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Call:
    """A call comes in."""
    metadata: dict[str, list[str]] = {}
    for key, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            metadata.setdefault(key, []).append(value)
    call = Call(method, body, context, metadata)
    call.caller.trace_id = trace_id(metadata)
    current.set(call)
    return call


async def refuse(call: Call, refusal: DomainError | None) -> None:
    """End a call with its refusal; a bug says nothing."""
    if refusal is None:
        await call.context.abort(grpc.StatusCode.INTERNAL, "internal error")
        return
    rich = status.to_status(refusal, call.method.domain)
    await call.context.abort(status.CODES[type(refusal)], rich.message, ((status.DETAILS, rich.SerializeToString()),))


async def outcome(call: Call, proceed: Proceed, silent: bool = False) -> Outcome:
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
    if not silent:
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
