"""Bookings, holds, and what they leave free."""

from __future__ import annotations

from datetime import datetime, timedelta

from libs.common.access import Caller
from libs.common.db import Database
from libs.common.pages import Page, PageQuery
from services.scheduling.domain import hold as hold_rules
from services.scheduling.domain.capacity import (
    LONGEST_SEARCH,
    LONGEST_USE,
    FreeSlot,
    Search,
    Use,
    require_bookable,
)
from services.scheduling.domain.day import Asked, Hours, Span
from services.scheduling.domain.resource import ResourceKind
from services.scheduling.neighbours import Identity
from services.scheduling.queries.conflicts import clients_here
from services.scheduling.store import bookings, capacity, holds, resources
from services.scheduling.store.bookings import BookedResource, BookingQuery
from services.scheduling.store.holds import Shown


async def list_bookings(
    db: Database, caller: Caller, identity: Identity, wanted: BookingQuery, period: Asked, page: PageQuery
) -> Page[BookedResource]:
    """The bookings that the caller may see, by start; others' as busy if wanted, for clients of the studio."""
    visible, clock = caller.visible(), None
    if period.by_days or wanted.busy:
        if not (caller.sees(wanted.studio_uid) or await clients_here(db, caller, wanted.studio_uid)):
            return Page([], "")
        clock = await identity.clock(wanted.studio_uid) if period.by_days else None
    period.require_order(clock)
    async with db.read() as reader:
        start, until = period.start_by(clock), period.until_by(clock)
        return await bookings.list_bookings(reader, wanted, start, until, visible, page)


async def period_of(
    identity: Identity, studio_uid: str, asked: Asked, hours: Hours | None, longest: timedelta
) -> tuple[Span, list[Span]]:
    """A period and its bookable parts, by the studio's clock if they need it."""
    clock = await identity.clock(studio_uid) if asked.by_days or hours else None
    span = asked.span(clock, longest)
    return span, list(clock.open(hours, span)) if clock and hours else [span]


async def find_free_slots(
    db: Database, caller: Caller, identity: Identity, search: Search, asked: Asked, hours: Hours | None
) -> list[FreeSlot]:
    """Where and when a show could be."""
    caller.require("studio", search.studio_uid, search.studio_uid)
    span, bookable = await period_of(identity, search.studio_uid, asked, hours, LONGEST_SEARCH)
    async with db.read() as reader:
        named = [*search.room_uids, *search.mc_uids]
        found = await resources.find_resources(reader, search.studio_uid, named) if named else []
        mcs = require_bookable(search, found)
        return await capacity.find_free(reader, search, span, bookable, [mc.id for mc in mcs])


async def get_utilisation(
    db: Database,
    caller: Caller,
    identity: Identity,
    studio_uid: str,
    kind: ResourceKind | None,
    show_deleted: bool,
    asked: Asked,
    hours: Hours | None,
    page: PageQuery,
) -> tuple[Page[Use], Span, list[Span]]:
    """How much the rooms and MCs of a studio are taken, in which period, of which bookable parts."""
    caller.require("studio", studio_uid, studio_uid)
    span, bookable = await period_of(identity, studio_uid, asked, hours, LONGEST_USE)
    async with db.read() as reader:
        used = await capacity.measure_use(reader, studio_uid, kind, show_deleted, span, bookable, page)
    return used, span, bookable


async def get_hold(db: Database, caller: Caller, uid: str, now: datetime) -> Shown:
    """A hold with its rank now."""
    async with db.read() as reader:
        hold = await holds.load_hold(reader, uid)
        caller.require(hold_rules.HOLD, uid, hold.studio_uid, hold.client_uid)
        return (await holds.show_holds(reader, [hold], now))[0]


async def list_holds(
    db: Database,
    caller: Caller,
    *,
    studio_uid: str,
    client_uid: str,
    resource_uid: str,
    show_ended: bool,
    now: datetime,
    page: PageQuery,
) -> Page[Shown]:
    """The holds that the caller may see, by start, each with its rank now."""
    visible = caller.visible()
    async with db.read() as reader:
        found = await holds.list_holds(
            reader,
            studio_uid=studio_uid,
            client_uid=client_uid,
            resource_uid=resource_uid,
            show_ended=show_ended,
            visible=visible,
            now=now,
            page=page,
        )
        return Page(await holds.show_holds(reader, found.rows, now), found.next_token)
