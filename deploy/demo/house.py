"""What must be there before anybody can plan: people, a studio with its rooms and hosts, clients, a list of tasks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from eridu.common.v1 import access_pb2
from eridu.identity.v1.client_service_pb2 import CreateClientRequest, ListClientsRequest
from eridu.identity.v1.membership_service_pb2 import GrantMembershipRequest
from eridu.identity.v1.platform_service_pb2 import CreatePlatformRequest, ListPlatformsRequest
from eridu.identity.v1.studio_service_pb2 import CreateStudioRequest, ListStudiosRequest
from eridu.identity.v1.user_service_pb2 import CreateUserRequest, ListUsersRequest
from eridu.scheduling.v1.mc_service_pb2 import CreateMcRequest, ListMcsRequest
from eridu.scheduling.v1.room_service_pb2 import CreateRoomRequest, ListRoomsRequest
from eridu.tasks.v1 import template_pb2
from eridu.tasks.v1.template_pb2 import Template
from eridu.tasks.v1.template_service_pb2 import (
    ActivateTemplateRequest,
    CreateTemplateRequest,
    ListTemplatesRequest,
    NewTemplateItem,
)

from deploy.demo.sheet import ZONE, Plan
from libs.client.connection import Eridu, each
from libs.common.errors import AlreadyExists

AT_ONCE = 16  # calls in flight

STUDIO = "Campus"
MANAGER, CREW = "manager@eridu.local", "crew@eridu.local"
TEMPLATE = "Every show"

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


async def build(admin: Eridu, as_user: Callable[[str], Eridu], plan: Plan) -> House:
    """The studio with its people, rooms, hosts and list of tasks: what an earlier run left is found, the rest made."""
    query = ListStudiosRequest(names=[STUDIO])
    studio = await find_or_make(
        each(admin.studios.ListStudios, query),
        [STUDIO],
        lambda name: admin.studios.CreateStudio(CreateStudioRequest(name=name, time_zone=ZONE.key)),
    )
    uid = studio[STUDIO].uid
    await hire(admin, uid, MANAGER, access_pb2.ROLE_MANAGER)
    crew_uid = await hire(admin, uid, CREW, access_pb2.ROLE_MEMBER)
    clients = await find_or_make(
        each(admin.clients.ListClients, ListClientsRequest(names=plan.names("client"))),
        plan.names("client"),
        lambda name: admin.clients.CreateClient(CreateClientRequest(name=name)),
    )
    await find_or_make(
        each(admin.platforms.ListPlatforms, ListPlatformsRequest(names=plan.names("platforms"))),
        plan.names("platforms"),
        lambda name: admin.platforms.CreatePlatform(CreatePlatformRequest(name=name)),
    )
    manager = as_user(MANAGER)
    await find_or_make(
        each(manager.rooms.ListRooms, ListRoomsRequest(studio_uid=uid)),
        plan.names("room"),
        lambda name: manager.rooms.CreateRoom(CreateRoomRequest(studio_uid=uid, name=name)),
    )
    await find_or_make(
        each(manager.mcs.ListMcs, ListMcsRequest(studio_uid=uid)),
        plan.names("mcs"),
        lambda name: manager.mcs.CreateMc(CreateMcRequest(studio_uid=uid, name=name)),
    )
    template = await list_of_tasks(manager, uid)
    return House(uid, manager, as_user(CREW), crew_uid, {name: one.uid for name, one in clients.items()}, template)


async def hire(admin: Eridu, studio_uid: str, ext_id: str, role: access_pb2.Role.ValueType) -> str:
    """A person with a role in the studio: the uid."""
    name = ext_id.partition("@")[0].capitalize()
    people = await find_or_make(
        each(admin.users.ListUsers, ListUsersRequest(email=ext_id)),
        [name],
        lambda name: admin.users.CreateUser(CreateUserRequest(ext_id=ext_id, email=ext_id, name=name)),
    )
    uid = str(people[name].uid)
    with contextlib.suppress(AlreadyExists):
        await admin.memberships.GrantMembership(GrantMembershipRequest(user_uid=uid, group_uid=studio_uid, role=role))
    return uid


async def list_of_tasks(manager: Eridu, studio_uid: str) -> Template:
    """What is to be done for every show, active."""
    templates = await find_or_make(
        each(manager.templates.ListTemplates, ListTemplatesRequest(studio_uid=studio_uid)),
        [TEMPLATE],
        lambda name: manager.templates.CreateTemplate(
            CreateTemplateRequest(studio_uid=studio_uid, name=name, items=ITEMS)
        ),
    )
    template: Template = templates[TEMPLATE]
    if not template.active:
        template = await manager.templates.ActivateTemplate(ActivateTemplateRequest(uid=template.uid))
    return template


async def find_or_make(
    known: AsyncIterable[Any], names: Iterable[str], make: Callable[[str], Awaitable[Any]]
) -> dict[str, Any]:
    """Something by each of these names: what is known, and what has to be made."""
    found = {one.name: one async for one in known}
    made = await all_of(make(name) for name in names if name not in found)
    return found | {one.name: one for one in made}


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
