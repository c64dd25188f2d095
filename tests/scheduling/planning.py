"""Words for the tests of scheduling: rows of sheets, answers in short, questions to the tables."""

from __future__ import annotations

from typing import Any

import grpc
from eridu.scheduling.v1 import booking_service_pb2, confirmation_pb2, plan_pb2, schedule_pb2
from sqlalchemy import text

from libs.common import uids
from libs.common.db import Database
from tests.support.house import House, at
from tests.support.suite import As, Suite

FAILED, NOT_FOUND, DENIED = (
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
)
ABORTED, INVALID = grpc.StatusCode.ABORTED, grpc.StatusCode.INVALID_ARGUMENT
BEST_EFFORT, VALIDATE_ONLY = confirmation_pb2.CONFIRM_MODE_BEST_EFFORT, confirmation_pb2.CONFIRM_MODE_VALIDATE_ONLY


def row(external_id: str, start: str, end: str, room: str = "A", mcs: str = "", day: str = "02") -> str:
    """A row of a sheet, in March: `row("1", "10:00", "11:00")`."""
    return f"{external_id},Show {external_id},{room},{mcs},,,,2026-03-{day}T{start},2026-03-{day}T{end}"


def outcomes(answer: confirmation_pb2.ConfirmScheduleResponse) -> dict[str, str]:
    """What became of each show, by external_id."""
    return {
        result.show.external_id: confirmation_pb2.ShowOutcome.Name(result.outcome).removeprefix("SHOW_OUTCOME_").lower()
        for result in answer.results
    }


def row_outcomes(answer: plan_pb2.ImportPlanResponse) -> list[tuple[int, str, str]]:
    """What became of each row."""
    return [
        (one.line, one.external_id, plan_pb2.RowOutcome.Name(one.outcome).removeprefix("ROW_OUTCOME_").lower())
        for one in answer.rows
    ]


def rules(problems: Any) -> list[tuple[str, str, str]]:
    """Problems in short: the rule, the show, the other show."""
    return [
        (
            schedule_pb2.Rule.Name(one.rule).removeprefix("RULE_").lower(),
            one.show.external_id,
            "busy" if one.other.busy else one.other.external_id or one.other.name,
        )
        for one in problems
    ]


def show_uids(imported: plan_pb2.ImportPlanResponse) -> dict[str, str]:
    """The shows of a plan, by external_id."""
    return {one.external_id: one.show_uid for one in imported.rows}


def adhoc(house: House, start: str = "10:00", end: str = "11:00", **more: Any) -> booking_service_pb2.BookShowRequest:
    """What production asks for a show without a schedule, in room A on March 2 unless `more` says otherwise."""
    given: dict[str, Any] = {
        "show_uid": uids.new("show"),
        "confirmation": 1,
        "studio_uid": house.studio.uid,
        "client_uid": house.client.uid,
        "name": "Ad hoc",
        "room_uid": house.rooms["A"].uid,
        "starts_at": at(f"2026-03-02T{start}"),
        "ends_at": at(f"2026-03-02T{end}"),
    }
    return booking_service_pb2.BookShowRequest(**given | more)


def production(house: House) -> As:
    """Production, in its own name."""
    return suite_of(house).service("production")


def suite_of(house: House) -> Suite:
    """The suite that the house stands in, with its processes."""
    assert isinstance(house.suite, Suite)
    return house.suite


async def in_force(house: House, **more: Any) -> list[tuple[str, str]]:
    """The studio's bookings in force by start: when and what."""
    request = booking_service_pb2.ListBookingsRequest(studio_uid=house.studio.uid, page_size=500, **more)
    answer = await house.manager(request)
    names = {one.uid: name for name, one in (*house.rooms.items(), *house.mcs.items())}
    return [
        (f"{getattr(one, 'from').ToJsonString()[11:16]}-{one.until.ToJsonString()[11:16]}", names[one.resource_uid])
        for one in answer.bookings
    ]


class Asks:
    """Reads the tables of scheduling."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def __call__(self, sql: str, **parameters: Any) -> list[Any]:
        """The rows that a question finds."""
        async with self.db.read() as reader:
            return list((await reader.execute(text(sql), parameters)).all())

    async def ledger(self, house: House) -> list[str]:
        """The actions in the ledger of the house's studio, in their order."""
        sql = "SELECT action FROM ledger WHERE studio_uid = :uid ORDER BY id"
        return [one.action for one in await self(sql, uid=house.studio.uid)]

    async def overlaps(self) -> int:
        """How many pairs of bookings in force overlap, by a question of its own, not by the constraint."""
        sql = """
            SELECT count(*) AS n FROM booking a JOIN booking b
              ON a.resource_id = b.resource_id AND a.id < b.id AND a.period && b.period
            WHERE a.released_at IS NULL AND b.released_at IS NULL
        """
        return int((await self(sql))[0].n)
