"""Production's RPCs: read the request, make the change or the read, render the answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from eridu.production.v1 import show_pb2, show_service_pb2, show_service_pb2_grpc

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.messages import metadata_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.production import convert, queries
from services.production.commands import shows
from services.production.neighbours import Others


class Shows(show_service_pb2_grpc.ShowServiceServicer):
    """Shows from draft to completed."""

    def __init__(self, db: Database, clock: Clock, others: Others) -> None:
        self.db, self.clock, self.others = db, clock, others

    async def CreateShow(self, request: show_service_pb2.CreateShowRequest, context: Any) -> show_pb2.Show:
        """Make an ad-hoc draft."""
        details, metadata = convert.created(request), metadata_of(request.metadata)
        return convert.show(await shows.create_show(self.db, caller(), self.clock, self.others, details, metadata))

    async def GetShow(self, request: show_service_pb2.GetShowRequest, context: Any) -> show_pb2.Show:
        """Read a show."""
        return convert.show(await queries.get_show(self.db, caller(), request.uid))

    async def ListShows(
        self, request: show_service_pb2.ListShowsRequest, context: Any
    ) -> show_service_pb2.ListShowsResponse:
        """List shows by start."""
        page = await queries.list_shows(
            self.db,
            caller(),
            {name: getattr(request, name) for name in ("studio_uid", "client_uid", "schedule_uid")},
            [convert.STATUS_OF[status] for status in request.statuses],
            PageQuery.of(request, datetime, str),
        )
        return show_service_pb2.ListShowsResponse(
            shows=[convert.show(show) for show in page.rows], next_page_token=page.next_token
        )

    async def ConfirmShow(self, request: show_service_pb2.ConfirmShowRequest, context: Any) -> show_pb2.Show:
        """Book and confirm an ad-hoc draft."""
        show = await shows.confirm_show(
            self.db, caller(), self.clock, self.others, request.uid, request.etag, request.reason
        )
        return convert.show(show)

    async def StartShow(self, request: show_service_pb2.StartShowRequest, context: Any) -> show_pb2.Show:
        """Go live."""
        show = await shows.start_show(
            self.db, caller(), self.clock, self.others, request.uid, request.waiver, request.etag, request.reason
        )
        return convert.show(show)

    async def CompleteShow(self, request: show_service_pb2.CompleteShowRequest, context: Any) -> show_pb2.Show:
        """End."""
        show = await shows.complete_show(
            self.db, caller(), self.clock, self.others, request.uid, request.waiver, request.etag, request.reason
        )
        return convert.show(show)

    async def CancelShow(self, request: show_service_pb2.CancelShowRequest, context: Any) -> show_pb2.Show:
        """Release and cancel."""
        show = await shows.cancel_show(
            self.db, caller(), self.clock, self.others, request.uid, request.etag, request.reason
        )
        return convert.show(show)

    async def ExplainTransition(
        self, request: show_service_pb2.ExplainTransitionRequest, context: Any
    ) -> show_service_pb2.ExplainTransitionResponse:
        """Say what is in the way of each move."""
        moves = await queries.explain_transition(self.db, caller(), self.others, request.uid)
        return show_service_pb2.ExplainTransitionResponse(
            moves=[convert.transition(move, found) for move, found in moves]
        )
