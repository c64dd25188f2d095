"""Rooms and MCs through the RPCs: what a mask may name, who may change them, how they are found."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from eridu.scheduling.v1 import events_pb2

from libs.common import uids
from tests.scheduling.kinds import MCS, ROOMS, USER, Kind, get, of_each_kind, values
from tests.scheduling.planning import (
    ABORTED,
    DENIED,
    INVALID,
    NOT_FOUND,
    Asks,
    production,
)
from tests.support.house import House, build_house
from tests.support.suite import refused, request_id

THERE = grpc.StatusCode.ALREADY_EXISTS

NOT_WRITABLE = [
    *(
        "uid",
        "studio_uid",
        "version",
        "etag",
        "created_at",
        "deleted_at",
        "banned_at",
        "ban_reason",
        "turnaround_before",
    ),
    *("*", "metadata.x", "name.x", "update_mask", "reason", "request_id", ""),
]


class TestUpdate:
    @of_each_kind
    async def test_everything_that_may_be_written_is_written_and_kept(self, house: House, ask: Asks, kind: Kind):
        before = kind.of(house)
        changed = kind.entity(await house.manager(kind.update(before.uid, **kind.fields, reason="better so")))
        assert values(changed, list(kind.fields)) == kind.fields
        assert (changed.etag, changed.studio_uid) == ("2", house.studio.uid)
        assert await get(house, kind) == changed
        (entry,) = await ask(
            "SELECT * FROM ledger WHERE entity_uid = :uid AND action = :action",
            uid=before.uid,
            action=f"{kind.noun}.updated",
        )
        assert (entry.reason, entry.entity_version, entry.old_values["name"]) == ("better so", 2, before.name)
        event = getattr(events_pb2, f"{kind.Noun}Updated").FromString(entry.payload)
        assert getattr(event, kind.noun) == changed

    @of_each_kind
    async def test_a_mask_says_what_is_written(self, house: House, kind: Kind):
        before = kind.of(house)
        await house.manager(kind.update(before.uid, **kind.fields))
        emptied = kind.entity(await house.manager(kind.update(before.uid, *kind.empty)))
        assert values(emptied, list(kind.empty)) == kind.empty
        assert emptied.name == kind.fields["name"]
        request = kind.update(before.uid, "metadata", **kind.fields)
        assert values(kind.entity(await house.manager(request)), list(kind.empty)) == {
            **kind.empty,
            "metadata": {"colour": "red"},
        }
        refusal = await refused(house.manager(kind.update(before.uid, "name")))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "REQUEST_INVALID", ["name"])

    @pytest.mark.parametrize("path", NOT_WRITABLE)
    @of_each_kind
    async def test_a_mask_names_nothing_but_what_may_be_written(self, house: House, kind: Kind, path: str):
        refusal = await refused(house.manager(kind.update(kind.of(house).uid, "name", path, name="Another")))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "MASK_INVALID", ["update_mask"])
        assert await get(house, kind) == kind.of(house)

    @of_each_kind
    async def test_an_update_that_changes_nothing_writes_nothing(self, house: House, ask: Asks, kind: Kind):
        before = kind.of(house)
        for request in (kind.update(before.uid), kind.update(before.uid, name=before.name)):
            assert kind.entity(await house.manager(request)) == before
        assert f"{kind.noun}.updated" not in await ask.ledger(house)

    @of_each_kind
    async def test_a_name_that_another_has_is_taken_and_one_with_a_semicolon_is_none(self, house: House, kind: Kind):
        refusal = await refused(house.manager(kind.update(kind.of(house).uid, name=kind.other(house).name)))
        assert (refusal.code, refusal.reason) == (THERE, f"{kind.code}_NAME_TAKEN")
        refusal = await refused(house.manager(kind.update(kind.of(house).uid, name="A;B")))
        assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")

    @of_each_kind
    async def test_a_change_with_a_request_id_happens_once(self, house: House, kind: Kind):
        request = kind.update(kind.of(house).uid, name="Another", request_id=request_id())
        first = await house.manager(request)
        assert await house.manager(request) == first
        assert (await get(house, kind)).etag == "2"


class TestRights:
    @of_each_kind
    async def test_managers_of_the_studio_change_it_and_nobody_else(self, house: House, kind: Kind):
        uid = kind.of(house).uid
        elsewhere = await build_house(house.suite)
        for request in kind.changes(uid):
            denied = await refused(house.member(request))
            assert (denied.code, denied.reason) == (DENIED, "ROLE_TOO_LOW")
            for caller in (house.client_member, house.stranger, elsewhere.manager):
                hidden = await refused(caller(request))
                assert (hidden.code, hidden.reason) == (NOT_FOUND, f"{kind.code}_NOT_FOUND")
            assert (await refused(production(house)(request))).reason == "SERVICE_DENIED"
            await house.manager(request)
        for request in kind.changes(uid):
            await house.root(request)
        for request in kind.changes(uids.new(kind.noun)):
            missing = await refused(house.manager(request))
            assert (missing.code, missing.reason) == (NOT_FOUND, f"{kind.code}_NOT_FOUND")

    @of_each_kind
    async def test_a_change_with_an_old_etag_is_stale(self, house: House, kind: Kind):
        uid = kind.of(house).uid
        await house.manager(kind.update(uid, name="New"))
        for request in kind.changes(uid)[:-1]:
            request.etag = "1"
            refusal = await refused(house.manager(request))
            assert (refusal.code, refusal.reason) == (ABORTED, "STALE")
        assert (await get(house, kind)).etag == "2"


class TestReads:
    @of_each_kind
    async def test_many_are_read_at_once_and_the_others_are_named(self, house: House, kind: Kind):
        elsewhere = await build_house(house.suite)
        await elsewhere.room("A")
        await elsewhere.mc("Ada")
        one, two, theirs, never = kind.of(house), kind.other(house), kind.of(elsewhere), uids.new(kind.noun)
        request = kind.ask("BatchGet", many=True, uids=[two.uid, never, one.uid, theirs.uid])

        async def read(caller: Any) -> tuple[list[Any], list[str]]:
            answer = await caller(request)
            return list(getattr(answer, f"{kind.noun}s")), list(answer.missing_uids)

        assert await read(house.member) == ([two, one], [never, theirs.uid])
        assert await read(production(house)) == ([two, one, theirs], [never])
        assert await read(house.client_member) == ([], list(request.uids))
        await house.manager(kind.ask("Delete", uid=one.uid))
        assert await read(house.manager) == ([two], [never, one.uid, theirs.uid])
        for bad in ([], ["x"], [one.uid] * 1001):
            refusal = await refused(house.member(kind.ask("BatchGet", many=True, uids=bad)))
            assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")
        assert len(getattr(await house.member(kind.ask("BatchGet", many=True, uids=[two.uid] * 1000)), f"{kind.noun}s"))

    async def test_rooms_are_found_by_what_they_are(self, house: House):
        await house.room("Big", capacity=50, capabilities=["audio", "green_screen"])
        await house.room("Middle", capacity=20, capabilities=["audio"])
        await house.room("100%", capacity=50, capabilities=["green_screen"])
        await house.manager(ROOMS.update(house.rooms["B"].uid, active=False))
        await house.manager(ROOMS.ask("Delete", uid=house.rooms["A"].uid))

        async def listed(**wanted: Any) -> list[str]:
            request = ROOMS.ask("List", many=True, studio_uid=house.studio.uid, **wanted)
            return [one.name for one in (await house.member(request)).rooms]

        assert await listed() == ["100%", "B", "Big", "Middle"]
        assert await listed(capabilities=["audio"]) == ["Big", "Middle"]
        assert await listed(capabilities=["green_screen", "audio"]) == ["Big"]
        assert await listed(least_capacity=20) == ["100%", "Big", "Middle"]
        assert await listed(least_capacity=21, capabilities=["audio"]) == ["Big"]
        assert await listed(active=False) == ["B"]
        assert await listed(active=True) == ["100%", "Big", "Middle"]
        assert await listed(name_part="b") == ["B", "Big"]
        assert await listed(name_part="%") == ["100%"]
        assert await listed(show_deleted=True) == ["100%", "A", "B", "Big", "Middle"]

    async def test_mcs_are_found_by_who_they_are(self, house: House):
        await house.mc("Cleo")
        await house.manager(MCS.update(house.mcs["Ada"].uid, user_uid=USER))
        await house.manager(MCS.ask("Ban", uid=house.mcs["Bob"].uid, reason="rude"))
        await house.manager(MCS.ask("Delete", uid=house.mcs["Cleo"].uid))

        async def listed(**wanted: Any) -> list[str]:
            request = MCS.ask("List", many=True, studio_uid=house.studio.uid, **wanted)
            return [one.name for one in (await house.member(request)).mcs]

        assert await listed() == ["Ada", "Bob"]
        assert await listed(banned=True) == ["Bob"]
        assert await listed(banned=False) == ["Ada"]
        assert await listed(user_uid=USER) == ["Ada"]
        assert await listed(name_part="CL", show_deleted=True) == ["Cleo"]
        assert await listed(show_deleted=True, banned=False) == ["Ada", "Cleo"]

    @of_each_kind
    async def test_a_page_token_is_of_its_filters(self, house: House, kind: Kind):
        page = await house.member(kind.ask("List", many=True, studio_uid=house.studio.uid, page_size=1))
        request = kind.ask(
            "List", many=True, studio_uid=house.studio.uid, show_deleted=True, page_token=page.next_page_token
        )
        refusal = await refused(house.member(request))
        assert (refusal.code, refusal.reason) == (INVALID, "PAGE_TOKEN_INVALID")
