"""Many schedules confirmed in one call: each on its own, and gone on with after a break."""

from __future__ import annotations

import asyncio
from typing import Any

from eridu.scheduling.v1 import bulk_pb2
from eridu.scheduling.v1 import schedule_request_pb2 as api
from eridu.scheduling.v1.bulk_pb2 import ConfirmSchedulesRequest, ScheduleToConfirm
from sqlalchemy import text

from libs.common import uids
from libs.common.db import Database
from tests.scheduling.planning import BEST_EFFORT, INVALID, VALIDATE_ONLY, Asks, in_force, row
from tests.scheduling.test_store import reasons, together
from tests.support.house import House, build_house
from tests.support.suite import Suite, refused, request_id, until


async def proposed(house: House, *rows: str) -> Any:
    """A proposed schedule."""
    schedule = await house.schedule()
    await house.plan(schedule, *rows)
    return await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))


def bulk(*schedules: Any, **more: Any) -> ConfirmSchedulesRequest:
    """These schedules, all at once."""
    return ConfirmSchedulesRequest(schedules=[ScheduleToConfirm(uid=one.uid) for one in schedules], **more)


def short(answer: bulk_pb2.ConfirmSchedulesResponse) -> list[tuple[bool, str, str]]:
    """Results in short: confirmed, or the refusal."""
    return [(one.confirmed, one.refusal.code, one.refusal.reason) for one in answer.results]


async def confirmations(ask: Asks, house: House) -> int:
    """How many schedules of the studio were confirmed."""
    return (await ask.ledger(house)).count("schedule.confirmed")


async def test_each_schedule_has_its_own_result_and_a_refusal_stops_nothing(house: House) -> None:
    good, clash = await proposed(house, row("1", "10:00", "11:00")), await proposed(house, row("2", "10:30", "12:00"))
    draft, other = await house.schedule(), await proposed(house, row("3", "14:00", "15:00"), row("4", "15:00", "16:00"))
    missing = uids.new("sched")
    request = bulk(good, clash, draft, other)
    request.schedules.add(uid=missing)
    request.schedules[3].plan_version = 2
    stale = bulk(other)
    stale.schedules[0].etag = "1"
    answer = await house.manager(request)
    assert short(answer) == [
        (True, "", ""),
        (False, "", ""),
        (False, "FAILED_PRECONDITION", "SCHEDULE_MOVE_REFUSED"),
        (False, "ABORTED", "STALE"),
        (False, "NOT_FOUND", "SCHEDULE_NOT_FOUND"),
    ]
    assert [one.uid for one in answer.results] == [good.uid, clash.uid, draft.uid, other.uid, missing]
    assert (answer.results[0].counts.booked, answer.results[0].schedule.confirmed_version) == (1, 1)
    assert answer.results[1].counts.refused == 1
    assert dict(answer.results[2].refusal.metadata) == {"move": "confirm", "status": "draft"}
    assert short(await house.manager(stale)) == [(False, "ABORTED", "STALE")]
    assert short(await house.manager(bulk(other, mode=VALIDATE_ONLY))) == [(False, "", "")]
    assert short(await house.manager(bulk(other, clash, mode=BEST_EFFORT))) == [(True, "", ""), (True, "", "")]
    assert await in_force(house) == [("10:00-11:00", "A"), ("14:00-15:00", "A"), ("15:00-16:00", "A")]


async def test_others_schedules_are_missing_and_roles_too_low_are_told(house: House, suite: Suite) -> None:
    schedule = await proposed(house, row("1", "10:00", "11:00"))
    stranger = await build_house(suite)
    for who, code, reason in (
        (house.member, "PERMISSION_DENIED", "ROLE_TOO_LOW"),
        (house.client_member, "PERMISSION_DENIED", "ROLE_TOO_LOW"),
        (stranger.manager, "NOT_FOUND", "SCHEDULE_NOT_FOUND"),
    ):
        assert short(await who(bulk(schedule))) == [(False, code, reason)]
    for request in (bulk(), bulk(schedule, schedule), bulk(*[schedule] * 101)):
        refusal = await refused(house.manager(request))
        assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")


async def test_the_same_request_is_answered_the_same_whatever_happened_since(house: House, ask: Asks) -> None:
    good, draft = await proposed(house, row("1", "10:00", "11:00")), await house.schedule()
    request = bulk(good, draft, request_id=request_id(), reason="all")
    first = await house.manager(request)
    assert short(first) == [(True, "", ""), (False, "FAILED_PRECONDITION", "SCHEDULE_MOVE_REFUSED")]
    await house.plan(draft, row("2", "12:00", "13:00"))
    await house.manager(api.ProposeScheduleRequest(uid=draft.uid))
    assert await house.manager(request) == first
    request.schedules[0].plan_version = 1
    assert (await refused(house.manager(request))).reason == "REQUEST_ID_REUSED"
    assert await confirmations(ask, house) == 1
    assert short(await house.manager(bulk(good, draft, request_id=request_id())))[1] == (True, "", "")


async def test_a_call_that_broke_off_is_gone_on_with_by_its_request_id(house: House, ask: Asks, db: Database) -> None:
    schedules = [await proposed(house, row(str(n), f"1{n}:00", f"1{n}:50")) for n in range(3)]
    draft = await house.schedule()
    request = bulk(draft, *schedules, request_id=request_id())
    waiting = """
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND wait_event_type = 'Lock'
          AND :holder = ANY(pg_blocking_pids(pid))
    """
    async with db.writer.connect() as conn:
        holder = (await conn.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        await conn.execute(text("SELECT 1 FROM schedule WHERE uid = :uid FOR UPDATE"), {"uid": schedules[1].uid})
        call = asyncio.create_task(house.manager(request))
        victim = await until(lambda: ask(waiting, holder=holder))
        await ask("SELECT pg_terminate_backend(:pid)", pid=victim[0].pid)
        broken = await call
        await conn.rollback()
    assert short(broken) == [
        (False, "FAILED_PRECONDITION", "SCHEDULE_MOVE_REFUSED"),
        (True, "", ""),
        (False, "UNAVAILABLE", "DATABASE_UNAVAILABLE"),
        (True, "", ""),
    ]
    await house.plan(draft, row("9", "19:00", "20:00"))
    await house.manager(api.ProposeScheduleRequest(uid=draft.uid))
    whole = await house.manager(request)
    assert [whole.results[n] for n in (0, 1, 3)] == [broken.results[n] for n in (0, 1, 3)]  # also the refusal
    assert whole.results[2].confirmed
    assert await house.manager(request) == whole
    assert await confirmations(ask, house) == 3
    assert (await ask.ledger(house)).count("booking.confirmed") == 3


async def test_the_same_request_many_times_at_once_confirms_once(house: House, ask: Asks) -> None:
    schedules = [await proposed(house, row(str(n), f"1{n}:00", f"1{n}:50")) for n in range(4)]
    request = bulk(*schedules, request_id=request_id())
    answers = await together(*(house.manager(request) for _ in range(5)))
    assert reasons(answers) == {"": 5}
    assert all(one == answers[0] for one in answers)
    assert short(answers[0]) == [(True, "", "")] * 4
    assert await confirmations(ask, house) == 4
