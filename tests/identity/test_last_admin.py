"""A group keeps an admin who can sign in, whatever is taken away at whatever moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from eridu.identity.v1.user_service_pb2 import BanUserRequest, DeleteUserRequest, GetMeRequest

from tests.identity.people import (
    ADMIN,
    MANAGER,
    REFUSED,
    STUDIOS,
    Kind,
    Losing,
    Person,
    grant,
    in_seconds,
    listed,
    membership_of,
    of_each_kind,
    of_each_loss,
    people_of,
    refusal_of,
    somebody,
)
from tests.support.suite import Suite, refused, until


async def cannot_lose(suite: Suite, admin: Person, group_uid: str, losing: Losing) -> None:
    """Neither the admin nor a system admin takes this admin's role away."""
    before = await membership_of(suite, admin, group_uid)
    for who in (admin, suite.caller()):
        refusal = await refused(who(losing(before.uid)))
        assert (refusal.code, refusal.reason, refusal.facts) == (REFUSED, "LAST_ADMIN", {"group_uid": group_uid})
    assert await membership_of(suite, admin, group_uid) == before


@of_each_loss
class TestLastAdmin:
    @of_each_kind
    async def test_the_last_admin_stays(self, suite: Suite, kind: Kind, losing: Losing):
        group = await kind.make(suite)
        admin, _ = await somebody(suite, group.uid, ADMIN), await somebody(suite, group.uid, MANAGER)
        await somebody(suite, (await kind.make(suite)).uid, ADMIN)
        await cannot_lose(suite, admin, group.uid, losing)

    @of_each_kind
    async def test_one_of_two_admins_may_go(self, suite: Suite, kind: Kind, losing: Losing):
        group = await kind.make(suite)
        one, other = [await somebody(suite, group.uid, ADMIN) for _ in range(2)]
        assert await one(losing((await membership_of(suite, one, group.uid)).uid))
        await cannot_lose(suite, other, group.uid, losing)

    async def test_an_admin_who_is_banned_or_deleted_does_not_count(self, suite: Suite, losing: Losing):
        for away in (lambda uid: BanUserRequest(uid=uid, reason="rude"), lambda uid: DeleteUserRequest(uid=uid)):
            studio = await STUDIOS.make(suite)
            one, other = [await somebody(suite, studio.uid, ADMIN) for _ in range(2)]
            await suite.caller()(away(other.uid))
            await cannot_lose(suite, one, studio.uid, losing)

    async def test_an_admin_whose_rights_have_not_begun_does_not_count(self, suite: Suite, losing: Losing):
        studio = await STUDIOS.make(suite)
        admin = await somebody(suite, studio.uid, ADMIN)
        await grant(suite, await somebody(suite), studio.uid, ADMIN, starts_at=in_seconds(3600))
        await cannot_lose(suite, admin, studio.uid, losing)

    async def test_an_admin_whose_rights_have_ended_does_not_count(self, suite: Suite, losing: Losing):
        studio, other = await STUDIOS.make(suite), await somebody(suite)
        admin = await somebody(suite, studio.uid, ADMIN)
        await grant(suite, other, studio.uid, ADMIN, ends_at=in_seconds(1.5))
        await until(lambda: refusal_of(other(people_of(studio.uid))))
        await cannot_lose(suite, admin, studio.uid, losing)

    async def test_an_admin_whose_rights_have_not_begun_or_have_ended_is_not_the_last(
        self, suite: Suite, losing: Losing
    ):
        studio, later, ended = await STUDIOS.make(suite), await somebody(suite), await somebody(suite)
        made = await grant(suite, ended, studio.uid, ADMIN, ends_at=in_seconds(1.5))
        await until(lambda: refusal_of(ended(people_of(studio.uid))))
        for uid in (made.uid, (await grant(suite, later, studio.uid, ADMIN, starts_at=in_seconds(3600))).uid):
            assert (await suite.caller()(losing(uid))).etag == "2"

    async def test_of_two_admins_who_end_each_other_one_stays(self, suite: Suite, losing: Losing):
        await one_of_two_goes(suite, lambda one, other: (one.call(losing(other.uid)), other.call(losing(one.uid))))

    async def test_of_two_admins_who_go_at_once_one_stays(self, suite: Suite, losing: Losing):
        await one_of_two_goes(suite, lambda one, other: (one.call(losing(one.uid)), other.call(losing(other.uid))))

    async def test_of_an_admin_who_goes_and_one_who_is_deleted_one_stays(self, suite: Suite, losing: Losing):
        root = suite.caller()
        await one_of_two_goes(
            suite, lambda one, other: (one.call(losing(one.uid)), root(DeleteUserRequest(uid=other.user_uid)))
        )


async def test_of_two_admins_who_are_deleted_at_once_one_stays(suite: Suite):
    root = suite.caller()
    await one_of_two_goes(suite, lambda *both: tuple(root(DeleteUserRequest(uid=one.user_uid)) for one in both))


@dataclass(frozen=True)
class Admin:
    """An admin: the membership, its user, and the way to call as that user."""

    uid: str
    user_uid: str
    call: Person


async def one_of_two_goes(suite: Suite, going: Callable[[Admin, Admin], Iterable[Awaitable[Any]]]) -> None:
    """Two admins, each of whom is about to lose the role, at one moment: exactly one does."""
    for _ in range(5):
        studio = await STUDIOS.make(suite)
        admins = []
        for person in [await somebody(suite, studio.uid, ADMIN) for _ in range(2)]:
            await person(GetMeRequest())  # so that nobody has to be asked first
            admins.append(Admin((await membership_of(suite, person, studio.uid)).uid, person.uid, person))
        refusals = [one for one in await asyncio.gather(*map(refusal_of, going(*admins))) if one]
        # Who comes a moment later may have lost the right to do it to the other by then.
        assert [one.reason in ("LAST_ADMIN", "ROLE_TOO_LOW", "MEMBERSHIP_NOT_FOUND") for one in refusals] == [True]
        assert [one.role for one in await listed(suite.caller(), group_uid=studio.uid)].count(ADMIN) == 1
