from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from eridu.identity.v1.client_service_pb2 import CreateClientRequest

from libs.common.db import Database
from services.scheduling.store.tables import REFUSALS
from tests.scheduling.planning import Asks
from tests.support.house import House, build_house, unique
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


@pytest.fixture
async def db(suite: Suite) -> AsyncIterator[Database]:
    """The tables of scheduling, with connections of the test's own."""
    db = Database(suite.config("scheduling"), "scheduling", REFUSALS)
    yield db
    await db.close()


@pytest.fixture
def ask(db: Database) -> Asks:
    """Questions to the tables of scheduling."""
    return Asks(db)


@pytest.fixture
async def rival(house: House) -> str:
    """Another client of the studio."""
    client = await house.root(CreateClientRequest(name=unique("rival")))
    return str(client.uid)
