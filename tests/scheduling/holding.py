"""Words for the tests of holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from eridu.scheduling.v1 import hold_pb2
from eridu.scheduling.v1.hold_service_pb2 import CreateHoldRequest, GetHoldRequest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.scheduling.planning import Asks
from tests.support.house import House, at


def after(**time: float) -> Timestamp:
    """Some time from now."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) + timedelta(**time))
    return stamp


def option(house: House, start: str = "10:00", end: str = "11:00", **more: Any) -> CreateHoldRequest:
    """An option on room A on March 2, for the house's client, unless `more` says otherwise."""
    given: dict[str, Any] = {
        "studio_uid": house.studio.uid,
        "client_uid": house.client.uid,
        "name": "Perhaps",
        "room_uid": house.rooms["A"].uid,
        "starts_at": at(f"2026-03-02T{start}"),
        "ends_at": at(f"2026-03-02T{end}"),
        "expires_at": after(days=1),
    }
    return CreateHoldRequest(**given | more)


async def hold(house: House, *times: str, **more: Any) -> hold_pb2.Hold:
    """An option, made by the studio's manager."""
    made: hold_pb2.Hold = await house.manager(option(house, *times, **more))
    return made


async def read(house: House, one: hold_pb2.Hold) -> tuple[str, int]:
    """Where a hold stands: its state and its rank."""
    found = await house.member(GetHoldRequest(uid=one.uid))
    return hold_pb2.HoldState.Name(found.state).removeprefix("HOLD_STATE_").lower(), found.rank


async def said(ask: Asks, one: hold_pb2.Hold) -> list[str]:
    """What the ledger says of a hold, in order, with the rank where it moved up."""
    rows = await ask("SELECT action, new_values FROM ledger WHERE entity_uid = :uid ORDER BY id", uid=one.uid)
    return [
        found.action.removeprefix("hold.") + (f" {found.new_values['rank']}" if found.action == "hold.moved_up" else "")
        for found in rows
    ]
