from __future__ import annotations

import asyncio
import math
import time

import pytest

from libs.common.access import Principal
from libs.common.errors import Denied, NotFound, Unavailable
from libs.common.principals import Principals
from libs.common.tokens import Claims

ANN = Claims("a", 0)


class Identity:
    """Answers when it is told to, and counts the questions."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.error: Exception | None = None
        self.banned = False
        self.valid_until = math.inf

    async def lookup(self, claims: Claims) -> Principal:
        self.asked += 1
        await self.open.wait()
        if self.error:
            raise self.error
        return Principal(f"user_{claims.subject}", banned=self.banned, valid_until=self.valid_until)


async def test_callers_at_one_moment_share_one_question_and_the_answer_is_remembered():
    identity = Identity()
    principals = Principals(identity.lookup, 60)
    identity.open.set()
    answers = await asyncio.gather(*(principals.of(ANN) for _ in range(20)))
    assert answers == [Principal("user_a")] * 20
    await principals.of(ANN)
    assert identity.asked == 1
    principals.forget()
    await principals.of(ANN)
    assert identity.asked == 2


async def test_an_answer_is_forgotten_after_its_time():
    identity = Identity()
    identity.open.set()
    principals = Principals(identity.lookup, 0)
    await principals.of(ANN)
    await principals.of(ANN)
    assert identity.asked == 2


async def test_a_right_that_ends_by_itself_is_asked_for_again_then():
    identity = Identity()
    identity.open.set()
    principals = Principals(identity.lookup, 60)
    identity.valid_until = time.time() - 1
    await principals.of(ANN)
    identity.valid_until = time.time() + 60
    await principals.of(ANN)
    await principals.of(ANN)
    assert identity.asked == 2


async def test_a_banned_user_is_refused_and_not_asked_for_each_time():
    identity = Identity()
    identity.open.set()
    identity.banned = True
    principals = Principals(identity.lookup, 60)
    for _ in range(2):
        with pytest.raises(Denied) as refused:
            await principals.of(ANN)
        assert refused.value.reason == "USER_BANNED"
    assert identity.asked == 1


async def test_a_failure_is_not_remembered():
    identity = Identity()
    identity.open.set()
    principals = Principals(identity.lookup, 60)
    identity.error = Unavailable("NEIGHBOUR_UNAVAILABLE", "away")
    with pytest.raises(Unavailable):
        await principals.of(ANN)
    identity.error = NotFound.of("user", "a")
    with pytest.raises(Denied) as refused:
        await principals.of(ANN)
    assert refused.value.reason == "USER_UNKNOWN"
    identity.error = None
    assert await principals.of(ANN) == Principal("user_a")


async def test_one_who_stops_waiting_takes_nobody_along():
    identity = Identity()
    principals = Principals(identity.lookup, 60)
    first, second = (asyncio.create_task(principals.of(ANN)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    identity.open.set()
    assert await second == Principal("user_a")
    assert identity.asked == 1
