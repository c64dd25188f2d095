"""The scheduling service, put together."""

from __future__ import annotations

from pathlib import Path

from eridu.scheduling.v1.blackout_service_pb2_grpc import add_BlackoutServiceServicer_to_server
from eridu.scheduling.v1.booking_service_pb2_grpc import add_BookingServiceServicer_to_server
from eridu.scheduling.v1.hold_service_pb2_grpc import add_HoldServiceServicer_to_server
from eridu.scheduling.v1.mc_service_pb2_grpc import add_McServiceServicer_to_server
from eridu.scheduling.v1.room_service_pb2_grpc import add_RoomServiceServicer_to_server
from eridu.scheduling.v1.schedule_service_pb2_grpc import add_ScheduleServiceServicer_to_server

from libs.common.clock import now
from libs.common.config import Config
from libs.common.process import Process, main
from services.scheduling import consumers, watches
from services.scheduling.commands.holds import sweep_holds
from services.scheduling.neighbours import Identity
from services.scheduling.servicers.blackouts import Blackouts
from services.scheduling.servicers.bookings import Bookings
from services.scheduling.servicers.holds import Holds
from services.scheduling.servicers.resources import Mcs, Rooms
from services.scheduling.servicers.schedules import Schedules
from services.scheduling.store.tables import REFUSALS

HOLDS_SWEPT_EVERY = 1.0  # seconds


def compose(config: Config) -> Process:
    """Every part of the service, in the order of the path of a request."""
    process = Process(config, "scheduling", REFUSALS)
    db, server = process.db, process.server
    identity = Identity(process.neighbours)
    server.add(add_RoomServiceServicer_to_server, Rooms(db, now, identity))
    server.add(add_McServiceServicer_to_server, Mcs(db, now, identity))
    server.add(add_BlackoutServiceServicer_to_server, Blackouts(db, now))
    server.add(add_ScheduleServiceServicer_to_server, Schedules(db, now, identity))
    server.add(add_HoldServiceServicer_to_server, Holds(db, now, identity))
    feed = process.watched(watches.EVENTS)
    server.add(add_BookingServiceServicer_to_server, Bookings(db, now, identity, feed, config.heartbeat))
    process.hear("production", consumers.of_production(db, now))
    process.repeat(HOLDS_SWEPT_EVERY, lambda: sweep_holds(db, now))
    return process


if __name__ == "__main__":
    main("scheduling", compose, Path(__file__).parent / "migrations")
