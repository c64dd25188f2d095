from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.house import House, build_house
from tests.support.suite import Suite
from tests.tasks.production import Production


@pytest.fixture(scope="session")
async def suite(stopped_suite: Suite) -> AsyncIterator[Suite]:
    """Identity and tasks, up: all that the tests of this folder need. Production's part is played by the tests."""
    await stopped_suite.start(["identity", "tasks"])
    yield stopped_suite
    await stopped_suite.stop()


@pytest.fixture
async def house(suite: Suite) -> House:
    """A studio and a client with their people, the test's own."""
    return await build_house(suite)


@pytest.fixture
def production(suite: Suite) -> Production:
    """What production says about its shows."""
    return Production(suite)
