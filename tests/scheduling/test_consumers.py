"""What scheduling hears from production, on the real stream: twice, for nobody, and among others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from eridu.common.v1.change_pb2 import Change
from eridu.production.v1.events_pb2 import ShowStarted
from eridu.production.v1.show_pb2 import SHOW_STATUS_LIVE, Show
from eridu.scheduling.v1 import confirmation_pb2, plan_pb2
from eridu.scheduling.v1 import schedule_request_pb2 as api
from eridu.scheduling.v1.booking_service_pb2 import ReleaseShowRequest

from libs.common import uids
from libs.common.bus import headers, stream_of
from tests.scheduling.planning import Asks, in_force, outcomes, production, row, row_outcomes, show_uids, suite_of
from tests.support.house import House
from tests.support.suite import until


def started(house: House, show_uid: str, schedule_uid: str) -> ShowStarted:
    """Production says that a show is live."""
    change = Change(event_uid=uids.new_uuid(), action="show.started", actor="service:production", entity_uid=show_uid)
    change.entity_version = 3
    change.occurred_at.FromDatetime(datetime.now(UTC))
    show = Show(
        uid=show_uid,
        schedule_uid=schedule_uid,
        studio_uid=house.studio.uid,
        client_uid=house.client.uid,
        status=SHOW_STATUS_LIVE,
        etag="3",
    )
    return ShowStarted(change=change, show=show)


async def say(house: House, *events: ShowStarted) -> None:
    """Put events on production's stream and wait until scheduling has worked on them."""
    process = suite_of(house).processes["scheduling"]
    for event in events:
        about = headers(
            event.change.event_uid,
            event.DESCRIPTOR.full_name,
            "eridu/production",
            datetime.now(UTC),
            event.show.uid,
            "",
        )
        # A message id of its own: what the stream's dedupe window would drop comes again after it, too.
        about |= {"Nats-Msg-Id": uids.new_uuid()}
        await process.bus.publish("eridu.production.show.started", event.SerializeToString(), about)

    async def nothing_left() -> bool:
        info = await process.bus.jetstream.consumer_info(stream_of("production"), "scheduling")
        return not info.num_pending and not info.num_ack_pending

    await until(nothing_left)


async def confirmed(house: House, *rows: str) -> tuple[Any, dict[str, str]]:
    """A confirmed schedule and its shows."""
    schedule = await house.schedule()
    shows = show_uids(await house.plan(schedule, *rows))
    await house.confirm(schedule)
    return schedule, shows


async def test_a_show_that_started_is_protected_once_however_often_it_is_told(house: House, ask: Asks) -> None:
    schedule, shows = await confirmed(house, row("1", "10:00", "11:00"), row("2", "11:00", "12:00"))
    before = await ask.ledger(house)
    event = started(house, shows["1"], schedule.uid)
    await say(house, event, event)
    await say(house, event, started(house, shows["1"], schedule.uid))  # told anew, by an event of its own
    assert await ask.ledger(house) == [*before, "plan.changed"]
    listed = (await house.manager(plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule.uid))).planned_shows
    assert [(one.external_id, one.started, one.version) for one in listed] == [("1", True, 2), ("2", False, 1)]


async def test_unknown_and_unplanned_shows_are_no_concern(house: House, ask: Asks) -> None:
    schedule, shows = await confirmed(house, row("1", "10:00", "11:00"))
    before, parked = await ask.ledger(house), await ask("SELECT * FROM parked")
    unknown = [started(house, uids.new("show"), schedule.uid), started(house, uids.new("show"), "")]
    await say(house, *unknown, *unknown)
    assert await ask.ledger(house) == before
    await say(house, unknown[0], started(house, shows["1"], schedule.uid), unknown[1])
    assert await ask.ledger(house) == [*before, "plan.changed"]
    assert await ask("SELECT * FROM parked") == parked


async def test_a_plan_changes_nothing_of_a_show_that_started(house: House) -> None:
    schedule, shows = await confirmed(
        house, row("1", "10:00", "11:00", mcs="Ada"), row("2", "11:00", "12:00"), row("3", "12:00", "13:00")
    )
    await say(house, *(started(house, shows[name], schedule.uid) for name in ("1", "2")))
    await house.manager(api.ReviseScheduleRequest(uid=schedule.uid))
    answer = await house.plan(schedule, row("1", "15:00", "16:00"), row("4", "10:30", "11:30"))
    assert row_outcomes(answer) == [
        (2, "1", "protected"),
        (3, "4", "created"),
        (0, "2", "protected"),
        (0, "3", "removed"),
    ]
    result = await house.confirm(schedule, confirmation_pb2.CONFIRM_MODE_BEST_EFFORT)
    assert outcomes(result) == {"1": "protected", "2": "protected", "3": "released", "4": "refused"}
    assert sorted(await in_force(house)) == [("10:00-11:00", "A"), ("10:00-11:00", "Ada"), ("11:00-12:00", "A")]
    await house.manager(api.CancelScheduleRequest(uid=schedule.uid, reason="client left"))
    assert len(await in_force(house)) == 3


async def test_a_live_show_that_is_cancelled_gives_its_room_back(house: House) -> None:
    schedule, shows = await confirmed(house, row("1", "10:00", "11:00"))
    await say(house, started(house, shows["1"], schedule.uid))
    await production(house)(ReleaseShowRequest(show_uid=shows["1"], confirmation=1, reason="power cut"))
    assert await in_force(house) == []
    assert outcomes(await house.confirm(schedule, propose=False)) == {"1": "protected"}
    assert await in_force(house) == []
