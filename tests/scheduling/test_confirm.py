"""Confirmation through the RPC: who gets what, and what becomes of the others."""

from __future__ import annotations

from eridu.scheduling.v1 import schedule_service_pb2 as api

from tests.support.house import House

BEST_EFFORT = api.CONFIRM_MODE_BEST_EFFORT


def outcomes(answer: api.ConfirmScheduleResponse) -> dict[str, str]:
    """What became of each show, by external_id."""
    return {
        result.show.external_id: api.ShowOutcome.Name(result.outcome).removeprefix("SHOW_OUTCOME_").lower()
        for result in answer.results
    }


async def test_a_plan_without_clashes_is_booked_whole(house: House) -> None:
    schedule = await house.schedule()
    imported = await house.plan(
        schedule,
        "1,One,A,Ada,,,,2026-03-02T10:00,2026-03-02T11:00",
        "2,Two,A,Ada;Bob,,,,2026-03-02T11:00,2026-03-02T12:00",
    )
    assert imported.saved
    assert imported.schedule.plan_version == 1
    answer = await house.confirm(schedule)
    assert answer.confirmed
    assert outcomes(answer) == {"1": "booked", "2": "booked"}
