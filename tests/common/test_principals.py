from __future__ import annotations

import asyncio

import pytest

from libs.common.access import Principal
from libs.common.errors import Denied, NotFound, Unavailable
from libs.common.principals import Principals


class Identity:
    """Answers when it is told to, and counts the questions."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def lookup(self, ext_id: str) -> Principal:
        self.asked += 1
        await self.open.wait()
        if self.error:
            raise self.error
        return Principal(f"user_{ext_id}")


async def test_callers_at_one_moment_share_one_question_and_the_answer_is_remembered():
    identity = Identity()
    principals = Principals(identity.lookup, 60)
    identity.open.set()
    answers = await asyncio.gather(*(principals.of("a") for _ in range(20)))
    assert answers == [Principal("user_a")] * 20
    await principals.of("a")
    assert identity.asked == 1
    principals.forget()
    await principals.of("a")
    assert identity.asked == 2


async def test_an_answer_is_forgotten_after_its_time():
    identity = Identity()
    identity.open.set()
    principals = Principals(identity.lookup, 0)
    await principals.of("a")
    await principals.of("a")
    assert identity.asked == 2


async def test_a_failure_is_not_remembered():
    identity = Identity()
    identity.open.set()
    principals = Principals(identity.lookup, 60)
    identity.error = Unavailable("NEIGHBOUR_UNAVAILABLE", "away")
    with pytest.raises(Unavailable):
        await principals.of("a")
    identity.error = NotFound.of("user", "a")
    with pytest.raises(Denied) as refused:
        await principals.of("a")
    assert refused.value.reason == "USER_UNKNOWN"
    identity.error = None
    assert await principals.of("a") == Principal("user_a")


async def test_one_who_stops_waiting_takes_nobody_along():
    identity = Identity()
    principals = Principals(identity.lookup, 60)
    first, second = (asyncio.create_task(principals.of("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    identity.open.set()
    assert await second == Principal("user_a")
    assert identity.asked == 1
