"""Clients, studios and platforms as their callers see them: made, read and listed."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.identity.v1 import studio_pb2
from eridu.identity.v1.studio_service_pb2 import CreateStudioRequest
from google.protobuf.json_format import MessageToDict

from libs.common import uids
from tests.identity.people import (
    ADMIN,
    CLIENTS,
    DENIED,
    INVALID,
    NOT_FOUND,
    PLATFORMS,
    STUDIOS,
    THERE,
    Kind,
    of_each_kind,
    pages,
    somebody,
)
from tests.support.house import unique
from tests.support.suite import Suite, refused, request_id

of_members_kinds = pytest.mark.parametrize("kind", [CLIENTS, STUDIOS], ids=str)


class TestCreate:
    @of_each_kind
    async def test_a_group_is_made_and_read(self, suite: Suite, kind: Kind):
        name = unique(kind.noun)
        made = await kind.make(suite, name)
        assert made.uid.startswith(f"{kind.prefix}_")
        assert (made.name, made.etag, made.HasField("deleted_at")) == (name, "1", False)
        written = MessageToDict(made, preserving_proto_field_name=True)
        expected = MessageToDict(kind.ask("Create", **kind.fields), preserving_proto_field_name=True)
        assert {field: written[field] for field in kind.fields} == expected
        assert await suite.caller()(kind.ask("Get", uid=made.uid)) == made

    async def test_a_studio_has_a_day_and_a_gate_unless_it_says_otherwise(self, suite: Suite):
        made = await suite.caller()(CreateStudioRequest(name=unique("studio"), time_zone="UTC"))
        assert (made.operational_day_start, made.task_gate) == ("06:00", studio_pb2.TASK_GATE_BLOCK)
        assert (made.address, made.client_approval, dict(made.metadata)) == ("", False, {})

    @of_each_kind
    async def test_a_name_is_taken_among_the_living_of_its_kind(self, suite: Suite, kind: Kind):
        name, root = unique("group"), suite.caller()
        made = await kind.make(suite, name)
        refusal = await refused(kind.make(suite, name))
        assert (refusal.code, refusal.reason) == (THERE, f"{kind.code}_NAME_TAKEN")
        for other in (CLIENTS, STUDIOS, PLATFORMS):
            assert other is kind or (await other.make(suite, name)).name == name
        await root(kind.ask("Delete", uid=made.uid))
        assert (await kind.make(suite, name)).uid != made.uid

    @pytest.mark.parametrize(
        ("kind", "bad"),
        [
            (CLIENTS, {"contact_email": "nobody"}),
            (STUDIOS, {"time_zone": "", "operational_day_start": "24:00", "task_gate": 9}),
            (PLATFORMS, {}),
        ],
        ids=str,
    )
    async def test_the_fields_of_a_bad_group_are_named(self, suite: Suite, kind: Kind, bad: dict[str, Any]):
        refusal = await refused(suite.caller()(kind.ask("Create", **kind.fields | bad, name="")))
        assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")
        assert set(refusal.fields) == {"name", *bad}
        refusal = await refused(kind.make(suite, metadata={"x": "x" * 16 * 1024}))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "METADATA_INVALID", ["metadata"])

    @pytest.mark.parametrize(
        "zone", ["Mars/Olympus", "Europe", "../../etc/passwd", "/etc/localtime", "x" * 64, "UTC\n"]
    )
    async def test_a_studio_is_in_a_time_zone_that_is_one(self, suite: Suite, zone: str):
        refusal = await refused(STUDIOS.make(suite, time_zone=zone))
        assert (refusal.code, refusal.reason) == (INVALID, "TIME_ZONE_UNKNOWN")
        assert list(refusal.fields) == ["time_zone"]

    @of_each_kind
    async def test_a_request_id_replays_its_answer(self, suite: Suite, kind: Kind):
        root, request = suite.caller(), kind.ask("Create", **kind.fields, name=unique("group"), request_id=request_id())
        made = await root(request)
        assert await root(request) == made
        request.name = unique("group")
        assert (await refused(root(request))).reason == "REQUEST_ID_REUSED"

    @of_each_kind
    async def test_only_system_admins_make_and_end_groups(self, suite: Suite, kind: Kind):
        group = await kind.make(suite)
        admin = await somebody(suite, group.uid, ADMIN)
        for request in (
            kind.ask("Create", **kind.fields, name=unique("group")),
            kind.ask("Delete", uid=group.uid),
            kind.ask("Undelete", uid=group.uid),
        ):
            refusal = await refused(admin(request))
            assert (refusal.code, refusal.reason) == (DENIED, "SYSTEM_ADMINS_ONLY")
        assert await admin(kind.ask("Get", uid=group.uid)) == group


class TestRead:
    @of_members_kinds
    async def test_a_group_is_seen_by_its_members_and_a_stranger_cannot_tell(self, suite: Suite, kind: Kind):
        group, never = await kind.make(suite), uids.new(kind.prefix)
        member, stranger = await somebody(suite, group.uid), await somebody(suite, (await kind.make(suite)).uid, ADMIN)
        assert await member(kind.ask("Get", uid=group.uid)) == group
        hidden = await refused(stranger(kind.ask("Get", uid=group.uid)))
        missing = await refused(stranger(kind.ask("Get", uid=never)))
        for refusal, uid in ((hidden, group.uid), (missing, never)):
            assert (refusal.code, refusal.reason, refusal.facts) == (NOT_FOUND, f"{kind.code}_NOT_FOUND", {"uid": uid})
        assert hidden.message.replace(group.uid, never) == missing.message

    async def test_platforms_are_seen_by_everybody_who_is_signed_in(self, suite: Suite):
        platform, stranger = await PLATFORMS.make(suite), await somebody(suite)
        assert await stranger(PLATFORMS.ask("Get", uid=platform.uid)) == platform
        assert (await refused(stranger(PLATFORMS.ask("Get", uid=uids.new("plat"))))).reason == "PLATFORM_NOT_FOUND"
        listed = await stranger(PLATFORMS.ask_many("List", uids=[platform.uid]))
        assert list(listed.platforms) == [platform]

    @of_each_kind
    async def test_many_are_read_at_once_in_the_order_of_the_request(self, suite: Suite, kind: Kind):
        groups = [await kind.make(suite) for _ in range(3)]
        wanted = [groups[2].uid, uids.new(kind.prefix), groups[0].uid, groups[1].uid]
        answer = await suite.caller()(kind.ask_many("BatchGet", uids=wanted))
        assert kind.found(answer) == [groups[2], groups[0], groups[1]]
        assert list(answer.missing_uids) == [wanted[1]]

    @of_each_kind
    async def test_of_many_the_hidden_and_the_deleted_are_missing_like_what_never_was(self, suite: Suite, kind: Kind):
        own, hidden, gone = [await kind.make(suite) for _ in range(3)]
        person = await somebody(suite, own.uid)
        await suite.caller()(kind.ask("Delete", uid=gone.uid))
        wanted = [hidden.uid, gone.uid, uids.new(kind.prefix), own.uid]
        answer = await person(kind.ask_many("BatchGet", uids=wanted))
        seen = [hidden, own] if kind is PLATFORMS else [own]
        assert kind.found(answer) == seen
        assert list(answer.missing_uids) == [uid for uid in wanted if uid not in [one.uid for one in seen]]

    @of_each_kind
    async def test_no_more_than_a_thousand_are_read_at_once(self, suite: Suite, kind: Kind):
        wanted = [uids.new(kind.prefix) for _ in range(1001)]
        root = suite.caller()
        assert list((await root(kind.ask_many("BatchGet", uids=wanted[:1000]))).missing_uids) == wanted[:1000]
        for bad in (wanted, []):
            refusal = await refused(root(kind.ask_many("BatchGet", uids=bad)))
            assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "REQUEST_INVALID", ["uids"])

    @of_each_kind
    async def test_services_read_groups_in_their_own_name(self, suite: Suite, kind: Kind):
        group = await kind.make(suite)
        for name in ("scheduling", "production", "tasks"):
            service = suite.service(name)
            assert await service(kind.ask("Get", uid=group.uid)) == group
            assert kind.found(await service(kind.ask_many("BatchGet", uids=[group.uid]))) == [group]
            assert kind.found(await service(kind.ask_many("List", uids=[group.uid]))) == [group]
            refusal = await refused(service(kind.ask("Update", uid=group.uid, name="A")))
            assert (refusal.code, refusal.reason) == (DENIED, "SERVICE_DENIED")


class TestList:
    @of_members_kinds
    async def test_people_list_their_own_groups(self, suite: Suite, kind: Kind):
        own, hidden = await kind.make(suite), await kind.make(suite)
        person, stranger = await somebody(suite, own.uid), await somebody(suite)
        both = {"uids": [own.uid, hidden.uid]}
        assert kind.found(await person(kind.ask_many("List"))) == [own]
        assert kind.found(await person(kind.ask_many("List", **both))) == [own]
        assert kind.found(await person(kind.ask_many("List", names=[hidden.name]))) == []
        assert kind.found(await stranger(kind.ask_many("List", **both))) == []
        assert {one.uid for one in kind.found(await suite.caller()(kind.ask_many("List", **both)))} == {*both["uids"]}

    @of_each_kind
    async def test_groups_are_listed_by_names_uids_and_parts_of_names(self, suite: Suite, kind: Kind):
        tag = unique("tag")
        groups = {name: await kind.make(suite, f"{tag} {name}") for name in ("10% Off", "10x off", "a_b", "aXb")}

        async def names(**query: Any) -> list[str]:
            found = kind.found(await suite.caller()(kind.ask_many("List", **query)))
            return sorted(one.name.removeprefix(f"{tag} ") for one in found)

        assert await names(names=[f"{tag} a_b", f"{tag} aXb", tag]) == ["aXb", "a_b"]
        assert await names(uids=[groups["aXb"].uid, groups["10% Off"].uid, uids.new(kind.prefix)]) == ["10% Off", "aXb"]
        assert await names(uids=[groups["aXb"].uid], names=[f"{tag} a_b"]) == []
        for part, found in (
            (tag.upper(), ["10% Off", "10x off", "aXb", "a_b"]),
            (f"{tag} 10%", ["10% Off"]),
            (f"{tag} a_", ["a_b"]),
            (f"{tag}%", []),
        ):
            assert await names(name_part=part) == found
        for field in ("names", "uids"):
            refusal = await refused(suite.caller()(kind.ask_many("List", **{field: ["x"] * 501})))
            assert (refusal.reason, list(refusal.fields)) == ("REQUEST_INVALID", [field])

    @of_each_kind
    async def test_deleted_groups_are_shown_to_system_admins_who_ask(self, suite: Suite, kind: Kind):
        tag, root = unique("tag"), suite.caller()
        group, gone = await kind.make(suite, f"{tag} 1"), await kind.make(suite, f"{tag} 2")
        person = await somebody(suite, group.uid)
        await root(kind.ask("Delete", uid=gone.uid))
        query = {"name_part": tag, "show_deleted": True}
        assert [one.name for one in kind.found(await root(kind.ask_many("List", **query)))] == [group.name, gone.name]
        assert kind.found(await root(kind.ask_many("List", name_part=tag))) == [group]
        assert kind.found(await person(kind.ask_many("List", **query))) == [group]

    @of_each_kind
    async def test_groups_come_in_pages_by_name(self, suite: Suite, kind: Kind):
        tag = unique("tag")
        for number in (3, 1, 5, 2, 4):
            await kind.make(suite, f"{tag} {number}")
        request = kind.ask_many("List", name_part=tag, page_size=2)
        found = await pages(suite.caller(), request, f"{kind.noun}s")
        assert [[one.name[-1] for one in page] for page in found] == [["1", "2"], ["3", "4"], ["5"]]

    @of_each_kind
    async def test_a_page_token_of_another_query_is_refused(self, suite: Suite, kind: Kind):
        tag, root = unique("tag"), suite.caller()
        for number in range(2):
            await kind.make(suite, f"{tag} {number}")
        token = (await root(kind.ask_many("List", name_part=tag, page_size=1))).next_page_token
        for query in ({"page_token": token}, {"name_part": tag, "page_token": "bm90aGluZw=="}):
            refusal = await refused(root(kind.ask_many("List", **query)))
            assert (refusal.code, refusal.reason) == (INVALID, "PAGE_TOKEN_INVALID")
