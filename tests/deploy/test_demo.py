"""The demo's own arithmetic: it must notice what does not add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from eridu.production.v1.show_pb2 import SHOW_STATUS_CANCELLED, SHOW_STATUS_COMPLETED, SHOW_STATUS_CONFIRMED, Show
from eridu.scheduling.v1.booking_pb2 import Booking
from eridu.tasks.v1.task_pb2 import Task
from eridu.tasks.v1.template_pb2 import Template, TemplateItem

from deploy.demo import sums
from deploy.demo.follow import Heard, State
from deploy.demo.house import ITEMS
from deploy.demo.report import Report
from deploy.demo.sheet import COLUMNS, Clash, Plan
from deploy.demo.sums import Sum

ROW = {"room": "", "mcs": "Host 1;Host 2", "platforms": "Live stream", "start": "", "end": ""}
TWO = Plan(({"external_id": "1", **ROW}, {"external_id": "2", **ROW}))
TEMPLATE = Template(items=[TemplateItem(uid=str(n), type=item.type) for n, item in enumerate(ITEMS)])
SHOWS = {uid: Show(uid=uid, external_id=uid[-1], status=SHOW_STATUS_CONFIRMED) for uid in ("show_1", "show_2")}
BOOKINGS = {uid: Booking(uid=uid) for uid in ("book_1", "book_2")}
BOOKED = Counter(booked=2)


def tasks_of(uid: str) -> list[Task]:
    """Five items on the show, one on each of two hosts, one on its platform."""
    targets = [(uid, n) for n in range(5)] + [("smc_1", 5), ("smc_2", 5), ("spl_1", 6)]
    return [Task(show_uid=uid, target_uid=target, template_item_uid=str(item)) for target, item in targets]


TASKS = [task for uid in SHOWS for task in tasks_of(uid)]
STATE = State(SHOWS, BOOKINGS, {str(n): task for n, task in enumerate(TASKS)})
HEARD = Heard("studio", {"event_1": "show_1", "event_2": "show_2"})


def wrong(found: list[Sum]) -> list[str]:
    return [one.sentence for one in found if not one.right]


def test_the_bundled_plan_is_whole_and_has_the_clashes_that_its_readme_names():
    plan = Plan.read()
    assert len(plan.rows) == 674
    assert [len(plan.names(column)) for column in ("client", "room", "mcs")] == [55, 26, 738]
    assert plan.clashes() == {
        Clash("UB4.136", ("10826", "10837")),
        Clash("UB4.136", ("10826", "10843")),
        Clash("Host 2457", ("10858", "10862")),
        Clash("Host 2546", ("11167", "11179")),
    }


def test_the_sheets_of_the_clients_are_the_plan_cut_into_pieces():
    plan = Plan.read()
    sheets = [plan.sheet(client).splitlines() for client in plan.names("client")]
    assert {sheet[0] for sheet in sheets} == {",".join(COLUMNS)}
    assert sum(len(sheet) - 1 for sheet in sheets) == len(plan.rows)


def test_what_is_right_adds_up():
    assert wrong(sums.of_confirmation(TWO, BOOKED, STATE)) == []
    assert wrong(sums.of_tasks(TWO, TEMPLATE, SHOWS.values(), TASKS)) == []
    assert wrong(sums.of_events(HEARD, set(SHOWS))) == []
    again = Counter(unchanged=2)
    assert wrong(sums.of_repetition(BOOKED, again, STATE, STATE)) == []


def test_a_later_run_adds_up_with_what_earlier_ones_saw_the_end_of():
    over = Show(uid="show_1", external_id="1", status=SHOW_STATUS_COMPLETED)
    cancelled = Show(uid="show_2", external_id="2", status=SHOW_STATUS_CANCELLED)
    state = State({"show_1": over, "show_2": cancelled}, ONE_ROOM, STATE.tasks)
    outcomes = Counter(protected=1, cancelled=1)
    assert wrong(sums.of_confirmation(TWO, outcomes, state)) == []
    assert wrong(sums.of_tasks(TWO, TEMPLATE, state.shows.values(), TASKS)) == []
    assert wrong(sums.of_events(Heard("studio"), set())) == []
    assert wrong(sums.of_repetition(outcomes, outcomes, state, state)) == []


ONE_SHOW = {"show_1": SHOWS["show_1"]}
ONE_ROOM = {"book_1": BOOKINGS["book_1"]}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (sums.of_confirmation(TWO, BOOKED, replace(STATE, shows=ONE_SHOW)), "confirmed shows = shows booked"),
        (sums.of_confirmation(TWO, BOOKED, replace(STATE, rooms=ONE_ROOM)), "room bookings = shows booked, or over"),
        (sums.of_confirmation(TWO, Counter(booked=1), STATE), "shows booked = planned − refused − over − cancelled"),
        (sums.of_tasks(TWO, TEMPLATE, SHOWS.values(), TASKS[1:]), "tasks = shows ever confirmed × items, per target"),
        (sums.of_tasks(TWO, TEMPLATE, SHOWS.values(), [TASKS[1], *TASKS[1:]]), "tasks that are there twice"),
        (sums.of_tasks(TWO, TEMPLATE, SHOWS.values(), [*TASKS[1:], TASKS[-1]]), "shows with another number of tasks"),
        (
            sums.of_events(Heard("studio", {"event_1": "show_1"}), set(SHOWS)),
            "shows booked now that a subscriber heard of",
        ),
        (
            sums.of_events(Heard("studio", {**HEARD.shows, "event_3": "show_1"}), set(SHOWS)),
            "shows that a subscriber heard of twice",
        ),
        (
            sums.of_repetition(BOOKED, Counter(unchanged=1, booked=1), STATE, STATE),
            "confirmed again: any other outcome",
        ),
        (
            sums.of_repetition(BOOKED, Counter(unchanged=2), STATE, replace(STATE, tasks={})),
            "confirmed again: tasks that came or went",
        ),
        (sums.of_clashes(TWO, {Clash("UB4.136", ("1", "2"))}), "clashes that only one of the two knows"),
    ],
)
def test_what_is_wrong_is_said(found: list[Sum], said: str, capsys: Any):
    assert said in wrong(found)
    assert not Report().sums(found)
    assert "✗" in capsys.readouterr().out
