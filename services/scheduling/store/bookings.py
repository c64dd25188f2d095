"""Bookings in the database: the only authority on who has what and when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, text, tuple_

from libs.common import uids
from libs.common.access import Visible
from libs.common.db import Reader, Tx
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import among, as_rows, given
from services.scheduling.domain.booking import ShowBooking, ShowRef, Slot
from services.scheduling.domain.resource import ResourceKind
from services.scheduling.store import tables
from services.scheduling.store.schedules import of_groups, planned_of, planned_values

LONGEST = timedelta(days=5)  # that a booking may be: `booking_period_check`

SHOW_BOOKING_COLUMNS = {
    "show_uid": "text",
    "confirmation": "integer",
    "version": "bigint",
    "in_force": "boolean",
    "studio_uid": "text",
    "client_uid": "text",
    "schedule_uid": "text",
    "external_id": "text",
    "name": "text",
    "room_uid": "text",
    "mc_uids": "text[]",
    "platform_uids": "text[]",
    "type": "text",
    "standard": "text",
    "starts_at": "timestamptz",
    "ends_at": "timestamptz",
}
OWN = ("show_uid", "confirmation", "version", "in_force", "studio_uid", "client_uid", "schedule_uid")

SAVE_SHOW_BOOKINGS = text(
    f"""
    INSERT INTO scheduling.show_booking ({", ".join(SHOW_BOOKING_COLUMNS)})
    SELECT {", ".join(SHOW_BOOKING_COLUMNS)} FROM {given(SHOW_BOOKING_COLUMNS)}
    ON CONFLICT (show_uid) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in SHOW_BOOKING_COLUMNS if name != "show_uid")}
    """
)

BOOKING_COLUMNS = {
    "uid": "text",
    "show_uid": "text",
    "confirmation": "integer",
    "studio_uid": "text",
    "client_uid": "text",
    "kind": "text",
    "resource_id": "bigint",
    "resource_uid": "text",
    "start": "timestamptz",
    "until": "timestamptz",
}

# Sorted by resource and start, and without an error on conflict: plain or unsorted inserts deadlock under a race.
BOOK = text(
    f"""
    INSERT INTO scheduling.booking
        (uid, show_uid, confirmation, studio_uid, client_uid, kind, resource_id, resource_uid, period, created_at)
    SELECT uid, show_uid, confirmation, studio_uid, client_uid, kind, resource_id, resource_uid,
           tstzrange(start, until), :now
    FROM {given(BOOKING_COLUMNS)}
    ORDER BY resource_id, start
    ON CONFLICT DO NOTHING
    """
)

RELEASE = text(
    "UPDATE scheduling.booking SET released_at = :now WHERE show_uid = ANY(:show_uids) AND released_at IS NULL"
)

# One probe of the constraint's own index for each resource, one of the primary key for each booking found. OFFSET 0
# keeps the planner from turning the question around: without statistics it would read all that is booked then.
IN_FORCE = text(
    """
    SELECT taken.resource_id, taken.start, taken.until, booked.*
    FROM unnest(CAST(:resource_ids AS bigint[])) AS wanted (resource_id)
    CROSS JOIN LATERAL (
        SELECT resource_id, lower(period) AS start, upper(period) AS until, show_uid
        FROM scheduling.booking
        WHERE int8range(booking.resource_id, booking.resource_id, '[]')
              && int8range(wanted.resource_id, wanted.resource_id, '[]')
          AND period && tstzrange(:start, :until) AND released_at IS NULL
        OFFSET 0
    ) AS taken
    CROSS JOIN LATERAL (
        SELECT show_uid, external_id, name, schedule_uid, studio_uid, client_uid
        FROM scheduling.show_booking WHERE show_booking.show_uid = taken.show_uid
        OFFSET 0
    ) AS booked
    """
)


@dataclass(frozen=True, slots=True)
class BookedResource:
    """One booking as it is listed."""

    id: int
    uid: str
    show_uid: str
    confirmation: int
    studio_uid: str
    client_uid: str
    kind: ResourceKind
    resource_uid: str
    start: datetime
    until: datetime
    created_at: datetime
    released_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingQuery:
    """Which bookings are asked for; `busy` adds what others have in the studio."""

    studio_uid: str = ""
    client_uid: str = ""
    resource_uid: str = ""
    kind: ResourceKind | None = None
    show_uid: str = ""
    in_force: bool = True
    released: bool = False
    busy: bool = False


async def slots_in_force(reader: Reader, slots: Sequence[Slot]) -> list[Slot]:
    """Every booking in force of the slots' resources, from the first slot's start to the last one's end."""
    if not slots:
        return []
    resources = {slot.resource.id: slot.resource for slot in slots}
    found = await reader.execute(
        IN_FORCE,
        {
            "resource_ids": sorted(resources),
            "start": min(slot.start for slot in slots),
            "until": max(slot.until for slot in slots),
        },
    )
    return [Slot(resources[row.resource_id], row.start, row.until, show_ref(row)) for row in found]


async def lock_show(tx: Tx, show_uid: str) -> None:
    """One change of one show's bookings at a time, also while it has none yet."""
    await tx.keep(text("SELECT pg_advisory_xact_lock(hashtextextended('booking.' || :uid, 0))"), {"uid": show_uid})


async def load_show_bookings(
    reader: Reader, *, schedule_uid: str = "", show_uids: Collection[str] = (), lock: bool = False
) -> dict[str, ShowBooking]:
    """What shows have booked: those of a schedule that are in force, and these shows whatever their state."""
    table = tables.show_booking
    wanted = among(table.c.show_uid, show_uids)
    if schedule_uid:
        wanted |= (table.c.schedule_uid == schedule_uid) & table.c.in_force
    query = select(table).where(wanted)
    query = query.order_by(table.c.show_uid)  # one order of locks for everybody
    rows = await reader.execute(query.with_for_update() if lock else query)
    return {row.show_uid: show_booking_of(row) for row in rows}


async def save_show_bookings(tx: Tx, booked: Sequence[ShowBooking]) -> None:
    """Insert or update what shows have booked, in one statement."""
    if booked:
        rows = ({**planned_values(one.planned), **{name: getattr(one, name) for name in OWN}} for one in booked)
        await tx.execute(SAVE_SHOW_BOOKINGS, as_rows(rows))


async def release(tx: Tx, show_uids: Collection[str], now: datetime) -> None:
    """Give back all that these shows hold."""
    if show_uids:
        await tx.execute(RELEASE, {"show_uids": sorted(show_uids), "now": now})


async def book(tx: Tx, slots: Sequence[Slot], confirmations: Mapping[str, int], now: datetime) -> bool:
    """Book slots, confirmations by show uid; False when somebody else has one of them (then undo the attempt)."""
    if not slots:
        return True
    rows = (
        {
            "uid": uids.new("book"),
            "show_uid": slot.show.show_uid,
            "confirmation": confirmations[slot.show.show_uid],
            "studio_uid": slot.show.studio_uid,
            "client_uid": slot.show.client_uid,
            "kind": slot.resource.kind,
            "resource_id": slot.resource.id,
            "resource_uid": slot.resource.uid,
            "start": slot.start,
            "until": slot.until,
        }
        for slot in slots
    )
    return (await tx.execute(BOOK, {**as_rows(rows), "now": now})).rowcount == len(slots)


async def list_bookings(
    reader: Reader,
    wanted: BookingQuery,
    start: datetime | None,
    until: datetime | None,
    visible: Visible,
    page: PageQuery,
) -> Page[BookedResource]:
    """Bookings that the caller may see, by start: those that take some of the time from `start` until `until`."""
    table = tables.booking
    begins, ends = func.lower(table.c.period), func.upper(table.c.period)
    query = select(*(table.c[name] for name in BOOKED), begins.label("start"), ends.label("until"))
    query = query.where(*seen(wanted, visible))
    for column, value in (
        (table.c.studio_uid, wanted.studio_uid),
        (table.c.client_uid, wanted.client_uid),
        (table.c.resource_uid, wanted.resource_uid),
        (table.c.kind, wanted.kind),
        (table.c.show_uid, wanted.show_uid),
    ):
        if value:
            query = query.where(column == value)
    if not wanted.released:
        query = query.where(table.c.released_at.is_(None))
    if not wanted.in_force:
        query = query.where(table.c.released_at.is_not(None))
    if start:  # none is longer than the constraint lets it be: so the index knows where to begin
        query = query.where(ends > start, begins >= start - LONGEST)
    if until:
        query = query.where(begins < until)
    if page.after:
        query = query.where(tuple_(begins, table.c.id) > page.after)
    rows = await reader.execute(query.order_by(begins, table.c.id).limit(page.size + 1))
    return cut([BookedResource(**row._mapping) for row in rows], page, "start", "id")


def seen(wanted: BookingQuery, visible: Visible) -> list[ColumnElement[bool]]:
    """What keeps a list to the caller's own, when the query does not do so itself.

    Others' bookings are added while nothing but the studio, a resource and a time narrow the query: whose they are, or
    which show's, must not be found out by asking for it.
    """
    table = tables.booking
    if visible.everything or wanted.studio_uid in visible.studios or wanted.client_uid in visible.clients:
        return []
    own = of_groups(table.c, visible)
    others = wanted.busy and not (wanted.client_uid or wanted.show_uid)
    return [or_(own, table.c.released_at.is_(None)) if others else own]


BOOKED = (
    "id",
    "uid",
    "show_uid",
    "confirmation",
    "studio_uid",
    "client_uid",
    "kind",
    "resource_uid",
    "created_at",
    "released_at",
)


def show_booking_of(row: Any) -> ShowBooking:
    """A row of what a show has booked."""
    return ShowBooking(planned=planned_of(row), **{name: getattr(row, name) for name in OWN})


def show_ref(row: Any) -> ShowRef:
    """The show that a booking is for."""
    return ShowRef(row.show_uid, row.external_id, row.name, row.schedule_uid, row.studio_uid, row.client_uid)
