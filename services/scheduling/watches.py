"""What is watched in scheduling: a snapshot, then every change, without a gap."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import events_pb2

from libs.common.access import Caller
from libs.common.db import Database
from libs.common.feed import Feed
from services.scheduling.domain.booking import ShowBooking
from services.scheduling.store import watched as store

PART = 500  # shows in one message

EVENTS: dict[str, Any] = {
    "scheduling.booking.confirmed": events_pb2.BookingConfirmed,
    "scheduling.booking.moved": events_pb2.BookingMoved,
    "scheduling.booking.released": events_pb2.BookingReleased,
}


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a watch: what was read, or events as they were said."""

    read: tuple[ShowBooking, ...] = ()
    said: tuple[Any, ...] = ()
    snapshot: bool = False
    live: bool = False
    cursor: str = ""


async def watch_bookings(
    db: Database,
    caller: Caller,
    feed: Feed,
    *,
    studio_uid: str,
    client_uid: str,
    ends_after: datetime,
    cursor: str,
    heartbeat: float,
) -> AsyncGenerator[Part, None]:
    """The bookings of a studio or a client.

    The place in the feed is taken before the snapshot is read: what was said before it is in the snapshot, what is said
    after it comes as a change, and what is in both has the same version.
    """
    group = studio_uid or client_uid
    caller.require("group", group, group)
    place = await feed.place(cursor) if cursor else feed.position
    if not cursor:
        after = (ends_after, "")
        while True:
            async with db.read() as reader:
                shows = await store.list_show_bookings(
                    reader, studio_uid=studio_uid, client_uid=client_uid, after=after, most=PART
                )
            last = len(shows) < PART
            yield Part(read=tuple(shows), snapshot=True, live=last, cursor=feed.cursor(place) if last else "")
            if last:
                break
            after = (shows[-1].planned.ends_at, shows[-1].show_uid)
    async for said in feed.after(place, heartbeat):
        place = said[-1].sequence if said else place
        mine = tuple(one.event.booking for one in said if concerns(one.event.booking, group))
        if mine or not said or cursor:
            cursor = ""
            yield Part(said=mine, live=True, cursor=feed.cursor(place))


def concerns(booking: Any, group_uid: str) -> bool:
    """Whether a show's bookings are of this studio or this client."""
    return group_uid in (booking.studio_uid, booking.client_uid)
