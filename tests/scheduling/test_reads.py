"""Reads of bookings touch little more than they answer, however much is booked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.common.access import Visible
from libs.common.db import Database
from libs.common.pages import PageQuery
from services.scheduling.domain.booking import ShowRef, Slot
from services.scheduling.domain.capacity import Search
from services.scheduling.domain.day import Span
from services.scheduling.store import bookings, capacity, conflicts, resources
from services.scheduling.store.bookings import BookingQuery
from tests.scheduling.filling import FIRST, STEP, Filled, empty, fill
from tests.support.statements import heard, most_rows
from tests.support.suite import Suite

PAIRS, EACH = 20, 200
PAGE = 50
LATER = FIRST + 80 * STEP
EVERYTHING = Visible(everything=True)


@pytest.fixture(scope="module")
def filled(stopped_suite: Suite) -> Iterator[Filled]:
    """A studio with eight thousand bookings, beside another one."""
    beside = fill(stopped_suite.admin_url, 5, EACH)
    made = fill(stopped_suite.admin_url, PAIRS, EACH)
    yield made
    empty(stopped_suite.admin_url, beside, made)


async def plan_of(db: Database, said: list[tuple[str, Any]]) -> dict[str, Any]:
    """What PostgreSQL did for the one statement that was said."""
    [(statement, parameters)] = said
    async with db.read() as reader:
        plan = await reader.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        found: dict[str, Any] = plan.scalar_one()[0]["Plan"]
        return found


def query(filled: Filled, *filters: str) -> BookingQuery:
    """A query with these filters."""
    given = {
        "studio": {"studio_uid": filled.studio_uid},
        "room": {"resource_uid": filled.room_uid(3)},
        "mc": {"resource_uid": filled.mc_uid(3)},
        "client": {"client_uid": filled.client_uid(3)},
    }
    return BookingQuery(**{name: value for one in filters for name, value in given[one].items()})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "filters", [("studio",), ("client",), ("studio", "room"), ("studio", "mc"), ("studio", "client")]
)
@pytest.mark.parametrize("start", [None, LATER])
@pytest.mark.parametrize("later", [False, True])
async def test_a_page_of_a_list_reads_little_more_than_a_page(
    db: Database, filled: Filled, filters: tuple[str, ...], start: datetime | None, later: bool
):
    until = LATER + timedelta(days=90) if start else None
    after = (LATER + timedelta(days=1), 0) if later else None
    async with db.read() as reader:
        with heard(db) as said:
            page = await bookings.list_bookings(
                reader, query(filled, *filters), start, until, EVERYTHING, PageQuery(PAGE, after, "")
            )
    assert len(page.rows) == PAGE
    plan = await plan_of(db, said)
    assert most_rows(plan) <= 10 * PAGE, json.dumps(plan, indent=1)


async def test_a_clients_member_reads_a_page_of_its_own_and_of_what_is_busy(db: Database, filled: Filled):
    visible = Visible(everything=False, clients=(filled.client_uid(3),))
    for wanted in (query(filled, "studio"), BookingQuery(studio_uid=filled.studio_uid, busy=True)):
        async with db.read() as reader:
            with heard(db) as said:
                page = await bookings.list_bookings(reader, wanted, LATER, None, visible, PageQuery(PAGE, None, ""))
        assert len(page.rows) == PAGE
        plan = await plan_of(db, said)
        assert most_rows(plan) <= 40 * PAGE, json.dumps(plan, indent=1)  # a twentieth of the bookings is its own


async def test_conflicts_read_what_is_in_the_way(db: Database, filled: Filled):
    async with db.read() as reader:
        words = [filled.room_uid(n + 1) for n in range(PAIRS)] + [filled.mc_uid(n + 1) for n in range(PAIRS)]
        known = resources.by_uid(await resources.find_resources(reader, filled.studio_uid, words))
        slots = [
            Slot(known[uid], FIRST + n * STEP, FIRST + n * STEP + STEP, ShowRef("", str(n), "", "", "", ""))
            for n in range(100)
            for uid in (filled.room_uid(n % PAIRS + 1), filled.mc_uid(n % PAIRS + 1))
        ]
        with heard(db) as said:
            found = await conflicts.slots_in_the_way(
                reader, slots, studio_uid=filled.studio_uid, moving=[], whole_studio=True, client_uids=[]
            )
    assert len(found) == 200
    plan = await plan_of(db, said)
    assert most_rows(plan) <= 2 * 200, json.dumps(plan, indent=1)


async def test_a_client_of_the_studio_is_found_at_once(db: Database, filled: Filled):
    async with db.read() as reader:
        with heard(db) as said:
            found = await conflicts.clients_of(reader, filled.studio_uid, [filled.client_uid(3), "client_other"])
    assert found == [filled.client_uid(3)]
    plan = await plan_of(db, said)
    # A handful of schedules is read whole, thousands of bookings are not.
    assert most_rows(plan) <= 200, json.dumps(plan, indent=1)


async def test_free_slots_and_utilisation_read_the_bookings_of_the_period(db: Database, filled: Filled):
    span = Span(LATER, LATER + timedelta(days=1))  # twelve bookings of each room and MC
    room_uids = [filled.room_uid(n) for n in range(1, 6)]
    search = Search(studio_uid=filled.studio_uid, duration=timedelta(hours=1), room_uids=room_uids)
    async with db.read() as reader:
        with heard(db) as said:
            free = await capacity.find_free(reader, search, span, [span], [])
        plan = await plan_of(db, said)
        assert len(free) == 10
        assert most_rows(plan) <= 2 * 5 * 12, json.dumps(plan, indent=1)
        with heard(db) as said:
            page = await capacity.measure_use(
                reader, filled.studio_uid, None, False, span, [span], PageQuery(PAIRS, None, "")
            )
        plan = await plan_of(db, said)
    assert [one.bookings for one in page.rows] == [12] * PAIRS
    assert {one.booked for one in page.rows} == {timedelta(hours=12)}
    assert most_rows(plan) <= 2 * (PAIRS + 1) * 12, json.dumps(plan, indent=1)
