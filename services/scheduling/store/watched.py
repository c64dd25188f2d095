"""What shows have booked, for those who watch and for calendars."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select, tuple_

from libs.common.db import Reader
from services.scheduling.domain.booking import ShowBooking
from services.scheduling.store.bookings import show_booking_of
from services.scheduling.store.tables import booking, show_booking


async def list_show_bookings(
    reader: Reader, *, studio_uid: str, client_uid: str, after: tuple[datetime, str], most: int
) -> list[ShowBooking]:
    """What the shows of a studio or a client have in force that ends after a time, by end."""
    own = show_booking.c.studio_uid == studio_uid if studio_uid else show_booking.c.client_uid == client_uid
    key = tuple_(show_booking.c.ends_at, show_booking.c.show_uid)
    query = select(show_booking).where(own, show_booking.c.in_force, key > after)
    rows = await reader.execute(query.order_by(show_booking.c.ends_at, show_booking.c.show_uid).limit(most))
    return [show_booking_of(row) for row in rows]


async def list_booked(
    reader: Reader,
    *,
    room_uid: str,
    mc_uid: str,
    schedule_uid: str,
    ends_after: datetime | None,
    starts_before: datetime | None,
    most: int,
) -> list[ShowBooking]:
    """What is in force of a room, an MC or a schedule, by start."""
    query = select(show_booking).where(show_booking.c.in_force)
    if schedule_uid:
        query = query.where(show_booking.c.schedule_uid == schedule_uid)
    else:
        takes = exists().where(
            booking.c.show_uid == show_booking.c.show_uid,
            booking.c.resource_uid == (room_uid or mc_uid),
            booking.c.released_at.is_(None),
        )
        query = query.where(takes)
    if ends_after:
        query = query.where(show_booking.c.ends_at > ends_after)
    if starts_before:
        query = query.where(show_booking.c.starts_at < starts_before)
    rows = await reader.execute(query.order_by(show_booking.c.starts_at, show_booking.c.show_uid).limit(most))
    return [show_booking_of(row) for row in rows]
