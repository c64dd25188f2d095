"""Users as their callers see them."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.identity.v1 import user_service_pb2 as api
from eridu.identity.v1.membership_service_pb2 import RevokeMembershipRequest
from eridu.identity.v1.studio_service_pb2 import DeleteStudioRequest

from libs.common import uids
from tests.identity.people import (
    ADMIN,
    DENIED,
    INVALID,
    NOT_FOUND,
    STUDIOS,
    THERE,
    an_email,
    grant,
    of_each_kind,
    pages,
    somebody,
    soon,
    user_of,
)
from tests.support.house import unique
from tests.support.suite import Suite, refused, request_id


async def names(who: Any, **query: Any) -> list[str]:
    """The names of the users that a list has."""
    return [user.name for user in (await who(api.ListUsersRequest(**query))).users]


class TestCreate:
    async def test_a_user_is_made_and_seen_by_itself(self, suite: Suite):
        email = an_email()
        person = await somebody(suite, email=email.upper(), name="Ada", metadata={"team": "blue"})
        assert (person.user.email, person.user.name, person.user.etag) == (email, "Ada", "1")
        assert dict(person.user.metadata) == {"team": "blue"}
        assert not person.user.system_admin
        assert not any(person.user.HasField(field) for field in ("banned_at", "deleted_at"))
        assert person.user == await person(api.GetMeRequest()) == await person(api.GetUserRequest(uid=person.uid))

    async def test_an_email_address_is_taken_in_whatever_case(self, suite: Suite):
        email = (await somebody(suite)).user.email
        for taken in (email, email.upper(), email.capitalize()):
            refusal = await refused(suite.caller()(api.CreateUserRequest(email=taken, name="B")))
            assert (refusal.code, refusal.reason) == (THERE, "EMAIL_TAKEN")

    async def test_an_ext_id_is_taken(self, suite: Suite):
        taken = (await somebody(suite)).user.ext_id
        refusal = await refused(suite.caller()(api.CreateUserRequest(ext_id=taken, email=an_email(), name="B")))
        assert (refusal.code, refusal.reason) == (THERE, "EXT_ID_TAKEN")

    async def test_any_number_of_users_wait_for_their_first_sign_in(self, suite: Suite):
        for _ in range(2):
            made = await suite.caller()(api.CreateUserRequest(email=an_email(), name="Invited"))
            assert made.ext_id == ""

    async def test_the_fields_of_a_bad_user_are_named(self, suite: Suite):
        root = suite.caller()
        refusal = await refused(root(api.CreateUserRequest(email="nobody", name="")))
        assert (refusal.code, refusal.reason, set(refusal.fields)) == (INVALID, "REQUEST_INVALID", {"email", "name"})
        refusal = await refused(root(api.CreateUserRequest(email=an_email(), name="A\0")))
        assert (refusal.reason, list(refusal.fields)) == ("REQUEST_INVALID", ["name"])

    async def test_a_request_id_replays_its_answer(self, suite: Suite):
        root, request = suite.caller(), api.CreateUserRequest(email=an_email(), name="A", request_id=request_id())
        made = await root(request)
        assert await root(request) == made
        request.name = "B"
        assert (await refused(root(request))).reason == "REQUEST_ID_REUSED"
        request.request_id = request_id()
        assert (await refused(root(request))).reason == "EMAIL_TAKEN"

    async def test_only_system_admins_make_and_end_and_ban_users(self, suite: Suite):
        studio = await STUDIOS.make(suite)
        admin, other = await somebody(suite, studio.uid, ADMIN), await somebody(suite, studio.uid)
        for request in (
            api.CreateUserRequest(email=an_email(), name="A"),
            api.DeleteUserRequest(uid=other.uid),
            api.UndeleteUserRequest(uid=other.uid),
            api.BanUserRequest(uid=other.uid, reason="rude"),
            api.UnbanUserRequest(uid=admin.uid, reason="kind"),
        ):
            refusal = await refused(admin(request))
            assert (refusal.code, refusal.reason) == (DENIED, "SYSTEM_ADMINS_ONLY")
        assert await user_of(suite, other.uid) == other.user


class TestRead:
    @of_each_kind
    async def test_people_who_share_a_group_see_each_other(self, suite: Suite, kind: Any):
        group = await kind.make(suite)
        one, other = await somebody(suite, group.uid), await somebody(suite, group.uid, ADMIN)
        assert await one(api.GetUserRequest(uid=other.uid)) == other.user
        assert await other(api.GetUserRequest(uid=one.uid)) == one.user

    async def test_a_stranger_cannot_be_told_from_nobody(self, suite: Suite):
        one, other = [await somebody(suite, (await STUDIOS.make(suite)).uid) for _ in range(2)]
        nobody = uids.new("user")
        hidden = await refused(one(api.GetUserRequest(uid=other.uid)))
        missing = await refused(one(api.GetUserRequest(uid=nobody)))
        assert (hidden.code, hidden.reason, hidden.facts) == (NOT_FOUND, "USER_NOT_FOUND", {"uid": other.uid})
        assert (missing.code, missing.reason, missing.facts) == (NOT_FOUND, "USER_NOT_FOUND", {"uid": nobody})
        assert hidden.message.replace(other.uid, nobody) == missing.message

    async def test_a_group_that_is_shared_no_more_shows_nobody(self, suite: Suite):
        left, deleted = await STUDIOS.make(suite), await STUDIOS.make(suite)
        one, other = await somebody(suite), await somebody(suite, left.uid)
        read = api.GetUserRequest(uid=other.uid)
        membership = await grant(suite, one, left.uid)
        assert await one(read) == other.user
        await one(RevokeMembershipRequest(uid=membership.uid))
        await soon(one, read, "USER_NOT_FOUND")
        for person in (one, other):
            await grant(suite, person, deleted.uid)
        await soon(one, read)
        await suite.caller()(DeleteStudioRequest(uid=deleted.uid))
        await soon(one, read, "USER_NOT_FOUND")

    async def test_only_tasks_asks_for_users_and_no_service_is_anybody(self, suite: Suite):
        person = await somebody(suite)
        read = api.GetUserRequest(uid=person.uid)
        assert await suite.service("tasks")(read) == person.user
        assert await suite.service("tasks", person.user.ext_id)(read) == person.user
        for who, request in (
            (suite.service("scheduling"), read),
            (suite.service("tasks"), api.GetMeRequest()),
            (suite.service("tasks", person.user.ext_id), api.GetMeRequest()),
        ):
            refusal = await refused(who(request))
            assert (refusal.code, refusal.reason) == (DENIED, "SERVICE_DENIED")


class TestList:
    async def test_a_user_is_found_by_its_email_in_whatever_case(self, suite: Suite):
        person, root = await somebody(suite), suite.caller()
        for email in (person.user.email, person.user.email.upper()):
            assert await names(root, email=email) == [person.user.name]
        assert await names(root, email=person.user.email[1:]) == []

    @pytest.mark.parametrize(
        ("part", "found"),
        [
            ("", ["10% Off", "10x off", "a_b", "aXb", "c/d\\e"]),
            ("10%", ["10% Off"]),
            ("%", ["10% Off"]),
            ("OFF", ["10% Off", "10x off"]),
            ("A_B", ["a_b"]),
            ("/", ["c/d\\e"]),
            ("d\\e", ["c/d\\e"]),
            ("'; --", []),
        ],
    )
    async def test_a_part_of_a_name_is_taken_as_it_is_written(self, suite: Suite, part: str, found: list[str]):
        studio = await STUDIOS.make(suite)
        for name in ("10% Off", "10x off", "a_b", "aXb", "c/d\\e"):
            await somebody(suite, studio.uid, name=name)
        assert await names(suite.caller(), group_uid=studio.uid, name_part=part) == found

    async def test_users_are_listed_by_whether_they_are_banned(self, suite: Suite):
        root, tag = suite.caller(), unique("ban")
        banned, free = await somebody(suite, name=f"{tag} 1"), await somebody(suite, name=f"{tag} 2")
        await root(api.BanUserRequest(uid=banned.uid, reason="rude"))
        both = [banned.user.name, free.user.name]
        for ban, found in enumerate((both, both[:1], both[1:])):
            assert await names(root, name_part=tag, ban=ban) == found
        assert (await refused(root(api.ListUsersRequest(ban=9)))).reason == "REQUEST_INVALID"  # type: ignore[arg-type]

    @of_each_kind
    async def test_the_people_of_a_group_are_listed_for_its_members(self, suite: Suite, kind: Any):
        group, other = await kind.make(suite), await kind.make(suite)
        people = [await somebody(suite, group.uid) for _ in range(3)]
        stranger = await somebody(suite, other.uid, ADMIN)
        for who in (*people, suite.caller()):
            assert await names(who, group_uid=group.uid) == [one.user.name for one in people]
        assert await names(people[0], group_uid=group.uid, email=people[1].user.email) == [people[1].user.name]
        assert await names(people[0], group_uid=group.uid, email=stranger.user.email) == []
        for hidden in (group.uid, uids.new(kind.prefix)):
            refusal = await refused(stranger(api.ListUsersRequest(group_uid=hidden)))
            assert (refusal.code, refusal.reason, refusal.facts) == (NOT_FOUND, "GROUP_NOT_FOUND", {"uid": hidden})

    async def test_who_is_no_system_admin_names_a_group(self, suite: Suite):
        person = await somebody(suite, (await STUDIOS.make(suite)).uid, ADMIN)
        for query in ({}, {"email": person.user.email}):
            refusal = await refused(person(api.ListUsersRequest(**query)))
            assert (refusal.code, refusal.reason) == (DENIED, "GROUP_NEEDED")

    async def test_deleted_users_are_shown_to_system_admins_who_ask(self, suite: Suite):
        studio, root = await STUDIOS.make(suite), suite.caller()
        admin, gone = await somebody(suite, studio.uid, ADMIN), await somebody(suite, studio.uid)
        await root(api.DeleteUserRequest(uid=gone.uid))
        query = {"group_uid": studio.uid, "show_deleted": True}
        assert await names(root, **query) == [admin.user.name, gone.user.name]
        assert await names(admin, **query) == [admin.user.name]
        assert await names(root, group_uid=studio.uid) == [admin.user.name]

    async def test_users_come_in_pages_oldest_first(self, suite: Suite):
        studio = await STUDIOS.make(suite)
        people = [await somebody(suite, studio.uid) for _ in range(5)]
        found = await pages(people[0], api.ListUsersRequest(group_uid=studio.uid, page_size=2), "users")
        assert [[user.uid for user in page] for page in found] == [
            [one.uid for one in people[at : at + 2]] for at in (0, 2, 4)
        ]

    async def test_a_page_token_of_another_query_is_refused(self, suite: Suite):
        studio = await STUDIOS.make(suite)
        person, _ = [await somebody(suite, studio.uid) for _ in range(2)]
        token = (await person(api.ListUsersRequest(group_uid=studio.uid, page_size=1))).next_page_token
        assert token
        for request in (
            api.ListUsersRequest(group_uid=studio.uid, page_token=token, name_part="p"),
            api.ListUsersRequest(group_uid=studio.uid, page_token="bm90aGluZw=="),
        ):
            refusal = await refused(person(request))
            assert (refusal.code, refusal.reason) == (INVALID, "PAGE_TOKEN_INVALID")
        assert (await refused(person(api.ListUsersRequest(page_size=-1)))).reason == "REQUEST_INVALID"
