"""Memberships as their callers see them: who grants them, when they count, and that the last admin stays."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from eridu.identity.v1.membership_service_pb2 import (
    ChangeMembershipRoleRequest,
    GrantMembershipRequest,
    ListMembershipsRequest,
    RevokeMembershipRequest,
)
from eridu.identity.v1.user_service_pb2 import DeleteUserRequest
from google.protobuf.timestamp_pb2 import Timestamp

from libs.common import uids
from tests.identity.people import (
    ADMIN,
    CLIENTS,
    DENIED,
    INVALID,
    MANAGER,
    MEMBER,
    NOT_FOUND,
    PLATFORMS,
    SOON,
    STALE,
    STUDIOS,
    THERE,
    Kind,
    Losing,
    Person,
    give,
    grant,
    in_seconds,
    listed,
    membership_of,
    of_each_kind,
    of_each_loss,
    pages,
    people_of,
    refusal_of,
    somebody,
    soon,
)
from tests.support.suite import Suite, refused, request_id, until


async def outsiders(suite: Suite, kind: Kind) -> list[Person]:
    """A stranger, and the admins of another group of each kind."""
    kinds = (kind, CLIENTS, STUDIOS, PLATFORMS)
    return [await somebody(suite), *[await somebody(suite, (await one.make(suite)).uid, ADMIN) for one in kinds]]


def has_come(moment: Timestamp) -> bool:
    """Whether a time is past."""
    return moment.ToNanoseconds() <= time.time_ns()


async def is_answered(who: Person, request: Any) -> bool:
    """Whether a call is not refused."""
    return await refusal_of(who(request)) is None


class TestGrant:
    @of_each_kind
    async def test_the_admins_of_a_group_grant_roles_in_it(self, suite: Suite, kind: Kind):
        group = await kind.make(suite)
        admin, person = await somebody(suite, group.uid, ADMIN), await somebody(suite)
        assert (await refused(person(people_of(group.uid)))).reason == "GROUP_NOT_FOUND"
        made = await admin(give(person, group.uid, MANAGER, reason="hired"))
        assert (made.user_uid, made.group_uid, made.role, made.etag) == (person.uid, group.uid, MANAGER, "1")
        assert not any(made.HasField(field) for field in ("starts_at", "ends_at", "deleted_at"))
        assert await membership_of(suite, person, group.uid) == made
        await soon(person, people_of(group.uid))

    @of_each_kind
    async def test_nobody_else_does(self, suite: Suite, kind: Kind):
        group, never, person = await kind.make(suite), uids.new(kind.prefix), await somebody(suite)
        for role in (MANAGER, MEMBER):
            member = await somebody(suite, group.uid, role)
            for to in (person, member):
                refusal = await refused(member(give(to, group.uid, ADMIN)))
                assert (refusal.code, refusal.reason, refusal.facts) == (DENIED, "ROLE_TOO_LOW", {"uid": group.uid})
        for who in await outsiders(suite, kind):
            for to in (person, who):
                hidden, missing = [await refused(who(give(to, uid, ADMIN))) for uid in (group.uid, never)]
                assert (hidden.code, hidden.reason, hidden.facts) == (NOT_FOUND, "GROUP_NOT_FOUND", {"uid": group.uid})
                assert hidden.message.replace(group.uid, never) == missing.message
        assert not await listed(suite.caller(), user_uid=person.uid)

    @pytest.mark.parametrize("more", [{}, {"role": ADMIN}, {"starts_at": in_seconds(3600)}])
    async def test_a_user_has_one_membership_in_a_group(self, suite: Suite, more: dict[str, Any]):
        studio = await STUDIOS.make(suite)
        person = await somebody(suite)
        for first in ({}, {"starts_at": in_seconds(3600)}, {"ends_at": in_seconds(3600)}):
            made = await grant(suite, person, studio.uid, **first)
            refusal = await refused(grant(suite, person, studio.uid, **more))
            assert (refusal.code, refusal.reason) == (THERE, "MEMBERSHIP_EXISTS")
            assert await membership_of(suite, person, studio.uid) == made
            await suite.caller()(RevokeMembershipRequest(uid=made.uid))

    async def test_both_the_user_and_the_group_must_be_there(self, suite: Suite):
        root, studio, gone = suite.caller(), await STUDIOS.make(suite), await STUDIOS.make(suite)
        person, deleted = await somebody(suite), await somebody(suite)
        await root(STUDIOS.ask("Delete", uid=gone.uid))
        await root(DeleteUserRequest(uid=deleted.uid))
        for uid in (uids.new("user"), deleted.uid):
            refusal = await refused(root(GrantMembershipRequest(user_uid=uid, group_uid=studio.uid, role=MEMBER)))
            assert (refusal.code, refusal.reason) == (NOT_FOUND, "USER_NOT_FOUND")
        for uid in (uids.new("studio"), uids.new("client"), uids.new("plat"), gone.uid):
            refusal = await refused(root(give(person, uid)))
            assert (refusal.code, refusal.reason) == (NOT_FOUND, "GROUP_NOT_FOUND")

    async def test_a_membership_does_not_end_before_it_begins_nor_before_now(self, suite: Suite):
        person, studio = await somebody(suite), await STUDIOS.make(suite)
        refusal = await refused(grant(suite, person, studio.uid, ends_at=in_seconds(-1)))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "PERIOD_INVALID", ["ends_at"])
        same = in_seconds(60)
        for period in ((same, same), (in_seconds(60), in_seconds(30))):
            refusal = await refused(grant(suite, person, studio.uid, starts_at=period[0], ends_at=period[1]))
            assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")
        refusal = await refused(grant(suite, person, studio.uid, starts_at=Timestamp(seconds=10**12)))
        assert (refusal.code, refusal.reason) == (INVALID, "TIME_INVALID")
        for role in (0, 9):
            refusal = await refused(grant(suite, person, studio.uid, role))
            assert (refusal.reason, list(refusal.fields)) == ("REQUEST_INVALID", ["role"])
        assert not await listed(suite.caller(), user_uid=person.uid)

    async def test_a_request_id_replays_its_answer_also_when_it_has_ended(self, suite: Suite):
        studio, person = await STUDIOS.make(suite), await somebody(suite)
        request = give(person, studio.uid, ends_at=in_seconds(1.5), request_id=request_id())
        made = await suite.caller()(request)
        assert await suite.caller()(request) == made
        await until(lambda: refusal_of(person(people_of(studio.uid))))
        assert await suite.caller()(request) == made

    async def test_of_many_grants_at_once_one_is_made(self, suite: Suite):
        studio, person = await STUDIOS.make(suite), await somebody(suite)
        refusals = await asyncio.gather(*(refusal_of(grant(suite, person, studio.uid)) for _ in range(5)))
        assert sorted(one.reason if one else "" for one in refusals) == ["", *["MEMBERSHIP_EXISTS"] * 4]


class TestPeriod:
    @of_each_kind
    async def test_a_membership_that_begins_later_gives_no_right_until_then(self, suite: Suite, kind: Kind):
        group, person, other = await kind.make(suite), await somebody(suite), await somebody(suite)
        made = await grant(suite, person, group.uid, ADMIN, starts_at=in_seconds(2))
        for request in (people_of(group.uid), give(other, group.uid)):
            assert (await refused(person(request))).reason == "GROUP_NOT_FOUND"
        assert await listed(person, group_uid=group.uid) == []
        assert not has_come(made.starts_at)
        assert await listed(person, user_uid=person.uid) == [made]
        await until(lambda: is_answered(person, give(other, group.uid)))
        assert has_come(made.starts_at)
        assert len(await listed(person, group_uid=group.uid)) == 2

    @of_each_kind
    async def test_a_membership_ends_by_itself(self, suite: Suite, kind: Kind):
        group, person = await kind.make(suite), await somebody(suite)
        change = kind.ask("Update", uid=group.uid, metadata={"x": 1})
        made = await grant(suite, person, group.uid, ADMIN, ends_at=in_seconds(2))
        assert len((await person(people_of(group.uid))).users) == 1
        assert await person(change)
        assert not has_come(made.ends_at)
        await until(lambda: refusal_of(person(people_of(group.uid))))
        assert 0 <= time.time() - made.ends_at.ToNanoseconds() / 1e9 < SOON
        assert (await refused(person(people_of(group.uid)))).reason == "GROUP_NOT_FOUND"
        assert (await refused(person(change))).reason == f"{kind.code}_NOT_FOUND"
        assert await listed(person, user_uid=person.uid) == [made]

    @of_each_kind
    async def test_a_membership_that_has_ended_makes_room_for_another(self, suite: Suite, kind: Kind):
        group, person = await kind.make(suite), await somebody(suite)
        admin = await somebody(suite, group.uid, ADMIN)
        ended = await grant(suite, person, group.uid, ends_at=in_seconds(1.5))
        again = give(person, group.uid, MANAGER)
        assert (await refused(admin(again))).reason == "MEMBERSHIP_EXISTS"
        await until(lambda: is_answered(admin, again))
        assert has_come(ended.ends_at)
        made = await membership_of(suite, person, group.uid)
        assert (made.uid != ended.uid, made.role, made.HasField("ends_at")) == (True, MANAGER, False)
        await soon(person, people_of(group.uid))


class TestChangeRole:
    @of_each_kind
    async def test_rights_follow_the_role(self, suite: Suite, kind: Kind):
        group = await kind.make(suite)
        admin, person = await somebody(suite, group.uid, ADMIN), await somebody(suite, group.uid)
        uid = (await membership_of(suite, person, group.uid)).uid
        request = give(await somebody(suite), group.uid)
        assert (await refused(person(request))).reason == "ROLE_TOO_LOW"
        raised = await admin(ChangeMembershipRoleRequest(uid=uid, role=ADMIN, reason="grew"))
        assert (raised.role, raised.etag) == (ADMIN, "2")
        await soon(person, request)
        lowered = await admin(ChangeMembershipRoleRequest(uid=uid, role=MEMBER))
        assert (lowered.role, lowered.etag) == (MEMBER, "3")
        assert await admin(ChangeMembershipRoleRequest(uid=uid, role=MEMBER)) == lowered
        await soon(person, give(await somebody(suite), group.uid), "ROLE_TOO_LOW")

    @of_each_loss
    @of_each_kind
    async def test_only_admins_change_what_others_are_and_nobody_raises_themselves(
        self, suite: Suite, kind: Kind, losing: Losing
    ):
        group, never = await kind.make(suite), uids.new("mbr")
        await somebody(suite, group.uid, ADMIN)
        admin = await membership_of(suite, await somebody(suite, group.uid, ADMIN), group.uid)
        for role in (MANAGER, MEMBER):
            person = await somebody(suite, group.uid, role)
            own = await membership_of(suite, person, group.uid)
            for request in (losing(admin.uid), ChangeMembershipRoleRequest(uid=own.uid, role=ADMIN)):
                refusal = await refused(person(request))
                assert (refusal.code, refusal.reason) == (DENIED, "ROLE_TOO_LOW")
            assert await membership_of(suite, person, group.uid) == own
        for who in await outsiders(suite, kind):
            hidden, missing = [await refused(who(losing(uid))) for uid in (admin.uid, never)]
            assert (hidden.code, hidden.reason) == (NOT_FOUND, "MEMBERSHIP_NOT_FOUND")
            assert hidden.message.replace(admin.uid, never) == missing.message
        assert admin in await listed(suite.caller(), group_uid=group.uid)

    @of_each_loss
    async def test_an_etag_that_is_not_the_last_is_stale(self, suite: Suite, losing: Losing):
        studio = await STUDIOS.make(suite)
        admin, person = await somebody(suite, studio.uid, ADMIN), await somebody(suite, studio.uid)
        first = await membership_of(suite, person, studio.uid)
        last = await admin(ChangeMembershipRoleRequest(uid=first.uid, role=ADMIN, etag=first.etag))
        request = losing(first.uid)
        request.etag = first.etag
        refusal = await refused(admin(request))
        assert (refusal.code, refusal.reason, refusal.facts) == (STALE, "STALE", {"uid": first.uid})
        request.etag = last.etag
        request.request_id = request_id()
        changed = await admin(request)
        assert changed.etag == "3"
        assert await admin(request) == changed


class TestRevoke:
    @of_each_kind
    async def test_an_admin_ends_a_membership(self, suite: Suite, kind: Kind):
        group = await kind.make(suite)
        admin, person = await somebody(suite, group.uid, ADMIN), await somebody(suite, group.uid, MANAGER)
        uid = (await membership_of(suite, person, group.uid)).uid
        assert await person(people_of(group.uid))
        assert (await admin(RevokeMembershipRequest(uid=uid, reason="fired"))).HasField("deleted_at")
        await soon(person, people_of(group.uid), "GROUP_NOT_FOUND")
        for request in (RevokeMembershipRequest(uid=uid), ChangeMembershipRoleRequest(uid=uid, role=MEMBER)):
            assert (await refused(admin(request))).reason == "MEMBERSHIP_NOT_FOUND"
        assert not await listed(suite.caller(), user_uid=person.uid)
        assert (await admin(give(person, group.uid))).uid != uid
        await soon(person, people_of(group.uid))

    @pytest.mark.parametrize("role", [MEMBER, MANAGER])
    @of_each_kind
    async def test_everybody_may_leave(self, suite: Suite, kind: Kind, role: Any):
        group = await kind.make(suite)
        person = await somebody(suite, group.uid, role)
        uid = (await membership_of(suite, person, group.uid)).uid
        assert (await person(RevokeMembershipRequest(uid=uid))).HasField("deleted_at")
        await soon(person, people_of(group.uid), "GROUP_NOT_FOUND")

    async def test_whose_rights_have_not_begun_may_leave_too(self, suite: Suite):
        studio, person = await STUDIOS.make(suite), await somebody(suite)
        made = await grant(suite, person, studio.uid, starts_at=in_seconds(3600))
        assert (await person(RevokeMembershipRequest(uid=made.uid))).HasField("deleted_at")


class TestList:
    @of_each_kind
    async def test_people_list_their_own_and_those_of_their_groups(self, suite: Suite, kind: Kind):
        group, other = await kind.make(suite), await kind.make(suite)
        person, colleague = await somebody(suite, group.uid), await somebody(suite, group.uid, ADMIN)
        later = await grant(suite, await somebody(suite), group.uid, starts_at=in_seconds(3600))
        own, theirs = [await membership_of(suite, one, group.uid) for one in (person, colleague)]
        elsewhere = await grant(suite, person, other.uid, MANAGER)
        await soon(person, people_of(other.uid))
        assert await listed(person, user_uid=person.uid) == [own, elsewhere]
        assert await listed(person, user_uid=person.uid, group_uid=other.uid) == [elsewhere]
        assert await listed(person, user_uid=colleague.uid, group_uid=group.uid) == [theirs]
        for who in (person, colleague, suite.caller(), suite.service("tasks")):
            assert await listed(who, group_uid=group.uid) == [own, theirs, later]

    async def test_what_others_have_reads_as_none(self, suite: Suite):
        studio = await STUDIOS.make(suite)
        person = await somebody(suite, studio.uid)
        for who in await outsiders(suite, STUDIOS):
            for query in ({"user_uid": person.uid}, {"group_uid": studio.uid}, {"group_uid": uids.new("studio")}):
                assert await listed(who, **query) == []
            assert await listed(who, user_uid=person.uid, group_uid=studio.uid) == []
        colleague = await somebody(suite, studio.uid, ADMIN)
        assert await listed(colleague, user_uid=person.uid) == []

    async def test_a_list_is_of_somebody_or_of_a_group(self, suite: Suite):
        for bad in (
            ListMembershipsRequest(),
            ListMembershipsRequest(user_uid=uids.new("studio")),
            ListMembershipsRequest(group_uid=uids.new("user")),
        ):
            refusal = await refused(suite.caller()(bad))
            assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")

    async def test_memberships_come_in_pages_oldest_first(self, suite: Suite):
        studio = await STUDIOS.make(suite)
        people = [await somebody(suite, studio.uid) for _ in range(5)]
        request = ListMembershipsRequest(group_uid=studio.uid, page_size=2)
        found = await pages(people[0], request, "memberships")
        order = [one.uid for one in people]
        assert [[one.user_uid for one in page] for page in found] == [order[:2], order[2:4], order[4:]]
        token = (await people[0](ListMembershipsRequest(group_uid=studio.uid, page_size=2))).next_page_token
        foreign = ListMembershipsRequest(user_uid=people[0].uid, page_token=token)
        assert (await refused(people[0](foreign))).reason == "PAGE_TOKEN_INVALID"
