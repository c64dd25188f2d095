"""What goes into people's calendars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.access import Caller
from libs.common.db import Database
from libs.common.errors import Refused
from services.scheduling.domain.booking import ShowBooking
from services.scheduling.domain.resource import MC
from services.scheduling.queries.resources import get_room
from services.scheduling.queries.schedules import get_schedule
from services.scheduling.store import resources, watched

MOST_IN_A_CALENDAR = 5_000  # shows


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a calendar shows: whose it is, the shows, and the names of their rooms by uid."""

    name: str
    booked: Sequence[ShowBooking]
    rooms: Mapping[str, str]


async def export_calendar(
    db: Database,
    caller: Caller,
    *,
    room_uid: str,
    mc_uid: str,
    schedule_uid: str,
    ends_after: datetime | None,
    starts_before: datetime | None,
) -> Calendar:
    """The shows of a room, an MC or a schedule; an MC's also for the user that the MC is."""
    if room_uid:
        room = await get_room(db, caller, room_uid)
        name, studio_uid = room.name, room.studio_uid
    elif schedule_uid:
        schedule = await get_schedule(db, caller, schedule_uid)
        name, studio_uid = schedule.name, schedule.studio_uid
    else:
        async with db.read() as reader:
            mc = await resources.load_resource(reader, MC, mc_uid)
        if not caller.is_self(mc.user_uid):
            caller.require(MC, mc_uid, mc.studio_uid)
        name, studio_uid = mc.name, mc.studio_uid
    async with db.read() as reader:
        booked = await watched.list_booked(
            reader,
            room_uid=room_uid,
            mc_uid=mc_uid,
            schedule_uid=schedule_uid,
            ends_after=ends_after,
            starts_before=starts_before,
            most=MOST_IN_A_CALENDAR + 1,
        )
        if len(booked) > MOST_IN_A_CALENDAR:
            raise Refused("CALENDAR_TOO_LARGE", f"more than {MOST_IN_A_CALENDAR} shows: name a shorter time")
        rooms = await resources.find_resources(reader, studio_uid, {one.planned.room_uid for one in booked} - {""})
    return Calendar(name, booked, {room.uid: room.name for room in rooms})
