"""RPCs of rooms and MCs."""

from __future__ import annotations

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
from libs.common.messages import metadata_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.scheduling import queries
from services.scheduling.commands import resources as commands
from services.scheduling.convert import resources as convert
from services.scheduling.neighbours import Identity

BY_NAME = (str, str)  # the sort keys of the lists


class Rooms(room_service_pb2_grpc.RoomServiceServicer):
    """Where shows are made."""

    def __init__(self, db: Database, clock: Clock, identity: Identity) -> None:
        self.db, self.clock, self.identity = db, clock, identity

    async def CreateRoom(self, request: room_service_pb2.CreateRoomRequest, context: Any) -> room_pb2.Room:
        """Make a room."""
        given = {
            "name": request.name,
            "capacity": request.capacity,
            "capabilities": tuple(sorted(request.capabilities)),
            "turnaround_before": request.turnaround_before_minutes,
            "turnaround_after": request.turnaround_after_minutes,
            "metadata": metadata_of(request.metadata),
        }
        room = await commands.create_room(self.db, caller(), self.clock, self.identity, request.studio_uid, given)
        return convert.room(room)

    async def GetRoom(self, request: room_service_pb2.GetRoomRequest, context: Any) -> room_pb2.Room:
        """Read a room."""
        return convert.room(await queries.get_room(self.db, caller(), request.uid))

    async def ListRooms(
        self, request: room_service_pb2.ListRoomsRequest, context: Any
    ) -> room_service_pb2.ListRoomsResponse:
        """List a studio's rooms."""
        page = await queries.list_rooms(self.db, caller(), request.studio_uid, PageQuery.of(request, *BY_NAME))
        return room_service_pb2.ListRoomsResponse(
            rooms=[convert.room(room) for room in page.rows], next_page_token=page.next_token
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
            "metadata": metadata_of(request.metadata),
        }
        mc = await commands.create_mc(self.db, caller(), self.clock, self.identity, request.studio_uid, given)
        return convert.mc(mc)

    async def GetMc(self, request: mc_service_pb2.GetMcRequest, context: Any) -> mc_pb2.Mc:
        """Read an MC."""
        return convert.mc(await queries.get_mc(self.db, caller(), request.uid))

    async def ListMcs(self, request: mc_service_pb2.ListMcsRequest, context: Any) -> mc_service_pb2.ListMcsResponse:
        """List a studio's MCs."""
        page = await queries.list_mcs(self.db, caller(), request.studio_uid, PageQuery.of(request, *BY_NAME))
        return mc_service_pb2.ListMcsResponse(mcs=[convert.mc(mc) for mc in page.rows], next_page_token=page.next_token)
