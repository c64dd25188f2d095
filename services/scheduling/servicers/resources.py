"""RPCs of rooms and MCs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eridu.scheduling.v1 import (
    mc_pb2,
    mc_service_pb2,
    mc_service_pb2_grpc,
    room_pb2,
    room_service_pb2,
    room_service_pb2_grpc,
)

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.masks import written
from libs.common.messages import metadata_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.scheduling.commands import resources as commands
from services.scheduling.convert import resources as convert
from services.scheduling.convert.blackouts import at_risk
from services.scheduling.domain.resource import MC, ROOM
from services.scheduling.neighbours import Identity
from services.scheduling.queries import resources as queries
from services.scheduling.servicers.requests import target

BY_NAME = (str, str)  # the sort keys of the lists

# Fields whose name or value in a request is not the domain's.
NAMES = {"turnaround_before_minutes": "turnaround_before", "turnaround_after_minutes": "turnaround_after"}
VALUES: Mapping[str, Callable[[Any], Any]] = {
    "capabilities": lambda words: tuple(sorted(words)),
    "equipment": lambda words: tuple(sorted(words)),
    "metadata": metadata_of,
}


def plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a request as the domain names and keeps them."""
    return {NAMES.get(name, name): VALUES.get(name, lambda value: value)(value) for name, value in given.items()}


class Rooms(room_service_pb2_grpc.RoomServiceServicer):
    """Where shows are made."""

    def __init__(self, db: Database, clock: Clock, identity: Identity) -> None:
        self.db, self.clock, self.identity = db, clock, identity

    async def CreateRoom(self, request: room_service_pb2.CreateRoomRequest, context: Any) -> room_pb2.Room:
        """Make a room."""
        given = plain(
            {
                "name": request.name,
                "capacity": request.capacity,
                "capabilities": request.capabilities,
                "turnaround_before_minutes": request.turnaround_before_minutes,
                "turnaround_after_minutes": request.turnaround_after_minutes,
                "equipment": request.equipment,
                "metadata": request.metadata,
            }
        )
        room = await commands.create_room(self.db, caller(), self.clock, self.identity, request.studio_uid, given)
        return convert.room(room)

    async def GetRoom(self, request: room_service_pb2.GetRoomRequest, context: Any) -> room_pb2.Room:
        """Read a room."""
        return convert.room(await queries.get_room(self.db, caller(), request.uid))

    async def BatchGetRooms(
        self, request: room_service_pb2.BatchGetRoomsRequest, context: Any
    ) -> room_service_pb2.BatchGetRoomsResponse:
        """Read many rooms."""
        found, missing = await queries.batch_get_resources(self.db, caller(), ROOM, request.uids)
        return room_service_pb2.BatchGetRoomsResponse(rooms=[convert.room(one) for one in found], missing_uids=missing)

    async def ListRooms(
        self, request: room_service_pb2.ListRoomsRequest, context: Any
    ) -> room_service_pb2.ListRoomsResponse:
        """List a studio's rooms."""
        page = await queries.list_rooms(
            self.db,
            caller(),
            request.studio_uid,
            capabilities=request.capabilities,
            least_capacity=request.least_capacity,
            active=request.active if request.HasField("active") else None,
            name_part=request.name_part,
            show_deleted=request.show_deleted,
            page=PageQuery.of(request, *BY_NAME),
        )
        return room_service_pb2.ListRoomsResponse(
            rooms=[convert.room(room) for room in page.rows], next_page_token=page.next_token
        )

    async def UpdateRoom(
        self, request: room_service_pb2.UpdateRoomRequest, context: Any
    ) -> room_service_pb2.UpdateRoomResponse:
        """Change a room."""
        given = plain(written(request))
        room, risk = await commands.update_room(self.db, caller(), self.clock, *target(request), given)
        return room_service_pb2.UpdateRoomResponse(room=convert.room(room), at_risk=at_risk(risk, caller()))

    async def DeleteRoom(self, request: room_service_pb2.DeleteRoomRequest, context: Any) -> room_pb2.Room:
        """Delete a room."""
        return convert.room(await commands.delete_resource(self.db, caller(), self.clock, ROOM, *target(request)))

    async def UndeleteRoom(self, request: room_service_pb2.UndeleteRoomRequest, context: Any) -> room_pb2.Room:
        """Bring a deleted room back."""
        return convert.room(
            await commands.undelete_resource(self.db, caller(), self.clock, self.identity, ROOM, *target(request))
        )


class Mcs(mc_service_pb2_grpc.McServiceServicer):
    """Who presents shows."""

    def __init__(self, db: Database, clock: Clock, identity: Identity) -> None:
        self.db, self.clock, self.identity = db, clock, identity

    async def CreateMc(self, request: mc_service_pb2.CreateMcRequest, context: Any) -> mc_pb2.Mc:
        """Make an MC."""
        given = {
            "name": request.name,
            "alias": request.alias,
            "user_uid": request.user_uid,
            "profile": request.profile,
            "metadata": metadata_of(request.metadata),
        }
        mc = await commands.create_mc(self.db, caller(), self.clock, self.identity, request.studio_uid, given)
        return convert.mc(mc)

    async def GetMc(self, request: mc_service_pb2.GetMcRequest, context: Any) -> mc_pb2.Mc:
        """Read an MC."""
        return convert.mc(await queries.get_mc(self.db, caller(), request.uid))

    async def BatchGetMcs(
        self, request: mc_service_pb2.BatchGetMcsRequest, context: Any
    ) -> mc_service_pb2.BatchGetMcsResponse:
        """Read many MCs."""
        found, missing = await queries.batch_get_resources(self.db, caller(), MC, request.uids)
        return mc_service_pb2.BatchGetMcsResponse(mcs=[convert.mc(one) for one in found], missing_uids=missing)

    async def ListMcs(self, request: mc_service_pb2.ListMcsRequest, context: Any) -> mc_service_pb2.ListMcsResponse:
        """List a studio's MCs."""
        page = await queries.list_mcs(
            self.db,
            caller(),
            request.studio_uid,
            banned=request.banned if request.HasField("banned") else None,
            user_uid=request.user_uid,
            name_part=request.name_part,
            show_deleted=request.show_deleted,
            page=PageQuery.of(request, *BY_NAME),
        )
        return mc_service_pb2.ListMcsResponse(mcs=[convert.mc(mc) for mc in page.rows], next_page_token=page.next_token)

    async def UpdateMc(self, request: mc_service_pb2.UpdateMcRequest, context: Any) -> mc_pb2.Mc:
        """Change an MC."""
        given = plain(written(request))
        return convert.mc(await commands.update_mc(self.db, caller(), self.clock, *target(request), given))

    async def DeleteMc(self, request: mc_service_pb2.DeleteMcRequest, context: Any) -> mc_pb2.Mc:
        """Delete an MC."""
        return convert.mc(await commands.delete_resource(self.db, caller(), self.clock, MC, *target(request)))

    async def UndeleteMc(self, request: mc_service_pb2.UndeleteMcRequest, context: Any) -> mc_pb2.Mc:
        """Bring a deleted MC back."""
        return convert.mc(
            await commands.undelete_resource(self.db, caller(), self.clock, self.identity, MC, *target(request))
        )

    async def BanMc(self, request: mc_service_pb2.BanMcRequest, context: Any) -> mc_service_pb2.BanMcResponse:
        """Book an MC no more."""
        mc, risk = await commands.ban_mc(self.db, caller(), self.clock, *target(request))
        return mc_service_pb2.BanMcResponse(mc=convert.mc(mc), at_risk=at_risk(risk, caller()))

    async def UnbanMc(self, request: mc_service_pb2.UnbanMcRequest, context: Any) -> mc_pb2.Mc:
        """Book an MC again."""
        return convert.mc(await commands.unban_mc(self.db, caller(), self.clock, *target(request)))
