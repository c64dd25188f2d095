"""RPCs of holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import hold_pb2, hold_service_pb2, hold_service_pb2_grpc

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.scheduling.commands import holds as commands
from services.scheduling.convert import holds as convert
from services.scheduling.neighbours import Identity
from services.scheduling.queries import bookings as queries

BY_START = (datetime, str)  # the sort key of the list


class Holds(hold_service_pb2_grpc.HoldServiceServicer):
    """Options on rooms and MCs."""

    def __init__(self, db: Database, clock: Clock, identity: Identity) -> None:
        self.db, self.clock, self.identity = db, clock, identity

    async def CreateHold(self, request: hold_service_pb2.CreateHoldRequest, context: Any) -> hold_pb2.Hold:
        """Hold a room, MCs or both."""
        held = await commands.create_hold(
            self.db,
            caller(),
            self.clock,
            self.identity,
            request.studio_uid,
            request.client_uid,
            request.reason,
            convert.asked(request),
        )
        return convert.hold(held)

    async def GetHold(self, request: hold_service_pb2.GetHoldRequest, context: Any) -> hold_pb2.Hold:
        """Read a hold."""
        return convert.hold(await queries.get_hold(self.db, caller(), request.uid, self.clock()))

    async def ListHolds(
        self, request: hold_service_pb2.ListHoldsRequest, context: Any
    ) -> hold_service_pb2.ListHoldsResponse:
        """List holds."""
        page = await queries.list_holds(
            self.db,
            caller(),
            studio_uid=request.studio_uid,
            client_uid=request.client_uid,
            resource_uid=request.resource_uid,
            show_ended=request.show_ended,
            now=self.clock(),
            page=PageQuery.of(request, *BY_START),
        )
        return hold_service_pb2.ListHoldsResponse(
            holds=[convert.hold(one) for one in page.rows], next_page_token=page.next_token
        )

    async def ReleaseHold(self, request: hold_service_pb2.ReleaseHoldRequest, context: Any) -> hold_pb2.Hold:
        """Give an option back."""
        released = await commands.release_hold(self.db, caller(), self.clock, request.uid, request.etag, request.reason)
        return convert.hold(released)
