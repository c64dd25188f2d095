"""What scheduling says, said twice, late, in any order and by the hundred, to the running service."""

from __future__ import annotations

import copy
import random
from typing import Any

import grpc
import pytest
from eridu.production.v1 import show_pb2
from eridu.production.v1.show_service_pb2 import GetShowRequest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text

from libs.common import uids
from libs.common.access import Caller
from libs.common.clock import now
from libs.common.consumers import Heard
from libs.common.once import EventsOnce
from services.production.consumers import from_scheduling
from tests.production.scheduling import Said, Scheduling
from tests.support.house import House
from tests.support.suite import refused, until

DRAFT, CONFIRMED, LIVE, COMPLETED, CANCELLED = range(1, 6)


@pytest.fixture
def said(house: House) -> Said:
    """A show that scheduling speaks about."""
    return Said(house.studio.uid, house.client.uid)


async def show_of(house: House, said: Said) -> show_pb2.Show:
    """The show as its studio sees it."""
    answer: show_pb2.Show = await house.member(GetShowRequest(uid=said.uid))
    return answer


async def put_in(scheduling: Scheduling, said: Said, status: str) -> None:
    """Have the show in a status that only people bring it to."""
    async with scheduling.suite.processes["production"].db.writer.begin() as conn:
        await conn.execute(
            text("UPDATE production.show SET status = :status WHERE uid = :uid"), {"status": status, "uid": said.uid}
        )


async def test_a_show_that_nobody_knew_is_made_from_its_booking(house: House, scheduling: Scheduling, said: Said):
    await scheduling.say(said.confirmed())
    show = await show_of(house, said)
    assert (show.status, show.confirmation, show.name, show.external_id) == (CONFIRMED, 1, "Morning", "0")
    assert (show.studio_uid, show.client_uid, show.schedule_uid) == (
        said.studio_uid,
        said.client_uid,
        said.schedule_uid,
    )
    assert ([mc.mc_uid for mc in show.mcs], [p.platform_uid for p in show.platforms]) == ([said.ada], [said.platform])
    assert await scheduling.ledger(said.uid) == [("show.confirmed", 1, "as agreed")]


async def test_every_event_works_once_however_often_it_comes(house: House, scheduling: Scheduling, said: Said):
    story = [
        said.planned(1),
        said.planned(2, name="Noon"),
        said.confirmed(1, name="Noon"),
        said.moved(2, name="Night", mc_uids=[said.bob]),
        said.released(3, name="Night", mc_uids=[said.bob]),
    ]
    for event in story:
        again = copy.deepcopy(event)
        again.change.event_uid = uids.new_uuid()  # also as a new event that says the same
        await scheduling.say(event, event, again)
    await scheduling.say(*story)
    assert await scheduling.actions(said.uid) == ["created", "updated", "confirmed", "moved", "cancelled"]
    show = await show_of(house, said)
    assert (show.status, show.cancel_reason, show.name, show.etag) == (CANCELLED, "as agreed", "Night", "5")


async def test_a_move_that_comes_before_its_confirmation_wins(house: House, scheduling: Scheduling, said: Said):
    await scheduling.say(said.planned())
    await scheduling.say(said.moved(2, name="Night"))
    await scheduling.say(said.confirmed(1))
    assert (await show_of(house, said)).name == "Night"
    assert await scheduling.actions(said.uid) == ["created", "confirmed"]


@pytest.mark.parametrize("planned", [True, False])
async def test_a_confirmation_that_comes_after_its_release_confirms_nothing(
    house: House, scheduling: Scheduling, said: Said, planned: bool
):
    if planned:
        await scheduling.say(said.planned())
    await scheduling.say(said.released(2))
    await scheduling.say(said.confirmed(1))
    assert (await show_of(house, said)).status == CANCELLED
    assert await scheduling.actions(said.uid) == (["created"] if planned else []) + ["cancelled"]


async def test_a_released_show_is_confirmed_again_under_the_next_number(
    house: House, scheduling: Scheduling, said: Said
):
    await scheduling.say(said.confirmed(1), said.released(2), said.confirmed(3, 2, name="Again"))
    show = await show_of(house, said)
    assert (show.status, show.confirmation, show.cancel_reason, show.name) == (CONFIRMED, 2, "", "Again")
    assert await scheduling.ledger(said.uid) == [
        ("show.confirmed", 1, "as agreed"),
        ("show.cancelled", 2, "as agreed"),
        ("show.confirmed", 3, "as agreed"),
    ]


async def test_news_that_changes_nothing_is_remembered_as_the_newest(house: House, scheduling: Scheduling, said: Said):
    await scheduling.say(said.confirmed(1))
    await scheduling.say(said.moved(3))
    await scheduling.say(said.moved(2, name="Old"))
    assert (await show_of(house, said)).name == "Morning"
    assert await scheduling.actions(said.uid) == ["confirmed"]


@pytest.mark.parametrize(("word", "status"), [("live", LIVE), ("completed", COMPLETED)])
async def test_a_show_on_air_or_over_is_left_alone(
    house: House, scheduling: Scheduling, said: Said, word: str, status: int
):
    await scheduling.say(said.confirmed(1))
    await put_in(scheduling, said, word)
    before = await show_of(house, said)
    await scheduling.say(
        said.moved(2, name="Night"), said.released(3), said.confirmed(4, 2), said.planned(9, removed=True)
    )
    assert await show_of(house, said) == before
    assert before.status == status
    assert await scheduling.actions(said.uid) == ["confirmed"]


async def test_a_draft_follows_its_plan_out_and_back(house: House, scheduling: Scheduling, said: Said):
    await scheduling.say(said.planned(1, mc_uids=[said.ada, said.bob]))
    first = await show_of(house, said)
    assert (first.status, [mc.mc_uid for mc in first.mcs]) == (DRAFT, [said.ada, said.bob])
    await scheduling.say(said.planned(2, removed=True))
    gone = await refused(house.member(GetShowRequest(uid=said.uid)))
    assert (gone.code, gone.reason) == (grpc.StatusCode.NOT_FOUND, "SHOW_NOT_FOUND")
    await scheduling.say(said.planned(3, mc_uids=[said.bob]))
    assert [mc.uid for mc in (await show_of(house, said)).mcs] == [first.mcs[1].uid]
    await scheduling.say(said.planned(4, mc_uids=[said.bob, said.ada]))
    assert {mc.uid for mc in (await show_of(house, said)).mcs} == {mc.uid for mc in first.mcs}
    await scheduling.say(said.planned(5, cancelled=True))
    assert (await show_of(house, said)).status == CANCELLED
    await scheduling.say(said.planned(6, name="Back"))
    back = await show_of(house, said)
    assert (back.status, back.name, back.cancel_reason) == (DRAFT, "Back", "")
    assert await scheduling.actions(said.uid) == [
        "created",
        "deleted",
        "updated",
        "updated",
        "cancelled",
        "updated",
    ]


async def test_a_draft_that_left_its_plan_before_anybody_heard_of_it_does_not_live(
    house: House, scheduling: Scheduling, said: Said
):
    await scheduling.say(said.planned(2, removed=True))
    await scheduling.say(said.planned(1))
    assert (await refused(house.member(GetShowRequest(uid=said.uid)))).reason == "SHOW_NOT_FOUND"


async def test_a_plan_does_not_move_a_booked_show(house: House, scheduling: Scheduling, said: Said):
    await scheduling.say(said.planned(1), said.confirmed(1))
    await scheduling.say(said.planned(2, name="Later"), said.planned(3, removed=True))
    show = await show_of(house, said)
    assert (show.status, show.name) == (CONFIRMED, "Morning")


def history(house: House) -> list[list[Any]]:
    """What happened to eight shows of one schedule, each in its own order."""
    schedule_uid = uids.new("sched")
    stories = []
    for number in range(8):
        said = Said(house.studio.uid, house.client.uid, schedule_uid, number)
        story = [
            said.planned(1),
            said.planned(2, name="Noon", mc_uids=[said.ada, said.bob]),
            said.confirmed(1, name="Noon", mc_uids=[said.ada, said.bob]),
            said.planned(3, name="Dusk", mc_uids=[said.bob]),
            said.moved(2, name="Dusk", mc_uids=[said.bob]),
            said.released(3, name="Dusk", mc_uids=[said.bob]),
            said.confirmed(4, 2, name="Night"),
            said.moved(5, 2, name="Midnight", platform_uids=[]),
            said.released(6, 2, name="Midnight", platform_uids=[]),
        ]
        stories.append(story[: number + 2])
    return stories


async def test_the_whole_history_again_in_any_order_changes_nothing(house: House, scheduling: Scheduling):
    story = [event for one in history(house) for event in one]
    await scheduling.say(*story)
    ended = await scheduling.dump(house.studio.uid)
    assert len(ended) > 16
    dice = random.Random(7)
    for _ in range(2):
        dice.shuffle(story)
        for event in story:
            event.change.event_uid = uids.new_uuid()
        await scheduling.say(*story)
        assert await scheduling.dump(house.studio.uid) == ended


@pytest.mark.parametrize("seed", range(3))
async def test_a_history_in_any_order_ends_in_the_same_shows(house: House, scheduling: Scheduling, seed: int):
    story = [event for one in history(house) for event in one]
    await scheduling.say(*story)
    how = ("version", "uid", "released_at")  # shows that heard less of the story changed less often
    ended = [row for row in await scheduling.dump(house.studio.uid, how) if "name" in row]
    renamed = rename(story)
    random.Random(seed).shuffle(renamed)
    await scheduling.say(*renamed[: len(renamed) // 2])
    await scheduling.say(*renamed[len(renamed) // 2 :], *renamed)
    again = [row for row in await scheduling.dump(renamed[0].change.studio_uid, how) if "name" in row]
    same = [row | {"studio_uid": house.studio.uid} for row in again]
    assert by_number(same) == by_number(ended)


def rename(story: list[Any]) -> list[Any]:
    """The same story of other shows in another studio."""
    studio_uid = uids.new("studio")
    names: dict[str, str] = {}
    renamed = []
    for event in copy.deepcopy(story):
        event.change.event_uid = uids.new_uuid()
        event.change.studio_uid = studio_uid
        scope = event.booking if hasattr(event, "booking") else event.schedule
        scope.studio_uid = studio_uid
        for one in [event.booking] if hasattr(event, "booking") else event.planned_shows:
            one.show_uid = names.setdefault(one.show_uid, uids.new("show"))
        renamed.append(event)
    return renamed


def by_number(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Shows in the order of their external ids."""
    return sorted(rows, key=lambda row: str(row["external_id"]))


async def test_five_hundred_bookings_are_a_handful_of_statements(house: House, scheduling: Scheduling):
    shows = [Said(house.studio.uid, house.client.uid, number=number) for number in range(500)]
    statements = await count_statements(scheduling, [said.confirmed() for said in shows])
    assert len(statements) <= 15, statements
    moves = [said.moved(2, name="Night", mc_uids=[said.ada, said.bob]) for said in shows]
    assert len(await count_statements(scheduling, moves)) <= 15
    assert len(await scheduling.dump(house.studio.uid)) == 500 + 2 * 500 + 500


async def count_statements(scheduling: Scheduling, events: list[Any]) -> list[str]:
    """The statements that a run of events costs."""
    statements: list[str] = []

    def count(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    once = EventsOnce("production.scheduling", [event.change.event_uid for event in events])
    _, bookings = from_scheduling(scheduling.db, now)
    engine = scheduling.db.writer.sync_engine
    sqlalchemy_event.listen(engine, "before_cursor_execute", count)
    try:
        await bookings.handle(Heard(Caller.system("production", once), events))
    finally:
        sqlalchemy_event.remove(engine, "before_cursor_execute", count)
    return statements


async def test_a_booking_that_cannot_be_is_set_aside_and_holds_up_nobody(
    house: House, scheduling: Scheduling, said: Said
):
    bad = Said(house.studio.uid, house.client.uid).confirmed()
    bad.booking.ends_at.CopyFrom(bad.booking.starts_at)
    head = {"Nats-Msg-Id": uids.new_uuid()}
    await scheduling.bus.publish("eridu.scheduling.booking.confirmed", bad.SerializeToString(), head)
    await scheduling.say(said.confirmed())

    async def parked() -> bool:
        return bool(
            await scheduling.rows(
                "SELECT 1 FROM production.parked WHERE payload = :payload AND reason = 'END_BEFORE_START'",
                payload=bad.SerializeToString(),
            )
        )

    await until(parked)
    assert (await show_of(house, said)).status == CONFIRMED
