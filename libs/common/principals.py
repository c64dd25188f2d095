"""Principals: the rights of callers, asked of identity once and remembered for a short while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import Context

from libs.common.access import Principal
from libs.common.errors import Denied, NotFound
from libs.common.tokens import Claims

Lookup = Callable[[Claims], Awaitable[Principal]]
REMEMBERED = 10_000


class Principals:
    """A cache by token subject. Events of identity empty it at once; a short time to live bounds it without them.

    A right that begins or ends by itself is asked for again at that moment (`Principal.valid_until`).
    """

    def __init__(self, lookup: Lookup, ttl: float) -> None:
        self.lookup = lookup
        self.ttl = ttl
        self.known: dict[str, tuple[float, asyncio.Task[Principal]]] = {}

    async def of(self, claims: Claims) -> Principal:
        """The user with this token's subject; Denied when no living user has it, or a banned one."""
        until, task = self.known.get(claims.subject, (0.0, None))
        if task is None or until < time.monotonic() or is_over(task):
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            # In a context of its own: the question is everybody's, and must not end at the first asker's deadline.
            task = asyncio.create_task(self.ask(claims), context=Context())
            self.known[claims.subject] = (time.monotonic() + self.ttl, task)
        principal = await asyncio.shield(task)  # callers at one moment share one question
        if principal.banned:
            raise Denied("USER_BANNED", "you are banned")
        return principal

    async def ask(self, claims: Claims) -> Principal:
        """Ask identity."""
        try:
            return await self.lookup(claims)
        except NotFound as error:
            raise Denied("USER_UNKNOWN", "no living user has this token's subject") from error

    def forget(self) -> None:
        """Somebody's rights changed: ask again from now on."""
        self.known.clear()


def is_over(task: asyncio.Task[Principal]) -> bool:
    """Whether an answer counts no more: it was none, or a right has begun or ended since."""
    return task.done() and bool(task.cancelled() or task.exception() or task.result().valid_until <= time.time())
