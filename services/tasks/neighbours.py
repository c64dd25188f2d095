"""What tasks asks of its neighbour identity: about studios, clients and memberships."""

from __future__ import annotations

from eridu.identity.v1.client_service_pb2 import GetClientRequest
from eridu.identity.v1.client_service_pb2_grpc import ClientServiceStub
from eridu.identity.v1.membership_service_pb2 import ListMembershipsRequest
from eridu.identity.v1.membership_service_pb2_grpc import MembershipServiceStub
from eridu.identity.v1.studio_service_pb2 import GetStudioRequest
from eridu.identity.v1.studio_service_pb2_grpc import StudioServiceStub

from libs.common.rpc.neighbours import Neighbours


class Identity:
    """Questions to identity. Asked before a transaction opens, never inside one."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.ask = neighbours.ask
        channel = neighbours.channel("identity")
        self.studios = StudioServiceStub(channel)
        self.clients = ClientServiceStub(channel)
        self.memberships = MembershipServiceStub(channel)

    async def require_studio(self, uid: str) -> None:
        """NotFound (STUDIO_NOT_FOUND) unless the studio is among the living, and the caller may know of it."""
        await self.ask(self.studios.GetStudio, GetStudioRequest(uid=uid))

    async def require_client(self, uid: str) -> None:
        """NotFound (CLIENT_NOT_FOUND) unless the client is among the living."""
        # In this service's own name: a studio's manager is no member of its clients.
        await self.ask(self.clients.GetClient, GetClientRequest(uid=uid), own_name=True)

    async def is_member(self, user_uid: str, group_uid: str) -> bool:
        """Whether a user has a role in a group."""
        # In this service's own name: users see the memberships of others in their own groups only.
        question = ListMembershipsRequest(user_uid=user_uid, group_uid=group_uid)
        return bool((await self.ask(self.memberships.ListMemberships, question, own_name=True)).memberships)
