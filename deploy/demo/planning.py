"""From sheets to bookings: schedules are made, imported, validated, proposed and confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from eridu.scheduling.v1.schedule_pb2 import RULE_MC_CLASH, RULE_ROOM_CLASH, Problem
from eridu.scheduling.v1.schedule_service_pb2 import (
    CONFIRM_MODE_BEST_EFFORT,
    SHOW_OUTCOME_REFUSED,
    ConfirmScheduleRequest,
    CreateScheduleRequest,
    ImportPlanRequest,
    ImportPlanResponse,
    ProposeScheduleRequest,
    RowOutcome,
    ShowOutcome,
    ShowResult,
    ValidateScheduleRequest,
)
from google.protobuf.timestamp_pb2 import Timestamp

from deploy.demo.house import House, all_of
from deploy.demo.sheet import BEGIN, END, Clash, Plan

NAME = "3 and 4 February 2024"
CONFIRM_WITHIN = 60.0  # seconds


def instant(time: datetime) -> Timestamp:
    """A time as a message has it."""
    return Timestamp(seconds=int(time.timestamp()))


async def import_plans(house: House, plan: Plan) -> tuple[dict[str, str], Counter[str]]:
    """One schedule per client, filled from its sheet: their uids in the clients' order, and what became of the rows."""

    async def import_one(client: str, client_uid: str) -> ImportPlanResponse:
        schedule = await house.manager.schedules.CreateSchedule(
            CreateScheduleRequest(
                studio_uid=house.studio_uid,
                client_uid=client_uid,
                name=NAME,
                starts_at=instant(BEGIN),
                ends_at=instant(END),
            )
        )
        return await house.manager.schedules.ImportPlan(ImportPlanRequest(uid=schedule.uid, csv=plan.sheet(client)))

    clients = sorted(house.clients.items())
    answers = await all_of(import_one(client, uid) for client, uid in clients)
    schedules = {client: answer.schedule.uid for (client, _), answer in zip(clients, answers, strict=True)}
    return schedules, Counter(RowOutcome.Name(row.outcome) for answer in answers for row in answer.rows)


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


def refused(results: Iterable[ShowResult]) -> list[ShowResult]:
    """The shows that could not be booked."""
    return [result for result in results if result.outcome == SHOW_OUTCOME_REFUSED]


def clashes(problems: Iterable[Problem]) -> set[Clash]:
    """The clashes among these problems, each once."""
    return {
        Clash.of(problem.resource_name, problem.show.external_id, problem.other.external_id)
        for problem in problems
        if problem.rule in (RULE_ROOM_CLASH, RULE_MC_CLASH)
    }
