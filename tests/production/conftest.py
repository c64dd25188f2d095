from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs.common.bus import Bus
from tests.production.scheduling import Scheduling
from tests.support.house import House, build_house
from tests.support.suite import Suite


@pytest.fixture
async def house(suite: Suite) -> House:
    """A studio and a client with their people, the test's own."""
    return await build_house(suite)


@pytest.fixture
async def scheduling(suite: Suite) -> AsyncIterator[Scheduling]:
    """Scheduling's part, played by the test: on the real stream."""
    bus = Bus(suite.config("scheduling"), "test")
    await bus.connect()
    await bus.ensure_stream("scheduling")
    yield Scheduling(suite, bus)
    await bus.close()
