"""RPCs of bookings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import (
    booking_pb2,
    booking_service_pb2,
    booking_service_pb2_grpc,
    calendar_pb2,
    capacity_pb2,
    conflict_pb2,
    watch_pb2,
)

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.feed import Feed
from libs.common.messages import time_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.scheduling import watches
from services.scheduling.commands import bookings as commands
from services.scheduling.convert import bookings as convert
from services.scheduling.convert import capacity as convert_capacity
from services.scheduling.convert.calendar import calendar
from services.scheduling.convert.resources import KIND_OF
from services.scheduling.neighbours import Identity
from services.scheduling.queries import bookings as bookings_queries
from services.scheduling.queries import calendars as calendars_queries
from services.scheduling.queries import conflicts as conflicts_queries

BY_START = (datetime, int)  # the sort keys of the lists
BY_KIND = (int, str, str)


class Bookings(booking_service_pb2_grpc.BookingServiceServicer):
    """Who has which room and which MC, and when."""

    def __init__(self, db: Database, clock: Clock, identity: Identity, feed: Feed, heartbeat: float) -> None:
        self.db, self.clock, self.identity = db, clock, identity
        self.feed, self.heartbeat = feed, heartbeat

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
        page = await bookings_queries.list_bookings(
            self.db,
            caller(),
            self.identity,
            convert.booking_query(request),
            convert_capacity.asked_period(request),
            PageQuery.of(request, *BY_START),
        )
        return booking_service_pb2.ListBookingsResponse(
            bookings=[convert.booking(booked, caller()) for booked in page.rows], next_page_token=page.next_token
        )

    async def CheckConflicts(
        self, request: conflict_pb2.CheckConflictsRequest, context: Any
    ) -> conflict_pb2.CheckConflictsResponse:
        """Say what would be in the way."""
        asked = convert_capacity.asked_slots(request)
        found = await conflicts_queries.check_conflicts(self.db, caller(), request.studio_uid, asked, self.clock())
        return convert_capacity.conflicts(found, caller())

    async def FindFreeSlots(
        self, request: capacity_pb2.FindFreeSlotsRequest, context: Any
    ) -> capacity_pb2.FindFreeSlotsResponse:
        """Find where a show could be."""
        search = convert_capacity.search(request)
        found = await bookings_queries.find_free_slots(
            self.db,
            caller(),
            self.identity,
            search,
            convert_capacity.asked_period(request),
            convert_capacity.hours_of(request),
        )
        return capacity_pb2.FindFreeSlotsResponse(
            slots=[convert_capacity.free_slot(slot, search.duration) for slot in found]
        )

    async def GetUtilisation(
        self, request: capacity_pb2.GetUtilisationRequest, context: Any
    ) -> capacity_pb2.GetUtilisationResponse:
        """Measure how much rooms and MCs are taken."""
        page, span, bookable = await bookings_queries.get_utilisation(
            self.db,
            caller(),
            self.identity,
            request.studio_uid,
            KIND_OF[request.resource_kind],
            request.show_deleted,
            convert_capacity.asked_period(request),
            convert_capacity.hours_of(request),
            PageQuery.of(request, *BY_KIND),
        )
        return convert_capacity.utilisations(page, span, bookable)

    async def WatchBookings(
        self, request: watch_pb2.WatchBookingsRequest, context: Any
    ) -> AsyncIterator[watch_pb2.WatchBookingsResponse]:
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
                yield watch_pb2.WatchBookingsResponse(
                    bookings=[*map(convert.show_booking, part.read), *part.said],
                    snapshot=part.snapshot,
                    live=part.live,
                    cursor=part.cursor,
                )

    async def ExportCalendar(
        self, request: calendar_pb2.ExportCalendarRequest, context: Any
    ) -> calendar_pb2.ExportCalendarResponse:
        """Bookings as an iCalendar file."""
        found = await calendars_queries.export_calendar(
            self.db,
            caller(),
            room_uid=request.room_uid,
            mc_uid=request.mc_uid,
            schedule_uid=request.schedule_uid,
            ends_after=time_of(request.ends_after) if request.HasField("ends_after") else None,
            starts_before=time_of(request.starts_before) if request.HasField("starts_before") else None,
        )
        return calendar_pb2.ExportCalendarResponse(
            ics=calendar(found.name, found.booked, found.rooms, self.clock()), show_count=len(found.booked)
        )
