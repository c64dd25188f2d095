"""Identity's RPCs: read the request, make the change or the read, render the answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from eridu.identity.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    client_pb2,
    client_service_pb2,
    client_service_pb2_grpc,
    membership_pb2,
    membership_service_pb2,
    membership_service_pb2_grpc,
    platform_pb2,
    platform_service_pb2,
    platform_service_pb2_grpc,
    studio_pb2,
    studio_service_pb2,
    studio_service_pb2_grpc,
    user_pb2,
    user_service_pb2,
    user_service_pb2_grpc,
)

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.messages import metadata_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.identity import commands, convert, queries
from services.identity.domain import CLIENT, DAY_START, PLATFORM, STUDIO, Client, Platform, Studio

BY_AGE = (datetime, str)  # the sort keys of the lists
BY_NAME = (str, str)


class Users(user_service_pb2_grpc.UserServiceServicer):
    """People who sign in."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def CreateUser(self, request: user_service_pb2.CreateUserRequest, context: Any) -> user_pb2.User:
        """Make a user."""
        user = await commands.create_user(
            self.db,
            caller(),
            self.clock,
            ext_id=request.ext_id,
            email=request.email,
            name=request.name,
            metadata=metadata_of(request.metadata),
        )
        return convert.user(user)

    async def GetUser(self, request: user_service_pb2.GetUserRequest, context: Any) -> user_pb2.User:
        """Read a user."""
        return convert.user(await queries.get_user(self.db, caller(), request.uid))

    async def GetMe(self, request: user_service_pb2.GetMeRequest, context: Any) -> user_pb2.User:
        """Read the caller."""
        return convert.user(await queries.get_user(self.db, caller(), caller().user_uid))

    async def ListUsers(
        self, request: user_service_pb2.ListUsersRequest, context: Any
    ) -> user_service_pb2.ListUsersResponse:
        """List users."""
        page = await queries.list_users(self.db, request.email, PageQuery.of(request, *BY_AGE))
        return user_service_pb2.ListUsersResponse(
            users=[convert.user(user) for user in page.rows], next_page_token=page.next_token
        )


class Clients(client_service_pb2_grpc.ClientServiceServicer):
    """Clients: who books shows."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def CreateClient(self, request: client_service_pb2.CreateClientRequest, context: Any) -> client_pb2.Client:
        """Make a client."""
        client = await commands.create_client(
            self.db,
            caller(),
            self.clock,
            name=request.name,
            contact_person=request.contact_person,
            contact_email=request.contact_email,
            metadata=metadata_of(request.metadata),
        )
        return convert.client(client)

    async def GetClient(self, request: client_service_pb2.GetClientRequest, context: Any) -> client_pb2.Client:
        """Read a client."""
        return convert.client(cast(Client, await queries.get_group(self.db, caller(), CLIENT, request.uid)))

    async def ListClients(
        self, request: client_service_pb2.ListClientsRequest, context: Any
    ) -> client_service_pb2.ListClientsResponse:
        """List clients."""
        page = await queries.list_groups(
            self.db, caller(), CLIENT, request.names, request.uids, PageQuery.of(request, *BY_NAME)
        )
        return client_service_pb2.ListClientsResponse(
            clients=[convert.client(cast(Client, client)) for client in page.rows],
            next_page_token=page.next_token,
        )


class Studios(studio_service_pb2_grpc.StudioServiceServicer):
    """Studios: who makes shows."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def CreateStudio(self, request: studio_service_pb2.CreateStudioRequest, context: Any) -> studio_pb2.Studio:
        """Make a studio."""
        studio = await commands.create_studio(
            self.db,
            caller(),
            self.clock,
            name=request.name,
            address=request.address,
            time_zone=request.time_zone,
            operational_day_start=request.operational_day_start or DAY_START,
            task_gate=convert.GATE_OF[request.task_gate],
            metadata=metadata_of(request.metadata),
        )
        return convert.studio(studio)

    async def GetStudio(self, request: studio_service_pb2.GetStudioRequest, context: Any) -> studio_pb2.Studio:
        """Read a studio."""
        return convert.studio(cast(Studio, await queries.get_group(self.db, caller(), STUDIO, request.uid)))

    async def ListStudios(
        self, request: studio_service_pb2.ListStudiosRequest, context: Any
    ) -> studio_service_pb2.ListStudiosResponse:
        """List studios."""
        page = await queries.list_groups(
            self.db, caller(), STUDIO, request.names, request.uids, PageQuery.of(request, *BY_NAME)
        )
        return studio_service_pb2.ListStudiosResponse(
            studios=[convert.studio(cast(Studio, studio)) for studio in page.rows],
            next_page_token=page.next_token,
        )


class Platforms(platform_service_pb2_grpc.PlatformServiceServicer):
    """Platforms: who broadcasts shows."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def CreatePlatform(
        self, request: platform_service_pb2.CreatePlatformRequest, context: Any
    ) -> platform_pb2.Platform:
        """Make a platform."""
        platform = await commands.create_platform(
            self.db,
            caller(),
            self.clock,
            name=request.name,
            metadata=metadata_of(request.metadata),
        )
        return convert.platform(platform)

    async def GetPlatform(
        self, request: platform_service_pb2.GetPlatformRequest, context: Any
    ) -> platform_pb2.Platform:
        """Read a platform."""
        return convert.platform(cast(Platform, await queries.get_group(self.db, caller(), PLATFORM, request.uid)))

    async def ListPlatforms(
        self, request: platform_service_pb2.ListPlatformsRequest, context: Any
    ) -> platform_service_pb2.ListPlatformsResponse:
        """List platforms."""
        page = await queries.list_groups(
            self.db, caller(), PLATFORM, request.names, request.uids, PageQuery.of(request, *BY_NAME)
        )
        return platform_service_pb2.ListPlatformsResponse(
            platforms=[convert.platform(cast(Platform, platform)) for platform in page.rows],
            next_page_token=page.next_token,
        )


class Memberships(membership_service_pb2_grpc.MembershipServiceServicer):
    """Who belongs to which group."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def GrantMembership(
        self, request: membership_service_pb2.GrantMembershipRequest, context: Any
    ) -> membership_pb2.Membership:
        """Give a user a role in a group."""
        membership = await commands.grant_membership(
            self.db, caller(), self.clock, request.user_uid, request.group_uid, convert.ROLE_OF[request.role]
        )
        return convert.membership(membership)

    async def ListMemberships(
        self, request: membership_service_pb2.ListMembershipsRequest, context: Any
    ) -> membership_service_pb2.ListMembershipsResponse:
        """List memberships."""
        page = await queries.list_memberships(
            self.db, caller(), request.user_uid, request.group_uid, PageQuery.of(request, *BY_AGE)
        )
        return membership_service_pb2.ListMembershipsResponse(
            memberships=[convert.membership(row) for row in page.rows], next_page_token=page.next_token
        )


class Access(access_service_pb2_grpc.AccessServiceServicer):
    """What the other services ask about callers."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def GetPrincipal(
        self, request: access_service_pb2.GetPrincipalRequest, context: Any
    ) -> access_service_pb2.Principal:
        """The rights behind a token's subject."""
        return convert.principal(await queries.get_principal(self.db, request.ext_id))
