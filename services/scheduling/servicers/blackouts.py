"""RPCs of blackouts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import blackout_pb2, blackout_service_pb2, blackout_service_pb2_grpc

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.messages import metadata_of, time_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.scheduling.commands import blackouts as commands
from services.scheduling.convert import blackouts as convert
from services.scheduling.convert.resources import KIND_OF
from services.scheduling.queries import resources as queries
from services.scheduling.servicers.requests import target

BY_START = (datetime, str)  # the sort key of the list


class Blackouts(blackout_service_pb2_grpc.BlackoutServiceServicer):
    """When rooms and MCs cannot be used."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def CreateBlackout(
        self, request: blackout_service_pb2.CreateBlackoutRequest, context: Any
    ) -> blackout_service_pb2.CreateBlackoutResponse:
        """Take a room or an MC out of use for a period."""
        given = {
            "starts_at": time_of(request.starts_at),
            "ends_at": time_of(request.ends_at),
            "reason": request.reason,
            "metadata": metadata_of(request.metadata),
        }
        made, at_risk = await commands.create_blackout(self.db, caller(), self.clock, request.resource_uid, given)
        return blackout_service_pb2.CreateBlackoutResponse(
            blackout=convert.blackout(made), at_risk=convert.at_risk(at_risk, caller())
        )

    async def ListBlackouts(
        self, request: blackout_service_pb2.ListBlackoutsRequest, context: Any
    ) -> blackout_service_pb2.ListBlackoutsResponse:
        """List a studio's blackouts."""
        page = await queries.list_blackouts(
            self.db,
            caller(),
            studio_uid=request.studio_uid,
            resource_uid=request.resource_uid,
            kind=KIND_OF[request.resource_kind],
            start=time_of(getattr(request, "from")) if request.HasField("from") else None,
            until=time_of(request.until) if request.HasField("until") else None,
            show_deleted=request.show_deleted,
            page=PageQuery.of(request, *BY_START),
        )
        return blackout_service_pb2.ListBlackoutsResponse(
            blackouts=[convert.blackout(blackout) for blackout in page.rows], next_page_token=page.next_token
        )

    async def DeleteBlackout(
        self, request: blackout_service_pb2.DeleteBlackoutRequest, context: Any
    ) -> blackout_pb2.Blackout:
        """End a blackout."""
        return convert.blackout(await commands.delete_blackout(self.db, caller(), self.clock, *target(request)))
