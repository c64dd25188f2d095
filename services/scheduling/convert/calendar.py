"""Bookings as an iCalendar file (RFC 5545)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from icalendar import Calendar, Event

from services.scheduling.domain.booking import ShowBooking


def calendar(name: str, booked: Iterable[ShowBooking], rooms: Mapping[str, str], now: datetime) -> str:
    """A calendar with one event for each show; `rooms` are the names of rooms by uid."""
    made = Calendar()
    made.add("prodid", "-//Eridu//scheduling//EN")
    made.add("version", "2.0")
    made.add("x-wr-calname", name)
    for one in booked:
        made.add_component(event(one, rooms.get(one.planned.room_uid, ""), now))
    file: bytes = made.to_ical()
    return file.decode()


def event(booked: ShowBooking, room: str, now: datetime) -> Event:
    """A show as an event: the same uid each time, so that a calendar that reads the file again moves it."""
    made = Event()
    made.add("uid", f"{booked.show_uid}@eridu")
    made.add("sequence", booked.version)
    made.add("dtstamp", now)
    made.add("dtstart", booked.planned.starts_at)
    made.add("dtend", booked.planned.ends_at)
    made.add("summary", booked.planned.name)
    made.add("status", "CONFIRMED")
    made.add("class", "PRIVATE")
    if room:
        made.add("location", room)
    return made
