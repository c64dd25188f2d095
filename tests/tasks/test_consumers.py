"""What tasks makes of production's events, whatever their order and however often they come."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from eridu.production.v1 import show_pb2
from eridu.tasks.v1 import events_pb2, task_pb2, template_pb2
from eridu.tasks.v1.task_service_pb2 import (
    AssignTaskRequest,
    CheckGateRequest,
    CheckGateResponse,
    CompleteTaskRequest,
    GateState,
    GenerateTasksRequest,
    StartTaskRequest,
)
from sqlalchemy import event as sqlalchemy_event

from libs.common import uids
from libs.common.access import Caller
from libs.common.bus import MAX_MESSAGE
from libs.common.clock import now
from libs.common.db import Database
from libs.common.messages import time_of
from libs.common.once import EventsOnce
from services.tasks import convert
from services.tasks.commands.shows import follow_shows
from tests.support.house import House, at
from tests.support.suite import Suite
from tests.tasks.production import (
    CANCELLED,
    COMPLETED,
    DRAFT,
    LIVE,
    Production,
    a_show,
    a_template,
    an_item,
    event,
    later,
    tasks_of,
)

PENDING, DONE, CLOSED = task_pb2.TASK_STATUS_PENDING, task_pb2.TASK_STATUS_COMPLETED, task_pb2.TASK_STATUS_CLOSED
MC_REVIEW = template_pb2.TASK_TYPE_SHOW_MC_REVIEW
PLATFORM_REVIEW = template_pb2.TASK_TYPE_SHOW_PLATFORM_REVIEW


async def ledger_of(production: Production, show: show_pb2.Show) -> list[Any]:
    """What the service wrote down about a show's tasks: action and payload, in order."""
    return await production.ask(
        "SELECT action, payload, old_values, new_values, reason FROM tasks.ledger WHERE entity_uid = :uid ORDER BY id",
        uid=show.uid,
    )


async def gate(suite: Suite, show: show_pb2.Show, confirmation: int = 1) -> str:
    """The gate before going live, as production sees it."""
    request = CheckGateRequest(
        show_uid=show.uid, confirmation=confirmation, phase=template_pb2.TASK_TYPE_PRE_PRODUCTION
    )
    answer: CheckGateResponse = await suite.service("production")(request)
    return GateState.Name(answer.state).removeprefix("GATE_STATE_")


async def test_a_confirmed_show_gets_one_task_for_each_item_and_target(house: House, production: Production):
    await a_template(house, an_item("Lights"), an_item("Host", type=MC_REVIEW), an_item("Feed", type=PLATFORM_REVIEW))
    show = a_show(house, mcs=2, platforms=1)
    await production.say("confirmed", show, 2)
    tasks = await tasks_of(house, show)
    assert Counter((task.title, task.target_uid) for task in tasks) == Counter(
        [
            ("Lights", show.uid),
            ("Host", show.mcs[0].uid),
            ("Host", show.mcs[1].uid),
            ("Feed", show.platforms[0].uid),
        ]
    )
    assert {task.due_at.ToJsonString() for task in tasks} == {"2026-03-01T09:00:00Z"}
    assert {(task.status, task.confirmation, task.client_uid) for task in tasks} == {(PENDING, 1, house.client.uid)}
    [entry] = await ledger_of(production, show)
    said = events_pb2.TasksGenerated.FromString(entry.payload)
    assert (entry.action, said.show_uid) == ("task.generated", show.uid)
    assert sorted(said.tasks, key=lambda task: task.uid) == sorted(tasks, key=lambda task: task.uid)
    assert sorted(entry.new_values["tasks"]) == sorted(task.uid for task in tasks)


async def test_only_active_templates_that_match_give_their_tasks(house: House, production: Production):
    await a_template(house, an_item("For all"))
    await a_template(house, an_item("For the client"), client_uid=house.client.uid)
    await a_template(house, an_item("For talk, premium"), show_type="talk", show_standard="premium")
    await a_template(house, an_item("For sale"), show_type="sale")
    await a_template(house, an_item("For nobody"), active=False)
    show = a_show(house, type="talk", standard="premium")
    await production.say("confirmed", show, 2)
    assert {task.title for task in await tasks_of(house, show)} == {"For all", "For the client", "For talk, premium"}


async def test_each_event_twice_has_its_effect_once(suite: Suite, house: House, production: Production):
    await a_template(house, an_item(), an_item())
    show = a_show(house)
    said = []
    for verb, version, changed in (
        ("created", 1, later(show, status=DRAFT, confirmation=0)),
        ("confirmed", 2, show),
        ("moved", 3, later(show, starts_at=at("2026-03-01T11:00"))),
        ("started", 4, later(show, starts_at=at("2026-03-01T11:00"), status=LIVE)),
        ("completed", 5, later(show, starts_at=at("2026-03-01T11:00"), status=COMPLETED)),
    ):
        one = await production.say(verb, changed, version)
        before = (await tasks_of(house, show), await ledger_of(production, show))
        await production.repeat(one)
        assert (await tasks_of(house, show), await ledger_of(production, show)) == before
        said.append(one)
    assert [entry.action for entry in before[1]] == ["task.generated", "task.shifted"]
    await production.repeat(*reversed(said))
    assert (await tasks_of(house, show), await ledger_of(production, show)) == before
    assert len(before[0]) == 2


async def test_the_same_news_under_other_event_uids_changes_nothing(house: House, production: Production):
    await a_template(house)
    show = a_show(house)
    await production.say("confirmed", show, 2)
    before = await tasks_of(house, show)
    await production.say("confirmed", show, 2)
    assert await tasks_of(house, show) == before
    assert len(before) == 1


async def test_a_move_heard_before_the_confirmation_makes_the_tasks_at_the_new_time(
    house: House, production: Production
):
    await a_template(house)
    show = a_show(house)
    await production.say("moved", later(show, starts_at=at("2026-03-02T10:00"), ends_at=at("2026-03-02T12:00")), 3)
    [task] = await tasks_of(house, show)
    assert time_of(task.due_at) == datetime(2026, 3, 2, 9, tzinfo=UTC)
    await production.say("confirmed", show, 2)
    assert await tasks_of(house, show) == [task]


async def test_a_whole_life_replayed_backwards_ends_the_same(suite: Suite, house: House, production: Production):
    await a_template(house, an_item(), an_item("Host", type=MC_REVIEW))
    shows = []
    for _ in range(2):
        show = a_show(house, mcs=1)
        again = later(show, confirmation=2, starts_at=at("2026-03-05T09:00"))
        shows.append(
            [
                event("created", later(show, status=DRAFT, confirmation=0), 1),
                event("confirmed", show, 2),
                event("moved", later(show, starts_at=at("2026-03-01T11:00")), 3),
                event("cancelled", later(show, status=CANCELLED), 4),
                event("confirmed", again, 6),
                event("started", later(again, status=LIVE), 7),
            ]
        )
    forwards, backwards = shows
    await production.repeat(*forwards)
    await production.repeat(*reversed(backwards))
    seen = []
    for show in (forwards[0].show, backwards[0].show):
        current = [task for task in await tasks_of(house, show) if task.confirmation == 2]
        seen.append(Counter((task.title, task.status, task.due_at.ToJsonString()) for task in current))
        assert not [t for t in await tasks_of(house, show) if t.confirmation == 1 and t.status != CLOSED]
    assert (
        seen[0]
        == seen[1]
        == {("Check lights", PENDING, "2026-03-05T08:00:00Z"): 1, ("Host", PENDING, "2026-03-05T08:00:00Z"): 1}
    )


async def test_a_confirmation_heard_after_its_cancellation_makes_nothing(house: House, production: Production):
    await a_template(house)
    show = a_show(house)
    await production.say("cancelled", later(show, status=CANCELLED), 3)
    await production.say("confirmed", show, 2)
    assert await tasks_of(house, show) == []
    assert await ledger_of(production, show) == []


async def test_a_show_confirmed_again_gets_a_fresh_list(suite: Suite, house: House, production: Production):
    await a_template(house, an_item("A"), an_item("B"))
    show = a_show(house)
    await production.say("confirmed", show, 2)
    first = {task.title: task for task in await tasks_of(house, show)}
    await house.manager(AssignTaskRequest(uid=first["A"].uid, assignee_uid=house.people["member"].uid))
    await house.member(StartTaskRequest(uid=first["A"].uid))
    await house.member(CompleteTaskRequest(uid=first["A"].uid))
    await production.say("cancelled", later(show, status=CANCELLED, cancel_reason="no host"), 3)
    assert {task.title: task.status for task in await tasks_of(house, show)} == {"A": DONE, "B": CLOSED}
    assert await gate(suite, show, confirmation=2) == "NOT_GENERATED"
    await production.say("confirmed", later(show, confirmation=2), 5)
    fresh = [task for task in await tasks_of(house, show) if task.confirmation == 2]
    assert {task.title: task.status for task in fresh} == {"A": PENDING, "B": PENDING}
    assert {task.uid for task in fresh}.isdisjoint(task.uid for task in first.values())
    entries = await ledger_of(production, show)
    assert [entry.action for entry in entries] == ["task.generated", "task.closed", "task.generated"]
    closed = events_pb2.TasksClosed.FromString(entries[1].payload)
    assert [(task.uid, task.status) for task in closed.tasks] == [(first["B"].uid, CLOSED)]
    assert (entries[1].old_values, entries[1].reason) == ({first["B"].uid: "pending"}, "the show is cancelled")


async def test_a_later_confirmation_closes_the_open_tasks_of_the_earlier_one(house: House, production: Production):
    await a_template(house)
    show = a_show(house)
    await production.say("confirmed", show, 2)
    await production.say("confirmed", later(show, confirmation=2), 5)
    assert {task.confirmation: task.status for task in await tasks_of(house, show)} == {1: CLOSED, 2: PENDING}


async def test_due_dates_follow_a_show_that_moves(house: House, production: Production):
    end = template_pb2.DUE_ANCHOR_SHOW_END
    await a_template(house, an_item("Before"), an_item("After", due_anchor=end, due_offset_minutes=30))
    show = a_show(house)
    await production.say("confirmed", show, 2)
    await production.say("moved", later(show, ends_at=at("2026-03-01T13:00")), 3)
    due = {task.title: task.due_at.ToJsonString() for task in await tasks_of(house, show)}
    assert due == {"Before": "2026-03-01T09:00:00Z", "After": "2026-03-01T13:30:00Z"}
    shifted = (await ledger_of(production, show))[-1]
    assert shifted.action == "task.shifted"
    assert [task.title for task in events_pb2.TasksShifted.FromString(shifted.payload).tasks] == ["After"]


async def test_tasks_come_and_go_with_the_mcs_of_their_show(house: House, production: Production):
    await a_template(house, an_item("Host", type=MC_REVIEW), an_item("Lights"))
    show = a_show(house, mcs=2)
    ada, bob = show.mcs
    cat = show_pb2.ShowMc(uid=uids.new("smc"), mc_uid=uids.new("mc"))
    await production.say("confirmed", later(show, mcs=[ada]), 2)

    async def reviews() -> dict[str, int]:
        return {task.target_uid: task.status for task in await tasks_of(house, show) if task.title == "Host"}

    assert await reviews() == {ada.uid: PENDING}
    await production.say("moved", later(show, mcs=[bob, cat]), 3)
    assert await reviews() == {ada.uid: CLOSED, bob.uid: PENDING, cat.uid: PENDING}
    await production.say("moved", later(show, mcs=[ada, bob]), 4)
    assert await reviews() == {ada.uid: PENDING, bob.uid: PENDING, cat.uid: CLOSED}
    lights = [task for task in await tasks_of(house, show) if task.title == "Lights"]
    assert [(task.status, task.etag) for task in lights] == [(PENDING, "1")]
    actions = [entry.action for entry in await ledger_of(production, show)]
    assert actions == ["task.generated", "task.closed", "task.generated", "task.generated", "task.closed"]


async def test_a_show_without_a_matching_template_has_its_tasks_too(suite: Suite, house: House, production: Production):
    show = a_show(house)
    assert await gate(suite, show) == "NOT_GENERATED"
    await production.say("created", later(show, status=DRAFT, confirmation=0), 1)
    assert await gate(suite, show) == "NOT_GENERATED"
    await production.say("confirmed", show, 2)
    assert await gate(suite, show) == "CLEAR"
    [entry] = await ledger_of(production, show)
    assert list(events_pb2.TasksGenerated.FromString(entry.payload).tasks) == []


async def test_a_template_activated_later_is_for_later_shows(house: House, production: Production):
    show = a_show(house)
    await production.say("confirmed", show, 2)
    await a_template(house)
    await production.say("moved", later(show, name="Other name"), 3)
    assert await tasks_of(house, show) == []
    made = (await house.manager(GenerateTasksRequest(show_uid=show.uid))).tasks
    assert [task.title for task in made] == ["Check lights"]


async def test_a_poison_message_is_parked_and_the_next_is_worked_on(house: House, production: Production):
    await a_template(house)
    poison, incomplete, show = (event("confirmed", a_show(house), 2) for _ in range(3))
    garbage = uuid.uuid4().bytes + b"\xff\xff\xff"
    await production.put("eridu.production.show.confirmed", garbage, poison)
    incomplete.show.ClearField("starts_at")
    await production.repeat(incomplete, show)
    assert len(await tasks_of(house, show.show)) == 1
    parked = await production.ask("SELECT reason, payload FROM tasks.parked ORDER BY stream_sequence")
    assert ("UNREADABLE", garbage) in [tuple(row) for row in parked]
    assert ("SHOW_INCOMPLETE", incomplete.SerializeToString()) in [tuple(row) for row in parked]


async def test_no_event_is_too_large_for_the_stream(house: House, production: Production):
    titles = ["\N{CLAPPER BOARD}" * 200] * 200
    for _ in range(4):
        await a_template(house, *(an_item(title) for title in titles))
    show = a_show(house)
    await production.say("confirmed", show, 2)
    entries = await ledger_of(production, show)
    assert max(len(entry.payload) for entry in entries) < 400 * 1024 < MAX_MESSAGE
    said = [task.uid for entry in entries for task in events_pb2.TasksGenerated.FromString(entry.payload).tasks]
    assert len(said) == len(set(said)) == 800


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """The statements that are written to the database inside."""
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sqlalchemy_event.listen(db.writer.sync_engine, "before_cursor_execute", note)
    yield seen
    sqlalchemy_event.remove(db.writer.sync_engine, "before_cursor_execute", note)


async def test_any_number_of_shows_is_a_handful_of_statements(house: House, production: Production):
    await a_template(house, *(an_item(f"Item {number}") for number in range(10)))
    db = production.process.db
    shows = [a_show(house) for _ in range(500)]
    moved = [later(show, starts_at=at("2026-03-01T11:00")) for show in shows]

    async def follow(verb: str, some: list[show_pb2.Show], version: int) -> list[str]:
        events = [event(verb, show, version) for show in some]
        caller = Caller.system("tasks", EventsOnce("tasks.production", [one.change.event_uid for one in events]))
        with statements(db) as seen:
            await follow_shows(db, caller, now, [convert.known_show(one) for one in events])
        return seen

    assert len(await follow("confirmed", shows, 2)) <= 8
    assert len(await follow("moved", moved, 3)) <= 8
    assert len(await follow("confirmed", [later(show, confirmation=2) for show in shows], 5)) <= 12
    [counts] = await production.ask(
        "SELECT count(*), count(DISTINCT show_uid), count(*) FILTER (WHERE status = 'closed')"
        " FROM tasks.task WHERE studio_uid = :uid",
        uid=house.studio.uid,
    )
    assert tuple(counts) == (10_000, 500, 5_000)


async def test_a_run_of_many_events_generates_each_show_once(house: House, production: Production):
    await a_template(house, an_item(), an_item())
    said = [event("confirmed", a_show(house), 2) for _ in range(150)]
    await production.repeat(*said, *said, *(event("confirmed", one.show, 2) for one in said))
    [row] = await production.ask("SELECT count(*) FROM tasks.task WHERE studio_uid = :uid", uid=house.studio.uid)
    assert row.count == 300
