"""One call on its way through the interceptors."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import grpc
from eridu.common.v1.access_pb2 import Access
from google.protobuf.message import Message

from libs.common.access import Caller

# The call that the running task works on: servicers ask for its caller, channels for its deadline and tokens.
current: ContextVar[Call] = ContextVar("call")


@dataclass(frozen=True, slots=True)
class Method:
    """What is known of an RPC before anyone calls it."""

    path: str  # /eridu.production.v1.ShowService/StartShow
    service: str  # production: also the domain of its errors
    request: type[Message]
    access: Access
    mutates: bool
    handler: Callable[[Any, Any], Any]  # answers a message, or the stream of a watch

    @property
    def domain(self) -> str:
        """The domain of ErrorInfos."""
        return f"{self.service}.eridu"


@dataclass(slots=True)
class Call:
    """A call: what came in, and what the interceptors found out about it."""

    method: Method
    body: bytes
    context: grpc.aio.ServicerContext[Any, Any]
    metadata: dict[str, list[str]]
    request: Any = None
    caller: Caller = field(default_factory=Caller)
    user_token: str = ""
    deadline: float = 0.0  # monotonic seconds
    stream: AsyncGenerator[Message, None] | None = None  # of a watch, from its second message on
    started: float = field(default_factory=time.monotonic)

    def remaining(self) -> float:
        """Seconds until the caller stops waiting."""
        return self.deadline - time.monotonic()


def caller() -> Caller:
    """Who makes the call that is being worked on."""
    return current.get().caller
