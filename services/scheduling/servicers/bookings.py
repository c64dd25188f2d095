"""RPCs of bookings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import booking_pb2, booking_service_pb2, booking_service_pb2_grpc

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.feed import Feed
from libs.common.messages import time_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.scheduling import queries, watches
from services.scheduling.commands import bookings as commands
from services.scheduling.convert import bookings as convert
from services.scheduling.convert import resources as convert_resources
from services.scheduling.convert.calendar import calendar

BY_START = (datetime, str)  # the sort key of the list


class Bookings(booking_service_pb2_grpc.BookingServiceServicer):
    """Who has which room and which MC, and when."""

    def __init__(self, db: Database, clock: Clock, feed: Feed, heartbeat: float) -> None:
        self.db, self.clock, self.feed, self.heartbeat = db, clock, feed, heartbeat

    async def BookShow(self, request: booking_service_pb2.BookShowRequest, context: Any) -> booking_pb2.ShowBooking:
        """Book a show that has no schedule."""
        booked = await commands.book_show(self.db, caller(), self.clock, convert.asked(request), request.hold_uid)
        return convert.show_booking(booked)

    async def ReleaseShow(
        self, request: booking_service_pb2.ReleaseShowRequest, context: Any
    ) -> booking_pb2.ShowBooking:
        """Give back what a show has booked."""
        released = await commands.release_show(
            self.db, caller(), self.clock, request.show_uid, request.confirmation, request.reason
        )
        return convert.show_booking(released)

    async def ListBookings(
        self, request: booking_service_pb2.ListBookingsRequest, context: Any
    ) -> booking_service_pb2.ListBookingsResponse:
        """List bookings."""
        page = await queries.list_bookings(
            self.db,
            caller(),
            studio_uid=request.studio_uid,
            client_uid=request.client_uid,
            resource_uid=request.resource_uid,
            kind=convert_resources.KIND_OF[request.resource_kind],
            show_uid=request.show_uid,
            show_released=request.show_released,
            page=PageQuery.of(request, *BY_START),
        )
        return booking_service_pb2.ListBookingsResponse(
            bookings=[convert.booking(booked) for booked in page.rows], next_page_token=page.next_token
        )

    async def WatchBookings(
        self, request: booking_service_pb2.WatchBookingsRequest, context: Any
    ) -> AsyncIterator[booking_service_pb2.WatchBookingsResponse]:
        """Watch what shows have booked."""
        parts = watches.watch_bookings(
            self.db,
            caller(),
            self.feed,
            studio_uid=request.studio_uid,
            client_uid=request.client_uid,
            ends_after=time_of(request.ends_after) if request.HasField("ends_after") else self.clock(),
            cursor=request.cursor,
            heartbeat=self.heartbeat,
        )
        async with aclosing(parts):
            async for part in parts:
                yield booking_service_pb2.WatchBookingsResponse(
                    bookings=[*map(convert.show_booking, part.read), *part.said],
                    snapshot=part.snapshot,
                    live=part.live,
                    cursor=part.cursor,
                )

    async def ExportCalendar(
        self, request: booking_service_pb2.ExportCalendarRequest, context: Any
    ) -> booking_service_pb2.ExportCalendarResponse:
        """Bookings as an iCalendar file."""
        found = await queries.export_calendar(
            self.db,
            caller(),
            room_uid=request.room_uid,
            mc_uid=request.mc_uid,
            schedule_uid=request.schedule_uid,
            ends_after=time_of(request.ends_after) if request.HasField("ends_after") else None,
            starts_before=time_of(request.starts_before) if request.HasField("starts_before") else None,
        )
        return booking_service_pb2.ExportCalendarResponse(
            ics=calendar(found.name, found.booked, found.rooms, self.clock()), show_count=len(found.booked)
        )
