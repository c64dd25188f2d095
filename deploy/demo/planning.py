"""From sheets to bookings: schedules are made, imported, validated, proposed and confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from eridu.scheduling.v1.confirmation_pb2 import (
    CONFIRM_MODE_BEST_EFFORT,
    ConfirmScheduleRequest,
    ShowOutcome,
    ShowResult,
    ValidateScheduleRequest,
)
from eridu.scheduling.v1.plan_pb2 import ImportPlanRequest, ImportPlanResponse, RowOutcome
from eridu.scheduling.v1.schedule_pb2 import (
    RULE_MC_CLASH,
    RULE_ROOM_CLASH,
    SCHEDULE_STATUS_CONFIRMED,
    SCHEDULE_STATUS_PROPOSED,
    Problem,
    Schedule,
)
from eridu.scheduling.v1.schedule_request_pb2 import (
    CreateScheduleRequest,
    ListSchedulesRequest,
    ProposeScheduleRequest,
    ReviseScheduleRequest,
    WithdrawScheduleRequest,
)
from google.protobuf.timestamp_pb2 import Timestamp

from deploy.demo.house import House, all_of
from deploy.demo.sheet import BEGIN, END, Clash, Plan
from libs.client.connection import each

NAME = "3 and 4 February 2024"
AGAIN = "the demo runs again"
CONFIRM_WITHIN = 60.0  # seconds


def instant(time: datetime) -> Timestamp:
    """A time as a message has it."""
    return Timestamp(seconds=int(time.timestamp()))


async def import_plans(house: House, plan: Plan) -> tuple[dict[str, str], Counter[str]]:
    """One schedule per client, filled from its sheet: their uids in the clients' order, and what became of the rows."""
    query = ListSchedulesRequest(studio_uid=house.studio_uid)
    known = {one.client_uid: one async for one in each(house.manager.schedules.ListSchedules, query)}

    async def import_one(client: str, client_uid: str) -> ImportPlanResponse:
        draft = await reopen(house, known[client_uid]) if client_uid in known else await create(house, client_uid)
        return await house.manager.schedules.ImportPlan(ImportPlanRequest(uid=draft.uid, csv=plan.sheet(client)))

    clients = sorted(house.clients.items())
    answers = await all_of(import_one(client, uid) for client, uid in clients)
    schedules = {client: answer.schedule.uid for (client, _), answer in zip(clients, answers, strict=True)}
    rows = Counter(RowOutcome.Name(row.outcome) for answer in answers for row in answer.rows)
    return schedules, Counter({name.removeprefix("ROW_OUTCOME_").lower(): count for name, count in rows.items()})


async def create(house: House, client_uid: str) -> Schedule:
    """An empty draft for a client."""
    return await house.manager.schedules.CreateSchedule(
        CreateScheduleRequest(
            studio_uid=house.studio_uid,
            client_uid=client_uid,
            name=NAME,
            starts_at=instant(BEGIN),
            ends_at=instant(END),
        )
    )


async def reopen(house: House, schedule: Schedule) -> Schedule:
    """The schedule of an earlier run as a draft again; its bookings stay in force."""
    if schedule.status == SCHEDULE_STATUS_CONFIRMED:
        return await house.manager.schedules.ReviseSchedule(ReviseScheduleRequest(uid=schedule.uid, reason=AGAIN))
    if schedule.status == SCHEDULE_STATUS_PROPOSED:  # that run was ended in the middle
        return await house.manager.schedules.WithdrawSchedule(WithdrawScheduleRequest(uid=schedule.uid, reason=AGAIN))
    return schedule


async def validate(house: House, schedules: Mapping[str, str]) -> list[Problem]:
    """Every problem that the confirmations would meet as things are now."""
    requests = [ValidateScheduleRequest(uid=uid) for uid in schedules.values()]
    answers = await all_of(house.manager.schedules.ValidateSchedule(request) for request in requests)
    return [problem for answer in answers for problem in answer.problems]


async def propose(house: House, schedules: Mapping[str, str]) -> None:
    """The planners are done."""
    await all_of(house.manager.schedules.ProposeSchedule(ProposeScheduleRequest(uid=uid)) for uid in schedules.values())


async def confirm(house: House, schedules: Mapping[str, str]) -> list[ShowResult]:
    """Book what can be booked, client after client by name: of two clients that clash, the first one wins."""
    results: list[ShowResult] = []
    for uid in schedules.values():
        request = ConfirmScheduleRequest(uid=uid, mode=CONFIRM_MODE_BEST_EFFORT)
        answer = await house.manager.schedules.ConfirmSchedule(request, timeout=CONFIRM_WITHIN)
        results += answer.results
    return results


def outcomes(results: Iterable[ShowResult]) -> Counter[str]:
    """How many shows had which outcome."""
    return Counter(ShowOutcome.Name(result.outcome).removeprefix("SHOW_OUTCOME_").lower() for result in results)


def with_outcome(results: Iterable[ShowResult], outcome: ShowOutcome.ValueType) -> list[ShowResult]:
    """The results with this outcome."""
    return [result for result in results if result.outcome == outcome]


def clashes(problems: Iterable[Problem]) -> set[Clash]:
    """The clashes among these problems, each once."""
    return {
        Clash.of(problem.resource_name, problem.show.external_id, problem.other.external_id)
        for problem in problems
        if problem.rule in (RULE_ROOM_CLASH, RULE_MC_CLASH)
    }
