"""RPCs of memberships."""

from __future__ import annotations

from typing import Any

from eridu.identity.v1 import membership_pb2, membership_service_pb2, membership_service_pb2_grpc

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.identity import convert, queries
from services.identity.commands import memberships as commands
from services.identity.servicers.requests import BY_AGE, target


class Memberships(membership_service_pb2_grpc.MembershipServiceServicer):
    """Who belongs to which group."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def GrantMembership(
        self, request: membership_service_pb2.GrantMembershipRequest, context: Any
    ) -> membership_pb2.Membership:
        """Give a user a role in a group."""
        membership = await commands.grant_membership(
            self.db,
            caller(),
            self.clock,
            request.user_uid,
            request.group_uid,
            convert.ROLE_OF[request.role],
            convert.moment(request, "starts_at"),
            convert.moment(request, "ends_at"),
            request.reason,
        )
        return convert.membership(membership)

    async def ChangeMembershipRole(
        self, request: membership_service_pb2.ChangeMembershipRoleRequest, context: Any
    ) -> membership_pb2.Membership:
        """Give a membership another role."""
        role = convert.ROLE_OF[request.role]
        return convert.membership(
            await commands.change_membership_role(self.db, caller(), self.clock, *target(request), role)
        )

    async def RevokeMembership(
        self, request: membership_service_pb2.RevokeMembershipRequest, context: Any
    ) -> membership_pb2.Membership:
        """End a membership."""
        return convert.membership(await commands.revoke_membership(self.db, caller(), self.clock, *target(request)))

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
