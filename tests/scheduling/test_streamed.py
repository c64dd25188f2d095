"""A sheet that is too large for one message comes in parts, and is one import."""

from __future__ import annotations

import grpc
from eridu.scheduling.v1.plan_pb2 import ImportPlanRequest, PlanRow, StreamPlanRequest

from tests.support.house import HEADER, House
from tests.support.suite import refused, request_id

ROW = "{0},Show {0},A,Ada,,,,2026-03-02T10:00,2026-03-02T11:00"


async def test_parts_are_one_sheet_wherever_it_is_cut(house: House):
    schedule = await house.schedule()
    csv = "\n".join([HEADER, *(ROW.format(f"Nº{number}") for number in range(40))])
    cuts = [csv[start : start + 37] for start in range(0, len(csv), 37)]
    rid = request_id()
    head = StreamPlanRequest(uid=schedule.uid, csv_parts=cuts[:1], reason="new sheet", request_id=rid)
    parts = [head, *(StreamPlanRequest(csv_parts=[cut]) for cut in cuts[1:])]
    answer = await house.manager.send(*parts)
    assert (len(answer.rows), answer.saved, answer.schedule.plan_version) == (40, True, 1)
    assert await house.manager.send(*parts) == answer
    whole = await house.manager(ImportPlanRequest(uid=schedule.uid, csv=csv))
    assert not whole.saved


async def test_rows_in_parts_may_be_larger_than_a_message(house: House):
    schedule = await house.schedule()
    rows = [
        PlanRow(external_id=str(number), name="x" * 150, start="2026-03-02T10:00", end="2026-03-02T11:00")
        for number in range(5_000)
    ]
    for row in rows:
        row.mcs.extend(["Ada"] * 200)
    parts = [StreamPlanRequest(rows=rows[start : start + 500]) for start in range(0, 5_000, 500)]
    parts[0].uid, parts[0].validate_only = schedule.uid, True
    assert sum(part.ByteSize() for part in parts) > 4 * 1024**2
    answer = await house.manager.send(*parts)
    assert len(answer.rows) == 5_000


async def test_a_request_without_end_or_without_a_name_is_refused(house: House):
    schedule = await house.schedule()
    endless = [StreamPlanRequest(uid=schedule.uid, csv_parts=["x" * 3 * 1024**2]) for _ in range(6)]
    refusal = await refused(house.manager.send(*endless))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_TOO_LARGE")
    foreign = StreamPlanRequest(uid=schedule.uid, rows=[PlanRow(external_id="1")])
    assert (await refused(house.stranger.send(foreign))).reason == "SCHEDULE_NOT_FOUND"
    house.stranger.metadata = []
    assert (await refused(house.stranger.send(*endless))).code is grpc.StatusCode.UNAUTHENTICATED
    assert (await refused(house.manager.send(StreamPlanRequest(uid=schedule.uid)))).reason == "REQUEST_INVALID"
