"""How long a right that was taken away still works: in every service, with the broker and without it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from eridu.common.v1 import access_pb2
from eridu.identity.v1.membership_service_pb2 import (
    ChangeMembershipRoleRequest,
    GrantMembershipRequest,
    ListMembershipsRequest,
    RevokeMembershipRequest,
)
from eridu.identity.v1.studio_service_pb2 import GetStudioRequest, UpdateStudioRequest
from eridu.identity.v1.user_service_pb2 import BanUserRequest
from eridu.production.v1.show_service_pb2 import CreateShowRequest, GetShowRequest
from eridu.scheduling.v1.room_service_pb2 import CreateRoomRequest, GetRoomRequest
from eridu.tasks.v1.template_service_pb2 import CreateTemplateRequest, GetTemplateRequest, NewTemplateItem

from deploy.local.nats import Nats
from deploy.local.processes import take_port
from tests.conftest import DATABASE, ROOT
from tests.support.house import House, at, build_house, unique
from tests.support.suite import SERVICES, As, Refusal, Suite

AT_ONCE = 1.0  # seconds, while the broker lives
TTL = 1.5  # seconds that rights are remembered, in the suite whose broker goes away
SLACK = 1.0  # seconds for a busy machine to notice

Probes = dict[str, Callable[[], Any]]  # a request for each service


async def probes_of(house: House) -> tuple[Probes, Probes]:
    """What a member of the studio may read, and what its managers may do, in each service."""
    studio_uid = house.studio.uid
    room = await house.room("A")

    def create_show() -> Any:
        return CreateShowRequest(
            studio_uid=studio_uid,
            client_uid=house.client.uid,
            name=unique("show"),
            starts_at=at("2026-03-01T10:00"),
            ends_at=at("2026-03-01T11:00"),
        )

    def create_template() -> Any:
        item = NewTemplateItem(title="look", type=1)  # type: ignore[arg-type]
        return CreateTemplateRequest(studio_uid=studio_uid, name=unique("template"), items=[item])

    show, template = await house.manager(create_show()), await house.manager(create_template())
    reads: Probes = {
        "identity": lambda: GetStudioRequest(uid=studio_uid),
        "scheduling": lambda: GetRoomRequest(uid=room.uid),
        "production": lambda: GetShowRequest(uid=show.uid),
        "tasks": lambda: GetTemplateRequest(uid=template.uid),
    }
    changes: Probes = {
        "identity": lambda: UpdateStudioRequest(uid=studio_uid),
        "scheduling": lambda: CreateRoomRequest(studio_uid=studio_uid, name=unique("room")),
        "production": create_show,
        "tasks": create_template,
    }
    return reads, changes


async def seconds_until_refused(who: As, probes: Probes, reason: str) -> dict[str, float]:
    """How long each service goes on, from now."""
    began = time.monotonic()

    async def watch(probe: Callable[[], Any]) -> float:
        async with asyncio.timeout(30):
            while not (met := await refusal_of(who, probe())):
                pass
        assert met.endswith(reason)
        return round(time.monotonic() - began, 3)

    return dict(zip(probes, await asyncio.gather(*(watch(probe) for probe in probes.values())), strict=True))


async def membership(house: House) -> Any:
    """The membership of the studio's manager."""
    found = await house.root(ListMembershipsRequest(user_uid=house.people["manager"].uid, group_uid=house.studio.uid))
    return found.memberships[0]


async def take(house: House, what: str) -> str:
    """Take a right from the studio's manager, who is its admin by now; the reason that is met from then on."""
    if what == "ban":
        await house.root(BanUserRequest(uid=house.people["manager"].uid, reason="rude"))
        return "USER_BANNED"
    uid = (await membership(house)).uid
    if what == "revoke":
        await house.root(RevokeMembershipRequest(uid=uid))
        return "_NOT_FOUND"
    await house.root(ChangeMembershipRoleRequest(uid=uid, role=access_pb2.ROLE_MEMBER))
    return "ROLE_TOO_LOW"


async def house_with_admin(suite: Suite) -> tuple[House, Probes, Probes]:
    """A house whose manager was promoted, beside another admin; every service knows the manager's rights."""
    house = await build_house(suite)
    reads, changes = await probes_of(house)
    await house.root(ChangeMembershipRoleRequest(uid=(await membership(house)).uid, role=access_pb2.ROLE_ADMIN))
    stranger = house.people["stranger"].uid
    await house.root(GrantMembershipRequest(user_uid=stranger, group_uid=house.studio.uid, role=access_pb2.ROLE_ADMIN))
    async with asyncio.timeout(30):
        for probe in (*reads.values(), *changes.values()):
            while await refusal_of(house.manager, probe()):
                pass
    return house, reads, changes


async def refusal_of(who: As, request: Any) -> str:
    """The reason why a call is refused now, if it is."""
    try:
        await who(request)
    except grpc.aio.AioRpcError as error:
        return Refusal(error).reason
    return ""


@pytest.mark.parametrize("what", ["ban", "revoke", "demote"])
async def test_a_right_that_is_taken_away_is_gone_everywhere_within_a_second(
    suite: Suite, what: str, record_property: Callable[[str, object], None]
):
    house, reads, changes = await house_with_admin(suite)
    reason = await take(house, what)
    took = await seconds_until_refused(house.manager, changes if what == "demote" else reads, reason)
    record_property(what, took)
    print(f"{what}: seconds until refused {took}")
    assert set(took) == set(SERVICES)
    assert max(took.values()) < AT_ONCE


@pytest.fixture
async def lonely(worker: str) -> AsyncIterator[tuple[Suite, Nats]]:
    """A suite of its own, and its broker."""
    root = Path(os.environ[ROOT]) / worker / "lonely"
    nats = Nats(root, "test")
    nats.start(take_port(), take_port())
    suite = Suite(root, os.environ[DATABASE], f"eridu_{worker}_lonely", nats.url)
    try:
        for service in ("identity", "scheduling", "tasks", "production"):
            await suite.start_one(service, principal_ttl=TTL)
        yield suite, nats
    finally:
        await suite.stop()
        nats.stop()


async def test_without_the_broker_it_is_gone_when_what_is_remembered_ends(
    lonely: tuple[Suite, Nats], record_property: Callable[[str, object], None]
):
    suite, nats = lonely
    house, reads, _ = await house_with_admin(suite)
    nats.stop()
    reason = await take(house, "ban")
    took = await seconds_until_refused(house.manager, reads, reason)
    record_property("without the broker", took)
    print(f"ban without the broker: seconds until refused {took}")
    assert max(took.values()) < TTL + SLACK
