"""Changes of clients, studios and platforms: who may, what a mask may name, what is deleted and comes back."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.identity.v1 import studio_pb2
from eridu.identity.v1.membership_service_pb2 import ListMembershipsRequest
from eridu.identity.v1.user_service_pb2 import ListUsersRequest
from google.protobuf.field_mask_pb2 import FieldMask

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
    REFUSED,
    STALE,
    STUDIOS,
    THERE,
    Kind,
    of_each_kind,
    somebody,
    soon,
)
from tests.support.house import unique
from tests.support.suite import Suite, refused, request_id

NOT_WRITABLE = (
    *("uid", "version", "etag", "created_at", "updated_at", "deleted_at", "api_config_set_at", "config"),
    *("*", "metadata.x", "name.x", "update_mask", "reason", "request_id", ""),
)
# What may be empty, and what it is then.
EMPTY: dict[str, dict[str, Any]] = {
    "client": {"contact_person": "", "contact_email": "", "metadata": {}},
    "studio": {
        "address": "",
        "operational_day_start": "06:00",
        "task_gate": studio_pb2.TASK_GATE_BLOCK,
        "client_approval": False,
        "metadata": {},
    },
    "platform": {"settings": {}, "metadata": {}},
}


def update(kind: Kind, uid: str, *mask: str, **more: Any) -> Any:
    """An update of the fields in a mask, or without one."""
    return kind.ask("Update", uid=uid, update_mask=FieldMask(paths=mask) if mask else None, **more)


async def get(suite: Suite, kind: Kind, uid: str) -> Any:
    """The group as a system admin sees it."""
    return await suite.caller()(kind.ask("Get", uid=uid))


class TestUpdate:
    @pytest.mark.parametrize("role", [MEMBER, MANAGER, ADMIN])
    @of_each_kind
    async def test_a_group_is_changed_from_the_role_on_that_its_kind_asks_for(
        self, suite: Suite, kind: Kind, role: int
    ):
        group, name = await kind.make(suite), unique("name")
        person = await somebody(suite, group.uid, role)
        request = update(kind, group.uid, name=name)
        if role >= kind.editor:
            changed = await person(request)
            assert (changed.name, changed.etag) == (name, "2")
            assert await get(suite, kind, group.uid) == changed
        else:
            refusal = await refused(person(request))
            assert (refusal.code, refusal.reason, refusal.facts) == (DENIED, "ROLE_TOO_LOW", {"uid": group.uid})
            assert await get(suite, kind, group.uid) == group

    @of_each_kind
    async def test_an_admin_of_one_group_is_nobody_in_another(self, suite: Suite, kind: Kind):
        group, never = await kind.make(suite), uids.new(kind.prefix)
        for other in (CLIENTS, STUDIOS, PLATFORMS):
            admin = await somebody(suite, (await other.make(suite)).uid, ADMIN)
            hidden, missing = [await refused(admin(update(kind, uid, name="A"))) for uid in (group.uid, never)]
            assert (hidden.code, hidden.reason) == (NOT_FOUND, f"{kind.code}_NOT_FOUND")
            assert hidden.message.replace(group.uid, never) == missing.message
        assert await get(suite, kind, group.uid) == group

    @of_each_kind
    async def test_a_mask_says_what_is_written(self, suite: Suite, kind: Kind):
        group, root = await kind.make(suite), suite.caller()
        changed = await root(update(kind, group.uid, "name", name=unique("name"), metadata={"x": 1}))
        assert (changed.name != group.name, changed.metadata) == (True, group.metadata)
        changed = await root(update(kind, group.uid, metadata={"x": 1}))
        assert (dict(changed.metadata), changed.etag) == ({"x": 1}, "3")

    @of_each_kind
    async def test_a_mask_empties_what_may_be_empty_and_no_name(self, suite: Suite, kind: Kind):
        group, root = await kind.make(suite), suite.caller()
        needed = ["name", "time_zone"] if kind is STUDIOS else ["name"]
        for field in needed:
            refusal = await refused(root(update(kind, group.uid, field)))
            assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "REQUEST_INVALID", [field])
        changed = await root(update(kind, group.uid, *EMPTY[kind.noun]))
        for field, value in EMPTY[kind.noun].items():
            found = getattr(changed, field)
            assert (dict(found) if value == {} else found) == value
        assert (changed.name, changed.etag) == (group.name, "2")

    @pytest.mark.parametrize("path", NOT_WRITABLE)
    @of_each_kind
    async def test_a_mask_names_nothing_but_what_may_be_written(self, suite: Suite, kind: Kind, path: str):
        group = await kind.make(suite, metadata={"x": 1})
        admin = await somebody(suite, group.uid, ADMIN)
        request = update(kind, group.uid, "name", path, name=unique("name"), metadata={"x": 2})
        for who in (admin, suite.caller()):
            refusal = await refused(who(request))
            assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "MASK_INVALID", ["update_mask"])
        assert await get(suite, kind, group.uid) == group

    @of_each_kind
    async def test_an_update_that_changes_nothing_writes_nothing(self, suite: Suite, kind: Kind):
        group, root = await kind.make(suite), suite.caller()
        same = {**kind.fields, "name": group.name}
        for request in (
            update(kind, group.uid),
            update(kind, group.uid, **same),
            update(kind, group.uid, *same, **same),
        ):
            assert await root(request) == group

    @of_each_kind
    async def test_a_name_that_another_has_is_taken(self, suite: Suite, kind: Kind):
        group, other = await kind.make(suite), await kind.make(suite)
        refusal = await refused(suite.caller()(update(kind, group.uid, name=other.name)))
        assert (refusal.code, refusal.reason) == (THERE, f"{kind.code}_NAME_TAKEN")
        assert await get(suite, kind, group.uid) == group

    async def test_a_studio_moves_to_no_time_zone_that_is_none(self, suite: Suite):
        studio = await STUDIOS.make(suite)
        refusal = await refused(suite.caller()(update(STUDIOS, studio.uid, time_zone="Mars/Olympus")))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "TIME_ZONE_UNKNOWN", ["time_zone"])
        assert await get(suite, STUDIOS, studio.uid) == studio
        moved = await suite.caller()(update(STUDIOS, studio.uid, time_zone="Asia/Baghdad"))
        assert (moved.time_zone, moved.operational_day_start) == ("Asia/Baghdad", studio.operational_day_start)

    @of_each_kind
    async def test_a_request_id_is_its_callers_own(self, suite: Suite, kind: Kind):
        group, key = await kind.make(suite), request_id()
        one, other = [await somebody(suite, group.uid, ADMIN) for _ in range(2)]
        request = update(kind, group.uid, name=unique("name"), request_id=key)
        first = await one(request)
        second = await other(update(kind, group.uid, name=unique("name"), request_id=key))
        assert (second.etag, second.name != first.name) == ("3", True)
        assert await one(request) == first
        assert (await refused(other(request))).reason == "REQUEST_ID_REUSED"
        assert await get(suite, kind, group.uid) == second


@pytest.mark.parametrize("verb", ["Update", "Delete", "Undelete"])
@of_each_kind
async def test_an_etag_that_is_not_the_last_is_stale(suite: Suite, kind: Kind, verb: str):
    group, root = await kind.make(suite), suite.caller()
    more = {"name": unique("name")} if verb == "Update" else {}
    before = kind.ask("Delete", uid=group.uid) if verb == "Undelete" else update(kind, group.uid, name=unique("name"))
    changed = await root(before)
    refusal = await refused(root(kind.ask(verb, uid=group.uid, etag=group.etag, **more)))
    assert (refusal.code, refusal.reason, refusal.facts) == (STALE, "STALE", {"uid": group.uid})
    assert (await root(kind.ask(verb, uid=group.uid, etag=changed.etag, **more))).etag == "3"


class TestDelete:
    @of_each_kind
    async def test_a_deleted_group_is_gone_and_comes_back(self, suite: Suite, kind: Kind):
        group, root = await kind.make(suite), suite.caller()
        gone = await root(kind.ask("Delete", uid=group.uid, reason="closed"))
        assert (gone.HasField("deleted_at"), gone.etag) == (True, "2")
        for verb in ("Get", "Update", "Delete"):
            refusal = await refused(root(kind.ask(verb, uid=group.uid)))
            assert (refusal.code, refusal.reason) == (NOT_FOUND, f"{kind.code}_NOT_FOUND")
        back = await root(kind.ask("Undelete", uid=group.uid))
        assert (back.HasField("deleted_at"), back.etag, back.name) == (False, "3", group.name)
        assert await get(suite, kind, group.uid) == back

    @of_each_kind
    async def test_what_is_there_is_not_brought_back(self, suite: Suite, kind: Kind):
        group, root = await kind.make(suite), suite.caller()
        refusal = await refused(root(kind.ask("Undelete", uid=group.uid)))
        assert (refusal.code, refusal.reason) == (REFUSED, "NOT_DELETED")
        for verb in ("Delete", "Undelete"):
            refusal = await refused(root(kind.ask(verb, uid=uids.new(kind.prefix))))
            assert (refusal.code, refusal.reason) == (NOT_FOUND, f"{kind.code}_NOT_FOUND")

    @of_each_kind
    async def test_a_group_does_not_come_back_to_a_name_that_is_taken(self, suite: Suite, kind: Kind):
        group, root = await kind.make(suite), suite.caller()
        await root(kind.ask("Delete", uid=group.uid))
        heir = await kind.make(suite, group.name)
        refusal = await refused(root(kind.ask("Undelete", uid=group.uid)))
        assert (refusal.code, refusal.reason) == (THERE, f"{kind.code}_NAME_TAKEN")
        await root(update(kind, heir.uid, name=unique("heir")))
        assert (await root(kind.ask("Undelete", uid=group.uid))).name == group.name

    @of_each_kind
    async def test_a_deleted_group_gives_no_rights_until_it_is_back(self, suite: Suite, kind: Kind):
        group, root = await kind.make(suite), suite.caller()
        member, admin = await somebody(suite, group.uid), await somebody(suite, group.uid, ADMIN)
        people, change = ListUsersRequest(group_uid=group.uid), update(kind, group.uid, name=unique("name"))
        assert len((await member(people)).users) == 2
        await root(kind.ask("Delete", uid=group.uid))
        await soon(member, people, "GROUP_NOT_FOUND")
        await soon(admin, change, f"{kind.code}_NOT_FOUND")
        for request in (kind.ask("Get", uid=group.uid), change):
            assert (await refused(member(request))).reason == f"{kind.code}_NOT_FOUND"
        assert not (await member(ListMembershipsRequest(user_uid=member.uid))).memberships
        assert not (await member(ListMembershipsRequest(group_uid=group.uid))).memberships
        await root(kind.ask("Undelete", uid=group.uid))
        await soon(member, people)
        assert await member(kind.ask("Get", uid=group.uid))
        assert (await refused(member(change))).reason == "ROLE_TOO_LOW"
        await soon(admin, change)
