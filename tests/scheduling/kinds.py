"""Words for the tests of rooms and MCs: both are asked the same things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from eridu.scheduling.v1 import at_risk_pb2, mc_service_pb2, room_service_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from libs.common import uids
from tests.scheduling.planning import adhoc
from tests.support.house import House

USER = uids.new("user")


@dataclass(frozen=True)
class Kind:
    """Rooms or MCs: how requests about them are called, and what of them may be written."""

    noun: str
    Noun: str
    api: Any
    fields: dict[str, Any]
    empty: dict[str, Any]

    @property
    def code(self) -> str:
        return self.noun.upper()

    def ask(self, verb: str, many: bool = False, **given: Any) -> Any:
        """A request: `ask("Delete", uid=…)` is a DeleteRoomRequest."""
        return getattr(self.api, f"{verb}{self.Noun}{'s' if many else ''}Request")(**given)

    def update(self, uid: str, *mask: str, **given: Any) -> Any:
        """An update of the fields in a mask, or without one."""
        return self.ask("Update", uid=uid, update_mask=FieldMask(paths=mask) if mask else None, **given)

    def of(self, house: House) -> Any:
        """One that is there."""
        return house.rooms["A"] if self is ROOMS else house.mcs["Ada"]

    def other(self, house: House) -> Any:
        """Another one that is there."""
        return house.rooms["B"] if self is ROOMS else house.mcs["Bob"]

    def entity(self, answer: Any) -> Any:
        """The entity in the answer to an update."""
        return answer.room if self is ROOMS else answer

    def changes(self, uid: str) -> list[Any]:
        """Every change of one, each of which could be made."""
        bans = [] if self is ROOMS else [self.ask("Ban", uid=uid, reason="rude"), self.ask("Unban", uid=uid)]
        return [self.update(uid, name="Another"), *bans, self.ask("Delete", uid=uid), self.ask("Undelete", uid=uid)]

    def booking(self, house: House, start: str = "10:00", end: str = "11:00", **more: Any) -> Any:
        """An ad-hoc show that needs it and nothing else."""
        only = {"room_uid": self.of(house).uid} if self is ROOMS else {"room_uid": "", "mc_uids": [self.of(house).uid]}
        return adhoc(house, start, end, **only, **more)


ROOMS = Kind(
    "room",
    "Room",
    room_service_pb2,
    {
        "name": "Big one",
        "capacity": 7,
        "capabilities": ["audio", "green_screen"],
        "turnaround_before_minutes": 10,
        "turnaround_after_minutes": 20,
        "equipment": ["2 × Sony FX6", "ATEM Mini"],
        "metadata": {"colour": "red"},
    },
    {
        "capacity": 0,
        "capabilities": [],
        "turnaround_before_minutes": 0,
        "turnaround_after_minutes": 0,
        "equipment": [],
        "metadata": {},
    },
)
MCS = Kind(
    "mc",
    "Mc",
    mc_service_pb2,
    {
        "name": "Ada L.",
        "alias": "The Countess",
        "user_uid": USER,
        "profile": "Speaks of engines.",
        "metadata": {"colour": "red"},
    },
    {"alias": "", "user_uid": "", "profile": "", "metadata": {}},
)
of_each_kind = pytest.mark.parametrize("kind", [ROOMS, MCS], ids=["rooms", "mcs"])


def values(entity: Any, names: Sequence[str]) -> dict[str, Any]:
    """Fields of a message as plain values."""
    found = {}
    for name in names:
        value = getattr(entity, name)
        found[name] = dict(value) if name == "metadata" else list(value) if hasattr(value, "extend") else value
    return found


def named(risk: at_risk_pb2.AtRisk) -> list[tuple[str, str, str]]:
    """Bookings at risk in short: from when until when, and which show."""
    return [
        (getattr(one, "from").ToJsonString()[:16], one.until.ToJsonString()[11:16], one.show.name)
        for one in risk.bookings
    ]


async def get(house: House, kind: Kind) -> Any:
    return await house.member(kind.ask("Get", uid=kind.of(house).uid))


def in_year(year: int, request: Any) -> Any:
    """The same show in another year: long over, or still to come."""
    for field in (request.starts_at, request.ends_at):
        field.FromJsonString(field.ToJsonString().replace("2026", str(year)))
    return request
