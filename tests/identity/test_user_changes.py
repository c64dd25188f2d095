"""Changes of users: what people may write of themselves, deletions, bans, and what their tokens are worth then."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.identity.v1 import user_service_pb2 as api
from eridu.identity.v1.membership_service_pb2 import ListMembershipsRequest
from eridu.identity.v1.studio_service_pb2 import GetStudioRequest
from eridu.identity.v1.user_pb2 import User
from google.protobuf.field_mask_pb2 import FieldMask

from libs.common import uids
from tests.identity.people import (
    ADMIN,
    DENIED,
    INVALID,
    NOT_FOUND,
    REFUSED,
    STALE,
    STUDIOS,
    THERE,
    Person,
    an_email,
    of_each_kind,
    somebody,
    soon,
    user_of,
)
from tests.support.house import unique
from tests.support.suite import Suite, refused, request_id

NOT_WRITABLE = (
    *("uid", "ext_id", "system_admin", "banned_at", "ban_reason", "version", "etag", "deleted_at", "created_at"),
    *("*", "metadata.x", "user.name", "update_mask", "reason", "request_id", ""),
)


def update(uid: str, mask: str = "", **more: Any) -> api.UpdateUserRequest:
    """An update of the fields in a mask, or without one."""
    return api.UpdateUserRequest(uid=uid, update_mask=FieldMask(paths=mask.split()) if mask else None, **more)


class TestUpdate:
    async def test_people_change_their_own_name_and_metadata(self, suite: Suite):
        person = await somebody(suite, metadata={"a": 1})
        changed = await person(update(person.uid, name="Ada", metadata={"b": [1, {"c": None}]}))
        assert (changed.name, changed.etag, changed.email) == ("Ada", "2", person.user.email)
        assert set(changed.metadata) == {"b"}
        assert await person(api.GetMeRequest()) == changed

    async def test_an_email_address_is_changed_by_system_admins_only(self, suite: Suite):
        person, root, email = await somebody(suite), suite.caller(), an_email()
        for request in (
            update(person.uid, email=email),
            update(person.uid, "email", email=email),
            update(person.uid, "name email", name="A", email=person.user.email),
        ):
            refusal = await refused(person(request))
            assert (refusal.code, refusal.reason) == (DENIED, "SYSTEM_ADMINS_ONLY")
        assert await user_of(suite, person.uid) == person.user
        assert (await root(update(person.uid, email=email.upper()))).email == email
        taken = (await somebody(suite)).user.email
        refusal = await refused(root(update(person.uid, email=taken.upper())))
        assert (refusal.code, refusal.reason) == (THERE, "EMAIL_TAKEN")

    async def test_nobody_changes_somebody_else(self, suite: Suite):
        studio = await STUDIOS.make(suite)
        admin, other = await somebody(suite, studio.uid, ADMIN), await somebody(suite, studio.uid)
        for request in (update(other.uid, name="A"), update(other.uid, email=an_email(), etag="9")):
            refusal = await refused(admin(request))
            assert (refusal.code, refusal.reason) == (NOT_FOUND, "USER_NOT_FOUND")
        missing = uids.new("user")
        refusal, other_refusal = (
            await refused(admin(update(missing, name="A"))),
            await refused(admin(update(other.uid, name="A"))),
        )
        assert refusal.message.replace(missing, other.uid) == other_refusal.message
        assert (await refused(suite.caller()(update(missing, name="A")))).reason == "USER_NOT_FOUND"
        assert await user_of(suite, other.uid) == other.user

    @pytest.mark.parametrize("path", NOT_WRITABLE)
    async def test_a_mask_names_nothing_but_what_may_be_written(self, suite: Suite, path: str):
        person = await somebody(suite, metadata={"x": 1})
        request = update(person.uid, name="Ada", metadata={"x": 2})
        request.update_mask.paths.extend(["name", path])
        for who in (person, suite.caller()):
            refusal = await refused(who(request))
            assert (refusal.code, refusal.reason) == (INVALID, "MASK_INVALID")
            assert list(refusal.fields) == ["update_mask"]
        assert await person(api.GetMeRequest()) == person.user

    async def test_nobody_makes_themselves_a_system_admin(self, suite: Suite):
        person = await somebody(suite)
        forged = update(person.uid, name="Ada")
        forged.MergeFromString(User(system_admin=True).SerializeToString())  # a field that the request does not have
        for request in (forged, update(person.uid, name="Eve", metadata={"system_admin": True})):
            assert not (await person(request)).system_admin
        assert (await suite.caller()(api.GetMeRequest())).system_admin
        assert not (await user_of(suite, person.uid)).system_admin
        assert (await refused(person(api.ListUsersRequest()))).reason == "GROUP_NEEDED"

    async def test_a_mask_says_what_is_written_and_empties_what_may_be_empty(self, suite: Suite):
        person = await somebody(suite, metadata={"x": 1})
        changed = await person(update(person.uid, "name", name="Ada", metadata={"x": 2}))
        assert (changed.name, changed.metadata["x"]) == ("Ada", 1)
        changed = await person(update(person.uid, "metadata"))
        assert (changed.name, dict(changed.metadata), changed.etag) == ("Ada", {}, "3")
        for field in ("name", "email"):
            refusal = await refused(suite.caller()(update(person.uid, field)))
            assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "REQUEST_INVALID", [field])

    async def test_an_update_that_changes_nothing_writes_nothing(self, suite: Suite):
        person = await somebody(suite, metadata={"x": 1})
        same = {"name": person.user.name, "metadata": {"x": 1}}
        for request in (update(person.uid), update(person.uid, **same), update(person.uid, "name metadata", **same)):
            assert await person(request) == person.user
        assert await person(update(person.uid, request_id=request_id(), **same)) == person.user


def a_change(verb: str, uid: str, **more: Any) -> Any:
    """A request that changes a user."""
    if verb == "Update":
        more["name"] = unique("name")
    return getattr(api, f"{verb}UserRequest")(uid=uid, reason="why not", **more)


@pytest.mark.parametrize("verb", ["Update", "Delete", "Undelete", "Ban", "Unban"])
async def test_an_etag_that_is_not_the_last_is_stale(suite: Suite, verb: str):
    person, root = await somebody(suite), suite.caller()
    before = {"Undelete": "Delete", "Unban": "Ban"}.get(verb, "Update")
    changed = await root(a_change(before, person.uid))
    refusal = await refused(root(a_change(verb, person.uid, etag=person.user.etag)))
    assert (refusal.code, refusal.reason, refusal.facts) == (STALE, "STALE", {"uid": person.uid})
    assert (await root(a_change(verb, person.uid, etag=changed.etag))).etag == "3"


class TestDelete:
    async def test_a_deleted_user_is_gone_and_comes_back_with_its_memberships(self, suite: Suite):
        studio, root = await STUDIOS.make(suite), suite.caller()
        person = await somebody(suite, studio.uid)
        gone = await root(api.DeleteUserRequest(uid=person.uid, reason="left"))
        assert gone.HasField("deleted_at")
        for verb in ("Get", "Update", "Delete", "Ban", "Unban"):
            request = api.GetUserRequest(uid=person.uid) if verb == "Get" else a_change(verb, person.uid)
            assert (await refused(root(request))).reason == "USER_NOT_FOUND"
        assert not (await root(ListMembershipsRequest(user_uid=person.uid))).memberships
        back = await root(api.UndeleteUserRequest(uid=person.uid))
        assert (back.HasField("deleted_at"), back.etag, back.name) == (False, "3", person.user.name)
        assert len((await root(ListMembershipsRequest(user_uid=person.uid))).memberships) == 1

    async def test_who_is_there_is_not_brought_back(self, suite: Suite):
        person, root = await somebody(suite), suite.caller()
        refusal = await refused(root(api.UndeleteUserRequest(uid=person.uid)))
        assert (refusal.code, refusal.reason) == (REFUSED, "NOT_DELETED")
        assert (await refused(root(api.UndeleteUserRequest(uid=uids.new("user"))))).reason == "USER_NOT_FOUND"

    @pytest.mark.parametrize(("field", "reason"), [("email", "EMAIL_TAKEN"), ("ext_id", "EXT_ID_TAKEN")])
    async def test_nobody_comes_back_to_a_place_that_is_taken(self, suite: Suite, field: str, reason: str):
        person, root = await somebody(suite), suite.caller()
        await root(api.DeleteUserRequest(uid=person.uid))
        heir = await somebody(suite, **{field: getattr(person.user, field)})
        back = api.UndeleteUserRequest(uid=person.uid)
        refusal = await refused(root(back))
        assert (refusal.code, refusal.reason) == (THERE, reason)
        await root(api.DeleteUserRequest(uid=heir.uid))
        assert (await root(back)).uid == person.uid

    async def test_nobody_deletes_or_bans_themselves(self, suite: Suite):
        root = suite.caller()
        me = await root(api.GetMeRequest())
        for request in (api.DeleteUserRequest(uid=me.uid), api.BanUserRequest(uid=me.uid, reason="tired")):
            refusal = await refused(root(request))
            assert (refusal.code, refusal.reason) == (REFUSED, "SELF")
        assert await root(api.GetMeRequest()) == me

    @of_each_kind
    async def test_the_last_admin_of_a_group_is_not_deleted(self, suite: Suite, kind: Any):
        group, root = await kind.make(suite), suite.caller()
        admin, member = await somebody(suite, group.uid, ADMIN), await somebody(suite, group.uid)
        refusal = await refused(root(api.DeleteUserRequest(uid=admin.uid)))
        assert (refusal.code, refusal.reason, refusal.facts) == (REFUSED, "LAST_ADMIN", {"group_uid": group.uid})
        assert await user_of(suite, admin.uid) == admin.user
        await root(api.DeleteUserRequest(uid=member.uid))
        await somebody(suite, group.uid, ADMIN)
        assert (await root(api.DeleteUserRequest(uid=admin.uid))).HasField("deleted_at")


class TestBan:
    async def test_a_ban_has_a_reason_and_an_end(self, suite: Suite):
        person, root = await somebody(suite), suite.caller()
        banned = await root(api.BanUserRequest(uid=person.uid, reason="rude"))
        assert (banned.HasField("banned_at"), banned.ban_reason, banned.etag) == (True, "rude", "2")
        refusal = await refused(root(api.BanUserRequest(uid=person.uid, reason="ruder")))
        assert (refusal.code, refusal.reason) == (REFUSED, "USER_BANNED")
        assert await user_of(suite, person.uid) == banned
        free = await root(api.UnbanUserRequest(uid=person.uid, reason="sorry"))
        assert (free.HasField("banned_at"), free.ban_reason, free.etag) == (False, "", "3")
        refusal = await refused(root(api.UnbanUserRequest(uid=person.uid, reason="sorry")))
        assert (refusal.code, refusal.reason) == (REFUSED, "USER_NOT_BANNED")

    @pytest.mark.parametrize("request_for", [api.BanUserRequest, api.UnbanUserRequest])
    async def test_a_ban_is_for_a_reason_and_for_somebody(self, suite: Suite, request_for: Any):
        person, root = await somebody(suite), suite.caller()
        refusal = await refused(root(request_for(uid=person.uid)))
        assert (refusal.reason, list(refusal.fields)) == ("REQUEST_INVALID", ["reason"])
        assert (await refused(root(request_for(uid=uids.new("user"), reason="rude")))).reason == "USER_NOT_FOUND"

    @pytest.mark.parametrize(
        ("away", "back", "reason"), [("Ban", "Unban", "USER_BANNED"), ("Delete", "Undelete", "USER_UNKNOWN")]
    )
    async def test_a_token_is_worth_nothing_while_its_user_is_away(
        self, suite: Suite, away: str, back: str, reason: str
    ):
        studio, root = await STUDIOS.make(suite), suite.caller()
        person: Person = await somebody(suite, studio.uid)
        for request in (api.GetMeRequest(), GetStudioRequest(uid=studio.uid)):
            assert await person(request)
            await root(a_change(away, person.uid))
            await soon(person, request, reason)
            assert (await refused(person(request))).code == DENIED
            await root(a_change(back, person.uid))
            await soon(person, request)
