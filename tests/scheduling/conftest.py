from __future__ import annotations

import pytest

from tests.support.house import House, build_house
from tests.support.suite import Suite


@pytest.fixture
async def house(suite: Suite) -> House:
    """A house with two rooms and two MCs."""
    house = await build_house(suite)
    await house.room("A")
    await house.room("B")
    await house.mc("Ada")
    await house.mc("Bob")
    return house
