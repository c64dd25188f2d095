"""The merged audit trail: who did what, anywhere in the suite."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from eridu.common.v1 import access_pb2
from eridu.identity.v1.audit_service_pb2 import ListAuditsRequest
from eridu.identity.v1.client_service_pb2 import UpdateClientRequest
from eridu.identity.v1.membership_service_pb2 import (
    ChangeMembershipRoleRequest,
    GrantMembershipRequest,
    ListMembershipsRequest,
)
from eridu.production.v1 import events_pb2
from eridu.production.v1.show_service_pb2 import ConfirmShowRequest, CreateShowRequest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from libs.common import uids
from libs.common.access import Caller
from libs.common.clock import now
from libs.common.db import Database
from libs.common.once import AlreadySeen, EventsOnce
from services.identity.commands import trail as commands
from services.identity.consumers import SHOWS
from services.identity.domain.trail import Audit, Dependant
from services.identity.store import groups as group_store
from tests.support.house import House, at, build_house
from tests.support.suite import Suite, refused, request_id, until


async def audits(who: Any, least: int = 1, **wanted: Any) -> list[Any]:
    """The changes that somebody is told of, newest first, as soon as there are so many."""

    async def enough() -> Any:
        found = list((await who(ListAuditsRequest(**wanted))).audits)
        return len(found) >= least and found

    return list(await until(enough))


async def manager_of_the_client(house: House) -> Any:
    """The client's member, promoted."""
    mine = await house.root(ListMembershipsRequest(user_uid=house.people["client_member"].uid))
    await house.root(ChangeMembershipRoleRequest(uid=mine.memberships[0].uid, role=access_pb2.ROLE_MANAGER))
    return house.client_member


async def test_a_change_says_who_did_what_when_and_why(house: House):
    rid = request_id()
    request = UpdateClientRequest(
        uid=house.client.uid, name=f"{house.client.name} & co", reason="merged", request_id=rid
    )
    changed = await house.root(request)
    [update, created] = await audits(house.root, 2, entity_uid=house.client.uid)
    assert (update.action, update.service, update.reason, update.request_id) == (
        "client.updated",
        "identity",
        "merged",
        rid,
    )
    assert dict(update.old_values) == {"name": house.client.name}
    assert dict(update.new_values) == {"name": changed.name}
    assert (update.entity_version, update.client_uid) == (2, house.client.uid)
    assert update.actor.startswith("user_")
    assert update.occurred_at.ToDatetime() > created.occurred_at.ToDatetime()
    assert created.action == "client.created"


async def test_what_a_service_does_for_somebody_names_both(house: House):
    room = await house.room("A")
    show = await house.manager(
        CreateShowRequest(
            studio_uid=house.studio.uid,
            client_uid=house.client.uid,
            name="show",
            room_uid=room.uid,
            starts_at=at("2026-03-01T10:00"),
            ends_at=at("2026-03-01T11:00"),
        )
    )
    await house.manager(ConfirmShowRequest(uid=show.uid))
    manager = house.people["manager"].uid
    [booking] = await audits(house.manager, group_uid=house.studio.uid, action="booking.confirmed")
    assert (booking.actor, booking.on_behalf_of, booking.service) == ("service:production", manager, "scheduling")
    mine = await audits(house.root, 4, actor=manager)
    assert {one.action for one in mine} >= {"room.created", "show.created", "show.confirmed", "booking.confirmed"}
    theirs = await audits(house.root, actor="service:production", group_uid=house.studio.uid)
    assert {one.action for one in theirs} == {"booking.confirmed"}

    async def everybody() -> bool:
        found = await audits(house.root, group_uid=house.studio.uid)
        return {one.service for one in found} == {"identity", "scheduling", "production", "tasks"}

    assert await until(everybody)


async def test_a_client_sees_its_own_and_a_studio_its_own(house: House, suite: Suite):
    other = await build_house(suite)
    await house.schedule()
    await house.schedule(client_uid=other.client.uid)
    client = await manager_of_the_client(house)

    async def seen() -> Any:
        return (await audits(client, group_uid=house.client.uid, action="schedule.created")) or None

    assert {one.client_uid for one in await until(seen)} == {house.client.uid}
    both = await audits(house.manager, 2, group_uid=house.studio.uid, action="schedule.created")
    assert {one.client_uid for one in both} == {house.client.uid, other.client.uid}
    for who, group in (
        (client, house.studio.uid),
        (house.manager, house.client.uid),
        (house.manager, other.studio.uid),
    ):
        refusal = await refused(who(ListAuditsRequest(group_uid=group)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "GROUP_NOT_FOUND")
    assert (await refused(house.member(ListAuditsRequest(group_uid=house.studio.uid)))).reason == "ROLE_TOO_LOW"
    assert (await refused(house.manager(ListAuditsRequest()))).reason == "GROUP_NEEDED"


async def test_the_trail_comes_in_pages_newest_first_and_each_once(house: House):
    for number in range(7):
        await house.room(f"room {number}")
    all_at_once = await audits(house.manager, 7, group_uid=house.studio.uid, action="room.created")
    query = ListAuditsRequest(group_uid=house.studio.uid, action="room.created", page_size=3)
    found: list[Any] = []
    while True:
        page = await house.manager(query)
        found += page.audits
        if not page.next_page_token:
            break
        query.page_token = page.next_page_token
    assert found == all_at_once
    assert [one.new_values["name"] for one in found] == [f"room {number}" for number in reversed(range(7))]
    query.action = "mc.created"
    assert (await refused(house.manager(query))).reason == "PAGE_TOKEN_INVALID"


async def test_the_trail_is_cut_by_time(house: House):
    await house.room("A")
    [first] = await audits(house.manager, group_uid=house.studio.uid, action="room.created")
    wanted = {"group_uid": house.studio.uid, "action": "room.created"}
    at_once = Timestamp(seconds=first.occurred_at.seconds, nanos=first.occurred_at.nanos)
    assert (await house.manager(ListAuditsRequest(**wanted, occurred_from=at_once))).audits == [first]
    assert not (await house.manager(ListAuditsRequest(**wanted, occurred_until=at_once))).audits


async def test_a_platforms_managers_see_what_happens_to_it(house: House):
    platform = await house.platform()
    uid = house.people["manager"].uid
    await house.root(GrantMembershipRequest(user_uid=uid, group_uid=platform.uid, role=access_pb2.ROLE_MANAGER))
    found = await audits(house.manager, 2, group_uid=platform.uid)
    assert [one.action for one in found] == ["membership.granted", "platform.created"]


def an_audit(entity_uid: str, **more: Any) -> Audit:
    empty = dict.fromkeys(("on_behalf_of", "studio_uid", "client_uid", "platform_uid", "reason"), "")
    known = {"action": "room.created", "actor": "user_1", "request_id": "", "trace_id": "", "entity_version": 1}
    values: dict[str, Any] = {**empty, **known, "old_values": {}, "new_values": {}, **more}
    return Audit(event_uid=uids.new_uuid(), occurred_at=now(), service="scheduling", entity_uid=entity_uid, **values)


async def gather(db: Database, *found: Audit, dependants: tuple[Dependant, ...] = ()) -> None:
    once = EventsOnce("identity.test", [one.event_uid for one in found])
    await commands.gather_audits(db, Caller.system("identity", once), found, dependants)


async def test_a_change_that_is_told_twice_is_in_the_trail_once(db: Database, house: House):
    told = an_audit(uids.new("room"))
    await gather(db, told)
    with pytest.raises(AlreadySeen):
        await gather(db, told)
    assert len((await house.root(ListAuditsRequest(entity_uid=told.entity_uid))).audits) == 1


async def test_what_lives_in_a_group_is_known_by_its_newest_word_in_whatever_order(db: Database):
    group, room = uids.new("studio"), uids.new("room")

    async def count() -> dict[str, int]:
        async with db.read() as reader:
            return await group_store.count_dependants(reader, group)

    lives = Dependant(room, "room", 1, frozenset({group}))
    gone = Dependant(room, "room", 2, frozenset())
    await gather(db, an_audit(room), dependants=(lives,))
    assert await count() == {"room": 1}
    await gather(db, an_audit(room), dependants=(gone,))
    assert await count() == {}
    await gather(db, an_audit(room), dependants=(lives,))
    assert await count() == {}


@pytest.mark.parametrize("sql", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"])
async def test_the_service_itself_cannot_change_the_trail(db: Database, sql: str):
    with pytest.raises(ProgrammingError) as refusal:
        async with db.begin(Caller.system("identity")) as tx:
            await tx.execute(text(sql))
    assert getattr(refusal.value.orig, "sqlstate", "") == "42501"


def test_every_event_of_a_show_has_the_show_where_identity_looks_for_it():
    described = events_pb2.DESCRIPTOR.message_types_by_name
    shows = {name: message for name, message in described.items() if name.startswith("Show")}
    assert len(shows) == len(SHOWS)
    for message in shows.values():
        assert message.fields_by_name["show"].number == 2
