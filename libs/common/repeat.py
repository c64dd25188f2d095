"""Something that a process does again and again while it runs: swept up, looked after, never urgent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


class Repeat:
    """Work, and a pause after it. Work that fails is done again after the pause: it takes nothing else down with it."""

    def __init__(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        self.seconds = seconds
        self.work = work
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until told to stop."""
        while not self.stopping.is_set():
            try:
                await self.work()
            except Exception as error:
                log.warning("repeated work: later, because %s", type(error).__name__, exc_info=error)
            try:
                await asyncio.wait_for(self.stopping.wait(), self.seconds)
            except TimeoutError:
                pass

    async def stop(self) -> None:
        """End after the work in hand."""
        self.stopping.set()
