"""What shows have booked, for those who watch."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, tuple_

from libs.common.db import Reader
from services.scheduling.domain.booking import ShowBooking
from services.scheduling.store.bookings import show_booking_of
from services.scheduling.store.tables import show_booking


async def list_show_bookings(
    reader: Reader, *, studio_uid: str, client_uid: str, after: tuple[datetime, str], most: int
) -> list[ShowBooking]:
    """What the shows of a studio or a client have in force that ends after a time, by end."""
    own = show_booking.c.studio_uid == studio_uid if studio_uid else show_booking.c.client_uid == client_uid
    key = tuple_(show_booking.c.ends_at, show_booking.c.show_uid)
    query = select(show_booking).where(own, show_booking.c.in_force, key > after)
    rows = await reader.execute(query.order_by(show_booking.c.ends_at, show_booking.c.show_uid).limit(most))
    return [show_booking_of(row) for row in rows]
