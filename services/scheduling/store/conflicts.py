"""What is in the way of slots that were asked about, and for whom a studio works."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import text

from libs.common.db import Reader
from services.scheduling.domain.booking import MOST_CLASHES, Slot
from services.scheduling.store.bookings import show_ref

# One probe of the constraint's own index for each slot, however many bookings there are before and after it. The limit
# keeps the planner from turning the question around, and an answer about a thousand slots of a size to be sent.
IN_THE_WAY = text(
    """
    SELECT taken.resource_id, taken.start, taken.until, booked.*
    FROM unnest(CAST(:resource_ids AS bigint[]), CAST(:starts AS timestamptz[]), CAST(:untils AS timestamptz[]))
         AS wanted (resource_id, start, until)
    CROSS JOIN LATERAL (
        SELECT resource_id, lower(period) AS start, upper(period) AS until, show_uid
        FROM scheduling.booking
        WHERE int8range(booking.resource_id, booking.resource_id, '[]')
              && int8range(wanted.resource_id, wanted.resource_id, '[]')
          AND period && tstzrange(wanted.start, wanted.until) AND released_at IS NULL
          AND NOT (show_uid = ANY(:moving) AND studio_uid = :studio_uid
                   AND (:whole_studio OR client_uid = ANY(:client_uids)))
        ORDER BY lower(period)
        LIMIT :most
    ) AS taken
    CROSS JOIN LATERAL (
        SELECT show_uid, external_id, name, schedule_uid, studio_uid, client_uid
        FROM scheduling.show_booking WHERE show_booking.show_uid = taken.show_uid
        OFFSET 0
    ) AS booked
    """
)

CLIENTS_OF = text(
    """
    SELECT client_uid FROM unnest(CAST(:client_uids AS text[])) AS mine (client_uid)
    WHERE EXISTS (
        SELECT FROM scheduling.show_booking
        WHERE show_booking.client_uid = mine.client_uid AND show_booking.studio_uid = :studio_uid
    ) OR EXISTS (
        SELECT FROM scheduling.schedule
        WHERE schedule.client_uid = mine.client_uid AND schedule.studio_uid = :studio_uid AND deleted_at IS NULL
    )
    ORDER BY client_uid
    """
)


async def slots_in_the_way(
    reader: Reader,
    slots: Sequence[Slot],
    *,
    studio_uid: str,
    moving: Collection[str],
    whole_studio: bool,
    client_uids: Collection[str],
) -> list[Slot]:
    """The bookings in force that overlap these slots, once each, the first few of every slot.

    Those of the shows that move themselves do not count, if they are the studio's and of a client that the caller may
    see: of another's show nobody learns by this where it is.
    """
    if not slots:
        return []
    resources = {slot.resource.id: slot.resource for slot in slots}
    found = await reader.execute(
        IN_THE_WAY,
        {
            "resource_ids": [slot.resource.id for slot in slots],
            "starts": [slot.start for slot in slots],
            "untils": [slot.until for slot in slots],
            "studio_uid": studio_uid,
            "moving": sorted(moving),
            "whole_studio": whole_studio,
            "client_uids": sorted(client_uids),
            "most": MOST_CLASHES,
        },
    )
    taken = {
        (row.resource_id, row.start): Slot(resources[row.resource_id], row.start, row.until, show_ref(row))
        for row in found
    }
    return list(taken.values())


async def clients_of(reader: Reader, studio_uid: str, client_uids: Collection[str]) -> list[str]:
    """Those of the clients that have, or had, something planned or booked in the studio."""
    if not client_uids or not studio_uid:
        return []
    found = await reader.execute(CLIENTS_OF, {"studio_uid": studio_uid, "client_uids": sorted(client_uids)})
    return list(found.scalars())
