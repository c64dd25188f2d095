"""What scheduling says about shows, said by a test on scheduling's own stream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from eridu.scheduling.v1 import booking_pb2, events_pb2, schedule_pb2
from sqlalchemy import text

from libs.common import uids
from libs.common.bus import Bus, headers
from libs.common.db import Database
from tests.support.suite import Suite, until

START = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
SUBJECTS = {
    events_pb2.BookingConfirmed: "scheduling.booking.confirmed",
    events_pb2.BookingMoved: "scheduling.booking.moved",
    events_pb2.BookingReleased: "scheduling.booking.released",
    events_pb2.PlanChanged: "scheduling.plan.changed",
}
# What a test compares: not when something was written.
DUMP = {
    "show": "SELECT to_jsonb(show) - '{updated_at,created_at,id}'::text[] FROM production.show"
    " WHERE studio_uid = :studio ORDER BY uid",
    "show_mc": "SELECT to_jsonb(part) - '{updated_at,created_at,id}'::text[] FROM production.show_mc AS part"
    " JOIN production.show ON show.id = show_id WHERE studio_uid = :studio ORDER BY part.uid",
    "show_platform": "SELECT to_jsonb(part) - '{updated_at,created_at,id}'::text[]"
    " FROM production.show_platform AS part JOIN production.show ON show.id = show_id"
    " WHERE studio_uid = :studio ORDER BY part.uid",
}


class Scheduling:
    """Publishes events and waits until production has heard them."""

    def __init__(self, suite: Suite, bus: Bus) -> None:
        self.suite = suite
        self.bus = bus

    @property
    def db(self) -> Database:
        """Production's database."""
        return self.suite.processes["production"].db

    async def say(self, *events: Any) -> None:
        """Publish, and wait until production has heard it all."""
        for event in events:
            change = event.change
            head = headers(
                uids.new_uuid(), event.DESCRIPTOR.full_name, "eridu/scheduling", START, change.entity_uid, ""
            )  # another message id each time: what the stream would drop as a duplicate must reach the consumer
            await self.bus.publish(f"eridu.{SUBJECTS[type(event)]}", event.SerializeToString(), head)
        wanted = {event.change.event_uid for event in events}
        await until(lambda: self.heard(wanted))
        await until(self.idle)

    async def heard(self, event_uids: set[str]) -> bool:
        """Whether production has had all of these."""
        rows = await self.rows(
            "SELECT count(*) FROM production.inbox WHERE event_uid = ANY(CAST(:uids AS uuid[]))",
            uids=list(event_uids),
        )
        return bool(rows[0][0] == len(event_uids))

    async def idle(self) -> bool:
        """Whether production has taken all that lies in the stream."""
        info = await self.bus.jetstream.consumer_info("ERIDU_SCHEDULING", "production")
        return not info.num_pending and not info.num_ack_pending

    async def rows(self, statement: str, **parameters: Any) -> Sequence[Any]:
        """Read from production's database."""
        async with self.db.read() as reader:
            return (await reader.execute(text(statement), parameters)).all()

    async def ledger(self, show_uid: str) -> list[tuple[str, int, str]]:
        """What was done to a show: action, version and reason."""
        rows = await self.rows(
            "SELECT action, entity_version, reason FROM production.ledger WHERE entity_uid = :uid ORDER BY id",
            uid=show_uid,
        )
        return [tuple(row) for row in rows]

    async def actions(self, show_uid: str) -> list[str]:
        """What was done to a show, in words."""
        return [action.removeprefix("show.") for action, _, _ in await self.ledger(show_uid)]

    async def dump(self, studio_uid: str, without: Sequence[str] = ()) -> list[dict[str, Any]]:
        """All rows of a studio, without the times of writing and without what is named."""
        rows = [row[0] for statement in DUMP.values() for row in await self.rows(statement, studio=studio_uid)]
        return [{name: value for name, value in row.items() if name not in without} for row in rows]


class Said:
    """Makes the events about one show of one studio."""

    def __init__(self, studio_uid: str, client_uid: str, schedule_uid: str = "", number: int = 0) -> None:
        self.studio_uid = studio_uid
        self.client_uid = client_uid
        self.schedule_uid = schedule_uid or uids.new("sched")
        self.uid = uids.new("show")
        self.ada, self.bob, self.room, self.platform = (uids.new(word) for word in ("mc", "mc", "room", "plat"))
        self.number = number

    def values(self, **more: Any) -> dict[str, Any]:
        """What bookings and rows both say."""
        return {
            "show_uid": self.uid,
            "schedule_uid": self.schedule_uid,
            "external_id": str(self.number),
            "name": "Morning",
            "room_uid": self.room,
            "mc_uids": [self.ada],
            "platform_uids": [self.platform],
            "starts_at": START + timedelta(hours=self.number),
            "ends_at": START + timedelta(hours=self.number + 1),
        } | more

    def booking(self, kind: Any, version: int, confirmation: int = 1, in_force: bool = True, **more: Any) -> Any:
        """A booking event."""
        event = kind(
            booking=booking_pb2.ShowBooking(
                version=version,
                confirmation=confirmation,
                in_force=in_force,
                studio_uid=self.studio_uid,
                client_uid=self.client_uid,
                **self.values(**more),
            )
        )
        return signed(event, self.uid)

    def confirmed(self, version: int = 1, confirmation: int = 1, **more: Any) -> Any:
        """The show is booked."""
        return self.booking(events_pb2.BookingConfirmed, version, confirmation, **more)

    def moved(self, version: int, confirmation: int = 1, **more: Any) -> Any:
        """The show is booked otherwise."""
        return self.booking(events_pb2.BookingMoved, version, confirmation, **more)

    def released(self, version: int, confirmation: int = 1, **more: Any) -> Any:
        """The show is booked no more."""
        return self.booking(events_pb2.BookingReleased, version, confirmation, in_force=False, **more)

    def row(
        self, version: int = 1, removed: bool = False, cancelled: bool = False, **more: Any
    ) -> schedule_pb2.PlannedShow:
        """A row of the plan."""
        row = schedule_pb2.PlannedShow(version=version, cancelled=cancelled, **self.values(**more))
        if removed:
            row.removed_at.FromDatetime(START)
        return row

    def planned(self, version: int = 1, removed: bool = False, cancelled: bool = False, **more: Any) -> Any:
        """The plan says this about the show."""
        return self.plan(self.row(version, removed, cancelled, **more))

    def plan(self, *rows: schedule_pb2.PlannedShow) -> Any:
        """The plan says this about shows."""
        schedule = schedule_pb2.Schedule(uid=self.schedule_uid, studio_uid=self.studio_uid, client_uid=self.client_uid)
        return signed(events_pb2.PlanChanged(schedule=schedule, planned_shows=rows), self.schedule_uid)


def signed(event: Any, entity_uid: str) -> Any:
    """An event with its audit part."""
    event.change.event_uid = uids.new_uuid()
    event.change.entity_uid = entity_uid
    event.change.reason = "as agreed"
    event.change.occurred_at.GetCurrentTime()
    return event
