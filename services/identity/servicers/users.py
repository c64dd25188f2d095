"""RPCs of users."""

from __future__ import annotations

from typing import Any

from eridu.identity.v1 import user_pb2, user_service_pb2, user_service_pb2_grpc

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.masks import written
from libs.common.messages import metadata_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.identity import convert, queries
from services.identity.commands import users as commands
from services.identity.servicers.requests import BY_AGE, target

BANNED = {
    user_service_pb2.BAN_FILTER_UNSPECIFIED: None,
    user_service_pb2.BAN_FILTER_BANNED: True,
    user_service_pb2.BAN_FILTER_NOT_BANNED: False,
}


class Users(user_service_pb2_grpc.UserServiceServicer):
    """People who sign in."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def CreateUser(self, request: user_service_pb2.CreateUserRequest, context: Any) -> user_pb2.User:
        """Make a user."""
        given = {
            "ext_id": request.ext_id,
            "email": request.email,
            "name": request.name,
            "metadata": metadata_of(request.metadata),
        }
        return convert.user(await commands.create_user(self.db, caller(), self.clock, given))

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
        page = await queries.list_users(
            self.db,
            caller(),
            PageQuery.of(request, *BY_AGE),
            request.email,
            request.name_part,
            BANNED[request.ban],
            request.group_uid,
            request.show_deleted,
        )
        return user_service_pb2.ListUsersResponse(
            users=[convert.user(user) for user in page.rows], next_page_token=page.next_token
        )

    async def UpdateUser(self, request: user_service_pb2.UpdateUserRequest, context: Any) -> user_pb2.User:
        """Change a user."""
        given = written(request)
        if "metadata" in given:
            given["metadata"] = metadata_of(request.metadata)
        return convert.user(await commands.update_user(self.db, caller(), self.clock, *target(request), given))

    async def DeleteUser(self, request: user_service_pb2.DeleteUserRequest, context: Any) -> user_pb2.User:
        """Delete a user."""
        return convert.user(await commands.delete_user(self.db, caller(), self.clock, *target(request)))

    async def UndeleteUser(self, request: user_service_pb2.UndeleteUserRequest, context: Any) -> user_pb2.User:
        """Bring a deleted user back."""
        return convert.user(await commands.undelete_user(self.db, caller(), self.clock, *target(request)))

    async def BanUser(self, request: user_service_pb2.BanUserRequest, context: Any) -> user_pb2.User:
        """Refuse a user everywhere."""
        return convert.user(await commands.ban_user(self.db, caller(), self.clock, *target(request)))

    async def UnbanUser(self, request: user_service_pb2.UnbanUserRequest, context: Any) -> user_pb2.User:
        """Admit a banned user again."""
        return convert.user(await commands.unban_user(self.db, caller(), self.clock, *target(request)))
