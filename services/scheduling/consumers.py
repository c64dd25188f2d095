"""What scheduling hears: that shows went live, so that no plan changes them any more."""

from __future__ import annotations

from eridu.production.v1.events_pb2 import ShowStarted

from libs.common.clock import Clock
from libs.common.consumers import Heard, Hears
from libs.common.db import Database
from services.scheduling.commands import plans


def of_production(db: Database, clock: Clock) -> list[Hears[ShowStarted]]:
    """Everything heard from production."""

    async def show_started(heard: Heard[ShowStarted]) -> None:
        await plans.protect_shows(
            db, heard.caller, clock, {event.show.uid for event in heard.events if event.show.schedule_uid}
        )

    return [Hears({"production.show.started": ShowStarted}, show_started)]
