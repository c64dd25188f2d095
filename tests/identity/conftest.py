from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs.common.db import Database
from services.identity.store.tables import REFUSALS
from tests.support.house import House, build_house
from tests.support.suite import Suite


@pytest.fixture
async def house(suite: Suite) -> House:
    """A studio and a client with their people, the test's own."""
    return await build_house(suite)


@pytest.fixture
async def db(suite: Suite) -> AsyncIterator[Database]:
    """The tables of identity, with connections of the test's own."""
    db = Database(suite.config("identity"), "identity", REFUSALS)
    yield db
    await db.close()
