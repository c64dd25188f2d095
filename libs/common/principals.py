"""Principals: the rights of callers, asked of identity once and remembered for a short while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import Context

from libs.common.access import Principal
from libs.common.errors import Denied, NotFound

Lookup = Callable[[str], Awaitable[Principal]]
REMEMBERED = 10_000


class Principals:
    """A cache by token subject. Events of identity empty it at once; a short time to live bounds it without them."""

    def __init__(self, lookup: Lookup, ttl: float) -> None:
        self.lookup = lookup
        self.ttl = ttl
        self.known: dict[str, tuple[float, asyncio.Task[Principal]]] = {}

    async def of(self, ext_id: str) -> Principal:
        """The user with this token subject; Denied when no living user has it."""
        until, task = self.known.get(ext_id, (0.0, None))
        if task is None or until < time.monotonic() or (task.done() and (task.cancelled() or task.exception())):
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            # In a context of its own: the question is everybody's, and must not end at the first asker's deadline.
            task = asyncio.create_task(self.ask(ext_id), context=Context())
            self.known[ext_id] = (time.monotonic() + self.ttl, task)
        return await asyncio.shield(task)  # callers at one moment share one question

    async def ask(self, ext_id: str) -> Principal:
        """Ask identity."""
        try:
            return await self.lookup(ext_id)
        except NotFound as error:
            raise Denied("USER_UNKNOWN", "no living user has this token's subject") from error

    def forget(self) -> None:
        """Somebody's rights changed: ask again from now on."""
        self.known.clear()
