"""Free slots and utilisation: what PostgreSQL's multiranges make of bookings, in one statement each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import text

from libs.common.db import Reader
from libs.common.pages import Page, PageQuery, cut
from services.scheduling.domain.capacity import FreeSlot, Search, Use
from services.scheduling.domain.day import Span
from services.scheduling.domain.resource import ResourceKind

SPANS = """
    SELECT range_agg(tstzrange(start, until)) AS spans
    FROM unnest(CAST(:starts AS timestamptz[]), CAST(:untils AS timestamptz[])) AS given (start, until)
"""


START, UNTIL = "CAST(:start AS timestamptz)", "CAST(:until AS timestamptz)"


def taken(resource: str, start: str = START, until: str = UNTIL) -> str:
    """The periods in which a resource is taken, those that touch a span: one probe of the constraint's own index."""
    return f"""
        SELECT period FROM scheduling.booking
        WHERE int8range(booking.resource_id, booking.resource_id, '[]') && int8range({resource}, {resource}, '[]')
          AND period && tstzrange({start}, {until}) AND released_at IS NULL
        OFFSET 0
    """


def busy(resource: str, start: str = START, until: str = UNTIL) -> str:
    """The periods in which nobody can have a resource: it is taken, or blacked out."""
    return f"""
        (SELECT * FROM ({taken(resource, start, until)}) AS taken)
        UNION ALL
        (SELECT tstzrange(starts_at, ends_at) FROM scheduling.blackout
         WHERE int8range(blackout.resource_id, blackout.resource_id, '[]') && int8range({resource}, {resource}, '[]')
           AND tstzrange(starts_at, ends_at) && tstzrange({start}, {until}) AND deleted_at IS NULL
         OFFSET 0)
    """


# What is left of the bookable time without what is taken. A show must keep away from a room's bookings by the room's
# turnaround: so they are widened by it, before by what a show leaves behind and after by what it needs beforehand.
FREE = text(
    f"""
    WITH bookable AS ({SPANS}), mcs AS (
        SELECT coalesce(range_agg(busy.period), '{{}}') AS spans
        FROM unnest(CAST(:mc_ids AS bigint[])) AS mc (id) CROSS JOIN LATERAL ({busy("mc.id")}) AS busy
    ), candidate AS (
        SELECT id, uid, name, make_interval(mins => turnaround_before) AS before,
               make_interval(mins => turnaround_after) AS after
        FROM scheduling.room
        WHERE studio_uid = :studio_uid AND deleted_at IS NULL AND active AND capacity >= :least_capacity
          AND capabilities @> CAST(:capabilities AS text[])
          AND (cardinality(CAST(:room_uids AS text[])) = 0 OR uid = ANY(:room_uids))
    )
    SELECT room.uid AS room_uid, room.name AS room_name, lower(free) AS first, upper(free) - :duration AS last
    FROM candidate AS room CROSS JOIN bookable CROSS JOIN mcs
    CROSS JOIN LATERAL (
        SELECT coalesce(range_agg(tstzrange(lower(period) - room.after, upper(period) + room.before)), '{{}}') AS spans
        FROM ({busy("room.id", f"{START} - room.after", f"{UNTIL} + room.before")}) AS busy
    ) AS rooms
    CROSS JOIN LATERAL unnest(bookable.spans - mcs.spans - rooms.spans) AS free
    WHERE upper(free) - lower(free) >= :duration
    ORDER BY lower(free), room.name, room.uid
    LIMIT :most
    """
)

USE = text(
    f"""
    WITH bookable AS ({SPANS}), resource AS (
        SELECT * FROM (
            SELECT 0 AS place, 'room' AS kind, id, uid, name, deleted_at FROM scheduling.room
            WHERE studio_uid = :studio_uid
            UNION ALL
            SELECT 1, 'mc', id, uid, name, deleted_at FROM scheduling.mc WHERE studio_uid = :studio_uid
        ) AS every
        WHERE (:kind = '' OR kind = :kind) AND (:show_deleted OR deleted_at IS NULL)
          AND (place, name, uid) > (:place, :name, :uid)
        ORDER BY place, name, uid
        LIMIT :most
    )
    SELECT resource.place, resource.kind, resource.uid, resource.name, used.bookings,
           (SELECT coalesce(sum(upper(part) - lower(part)), interval '0') FROM unnest(used.spans) AS part) AS booked,
           (SELECT coalesce(sum(upper(part) - lower(part)), interval '0')
            FROM unnest(used.spans * bookable.spans) AS part) AS booked_bookable
    FROM resource CROSS JOIN bookable
    CROSS JOIN LATERAL (
        SELECT count(*) AS bookings,
               coalesce(range_agg(period), '{{}}') * tstzmultirange(tstzrange({START}, {UNTIL})) AS spans
        FROM ({taken("resource.id")}) AS busy
    ) AS used
    ORDER BY resource.place, resource.name, resource.uid
    """
)


async def find_free(
    reader: Reader, search: Search, span: Span, bookable: Sequence[Span], mc_ids: Collection[int]
) -> list[FreeSlot]:
    """The first free slots in the bookable parts of a span, by start."""
    rows = await reader.execute(
        FREE,
        {
            **spans_of(span, bookable),
            "studio_uid": search.studio_uid,
            "duration": search.duration,
            "mc_ids": sorted(mc_ids),
            "room_uids": list(search.room_uids),
            "capabilities": list(search.capabilities),
            "least_capacity": search.least_capacity,
            "most": search.most,
        },
    )
    return [FreeSlot(row.room_uid, row.room_name, row.first, row.last) for row in rows]


async def measure_use(
    reader: Reader,
    studio_uid: str,
    kind: ResourceKind | None,
    show_deleted: bool,
    span: Span,
    bookable: Sequence[Span],
    page: PageQuery,
) -> Page[Use]:
    """How much each room and each MC is taken in a span, and in its bookable parts: rooms first, by name."""
    place, name, uid = page.after or (-1, "", "")
    rows = await reader.execute(
        USE,
        {
            **spans_of(span, bookable),
            "studio_uid": studio_uid,
            "kind": kind.value if kind else "",
            "show_deleted": show_deleted,
            "place": place,
            "name": name,
            "uid": uid,
            "most": page.size + 1,
        },
    )
    found = cut(rows.all(), page, "place", "name", "uid")
    return Page([use_of(row) for row in found.rows], found.next_token)


def spans_of(span: Span, bookable: Sequence[Span]) -> dict[str, Any]:
    """A span and its bookable parts, as parameters."""
    return {
        "start": span.start,
        "until": span.until,
        "starts": [part.start for part in bookable],
        "untils": [part.until for part in bookable],
    }


def use_of(row: Any) -> Use:
    """A row of the use of resources."""
    return Use(ResourceKind(row.kind), row.uid, row.name, row.bookings, row.booked, row.booked_bookable)
