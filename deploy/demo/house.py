"""What must be there before anybody can plan: people, a studio with its rooms and hosts, clients, a list of tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from eridu.common.v1 import access_pb2
from eridu.identity.v1.client_service_pb2 import CreateClientRequest, ListClientsRequest
from eridu.identity.v1.membership_service_pb2 import GrantMembershipRequest
from eridu.identity.v1.platform_service_pb2 import CreatePlatformRequest, ListPlatformsRequest
from eridu.identity.v1.studio_service_pb2 import CreateStudioRequest
from eridu.identity.v1.user_service_pb2 import CreateUserRequest
from eridu.scheduling.v1.mc_service_pb2 import CreateMcRequest
from eridu.scheduling.v1.room_service_pb2 import CreateRoomRequest
from eridu.tasks.v1 import template_pb2
from eridu.tasks.v1.template_pb2 import Template
from eridu.tasks.v1.template_service_pb2 import ActivateTemplateRequest, CreateTemplateRequest, NewTemplateItem

from deploy.demo.sheet import ZONE, Plan
from libs.client.connection import Eridu, each

AT_ONCE = 16  # calls in flight

PRE, DURING, AFTER = (
    template_pb2.TASK_TYPE_PRE_PRODUCTION,
    template_pb2.TASK_TYPE_PRODUCTION,
    template_pb2.TASK_TYPE_POST_PRODUCTION,
)
ABOUT_MC, ABOUT_PLATFORM = template_pb2.TASK_TYPE_SHOW_MC_REVIEW, template_pb2.TASK_TYPE_SHOW_PLATFORM_REVIEW
FROM_END = template_pb2.DUE_ANCHOR_SHOW_END

ITEMS = (
    NewTemplateItem(title="Check camera and light", type=PRE, required=True, due_offset_minutes=-60),
    NewTemplateItem(title="Check the sound", type=PRE, required=True, needs_review=True, due_offset_minutes=-30),
    NewTemplateItem(title="Put water on the table", type=PRE, due_offset_minutes=-15),
    NewTemplateItem(title="Watch the stream", type=DURING, required=True, due_anchor=FROM_END),
    NewTemplateItem(title="Cut the recording", type=AFTER, due_anchor=FROM_END, due_offset_minutes=2880),
    NewTemplateItem(title="Thank the host", type=ABOUT_MC, due_anchor=FROM_END, due_offset_minutes=1440),
    NewTemplateItem(title="Note the viewers", type=ABOUT_PLATFORM, due_anchor=FROM_END, due_offset_minutes=1440),
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class House:
    """The studio, and who works there: everything else is found through them."""

    studio_uid: str
    manager: Eridu
    crew: Eridu
    crew_uid: str
    clients: dict[str, str]  # name: uid
    template: Template


async def build(admin: Eridu, as_user: Callable[[str], Eridu], plan: Plan, run: str) -> House:
    """A studio of this run's own, with its people, rooms, hosts and list of tasks; clients and platforms stay."""
    studio = await admin.studios.CreateStudio(CreateStudioRequest(name=f"Campus {run}", time_zone=ZONE.key))
    manager, _ = await hire(admin, as_user, studio.uid, f"manager-{run}@eridu.local", access_pb2.ROLE_MANAGER)
    crew, crew_uid = await hire(admin, as_user, studio.uid, f"crew-{run}@eridu.local", access_pb2.ROLE_MEMBER)
    clients = await find_or_make_clients(admin, plan.names("client"))
    await find_or_make_platforms(admin, plan.names("platforms"))
    rooms = [CreateRoomRequest(studio_uid=studio.uid, name=name) for name in plan.names("room")]
    await all_of(manager.rooms.CreateRoom(room) for room in rooms)
    mcs = [CreateMcRequest(studio_uid=studio.uid, name=name) for name in plan.names("mcs")]
    await all_of(manager.mcs.CreateMc(mc) for mc in mcs)
    template = await manager.templates.CreateTemplate(
        CreateTemplateRequest(studio_uid=studio.uid, name="Every show", items=ITEMS)
    )
    template = await manager.templates.ActivateTemplate(ActivateTemplateRequest(uid=template.uid))
    return House(studio.uid, manager, crew, crew_uid, clients, template)


async def hire(
    admin: Eridu, as_user: Callable[[str], Eridu], studio_uid: str, ext_id: str, role: access_pb2.Role.ValueType
) -> tuple[Eridu, str]:
    """A new person with a role in the studio: the connection in their name, and their uid."""
    name = ext_id.partition("@")[0].capitalize()
    user = await admin.users.CreateUser(CreateUserRequest(ext_id=ext_id, email=ext_id, name=name))
    await admin.memberships.GrantMembership(GrantMembershipRequest(user_uid=user.uid, group_uid=studio_uid, role=role))
    return as_user(ext_id), user.uid


async def find_or_make_clients(admin: Eridu, names: list[str]) -> dict[str, str]:
    """The clients of these names; they book in every run's studio."""
    known = {one.name: one.uid async for one in each(admin.clients.ListClients, ListClientsRequest(names=names))}
    new = [CreateClientRequest(name=name) for name in names if name not in known]
    made = await all_of(admin.clients.CreateClient(request) for request in new)
    return known | {client.name: client.uid for client in made}


async def find_or_make_platforms(admin: Eridu, names: list[str]) -> None:
    """The platforms of these names; the plan names them, so nobody needs their uids."""
    query = ListPlatformsRequest(names=names)
    known = {platform.name async for platform in each(admin.platforms.ListPlatforms, query)}
    new = [CreatePlatformRequest(name=name) for name in names if name not in known]
    await all_of(admin.platforms.CreatePlatform(request) for request in new)


async def all_of(calls: Iterable[Awaitable[T]]) -> list[T]:
    """The answers of many calls in their order, a few in flight at once."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(call: Awaitable[T]) -> T:
        async with turn:
            return await call

    return await asyncio.gather(*(one(call) for call in calls))


def targets(item: Any, mcs: int, platforms: int) -> int:
    """How many tasks an item makes for a show with so many hosts and platforms."""
    return {ABOUT_MC: mcs, ABOUT_PLATFORM: platforms}.get(item.type, 1)
