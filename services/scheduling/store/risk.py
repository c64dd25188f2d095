"""Which bookings in force a change endangers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from libs.common.db import Reader
from services.scheduling.domain.risk import MOST_NAMED, AtRisk, BookingAtRisk
from services.scheduling.store.bookings import show_ref

# OFFSET 0 as in `bookings.IN_FORCE`.
AT_RISK = text(
    """
    SELECT taken.uid, taken.start, taken.until, count(*) OVER () AS total, booked.*
    FROM (
        SELECT id FROM scheduling.room WHERE uid = :uid UNION ALL SELECT id FROM scheduling.mc WHERE uid = :uid
    ) AS wanted
    CROSS JOIN LATERAL (
        SELECT uid, lower(period) AS start, upper(period) AS until, show_uid
        FROM scheduling.booking
        WHERE int8range(booking.resource_id, booking.resource_id, '[]') && int8range(wanted.id, wanted.id, '[]')
          AND period && tstzrange(:start, :until) AND released_at IS NULL
        OFFSET 0
    ) AS taken
    CROSS JOIN LATERAL (
        SELECT show_uid, external_id, name, schedule_uid, studio_uid, client_uid
        FROM scheduling.show_booking WHERE show_booking.show_uid = taken.show_uid
        OFFSET 0
    ) AS booked
    ORDER BY taken.start, taken.uid LIMIT :most
    """
)


async def find_at_risk(reader: Reader, resource_uid: str, start: datetime, until: datetime | None = None) -> AtRisk:
    """The bookings in force of a room or an MC that overlap a period, by start; without an end, all after its start."""
    found = await reader.execute(AT_RISK, {"uid": resource_uid, "start": start, "until": until, "most": MOST_NAMED})
    rows = found.all()
    named = [BookingAtRisk(row.uid, show_ref(row), row.start, row.until) for row in rows]
    return AtRisk(named, rows[0].total if rows else 0)
