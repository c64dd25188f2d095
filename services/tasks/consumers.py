"""What tasks hears: production's shows."""

from __future__ import annotations

from typing import Any

from eridu.production.v1 import events_pb2

from libs.common.clock import Clock
from libs.common.consumers import Heard, Hears
from libs.common.db import Database
from services.tasks import convert
from services.tasks.commands import shows as commands

# Every one carries the whole show, so one function follows them all: the newest state counts, not the way to it.
SHOW_EVENTS: dict[str, type[Any]] = {
    "production.show.created": events_pb2.ShowCreated,
    "production.show.updated": events_pb2.ShowUpdated,
    "production.show.deleted": events_pb2.ShowDeleted,
    "production.show.confirmed": events_pb2.ShowConfirmed,
    "production.show.moved": events_pb2.ShowMoved,
    "production.show.started": events_pb2.ShowStarted,
    "production.show.completed": events_pb2.ShowCompleted,
    "production.show.cancelled": events_pb2.ShowCancelled,
}


def from_production(db: Database, clock: Clock) -> list[Hears[Any]]:
    """What is heard on production's stream."""

    async def follow_shows(heard: Heard[Any]) -> None:
        shows = [convert.known_show(event) for event in heard.events]
        await commands.follow_shows(db, heard.caller, clock, shows)

    return [Hears(SHOW_EVENTS, follow_shows)]
