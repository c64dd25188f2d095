"""The three kinds of group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from libs.common.entities import Entity
from libs.common.errors import FieldViolation, Invalid, Refused

DAY_START = "06:00"  # local time at which a studio's operational day begins, unless it says otherwise


class TaskGate(StrEnum):
    """What open required tasks do to a show that wants to move on."""

    BLOCK = "block"
    WARN = "warn"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Entity):
    """What people are members of; its name is unique among the living of its kind."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(Group):
    """Books shows."""

    contact_person: str = ""
    contact_email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio(Group):
    """Owns rooms, hosts and the work around shows."""

    address: str = ""
    time_zone: str
    operational_day_start: str = DAY_START
    task_gate: TaskGate = TaskGate.BLOCK
    client_approval: bool = False

    def __post_init__(self) -> None:
        known_time_zone(self.time_zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform(Group):
    """Broadcasts shows. The secrets of its API are kept apart, encrypted: here stands only that there are some."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    api_config_set_at: datetime | None = None


def known_time_zone(name: str) -> None:
    """Refuse what is no IANA time zone."""
    if name not in time_zones():
        message = f"there is no time zone {name!r}"
        raise Invalid("TIME_ZONE_UNKNOWN", message, [FieldViolation("time_zone", message)], name=name)


@cache
def time_zones() -> set[str]:
    """The names of all IANA time zones."""
    return available_timezones() - {"localtime", "posixrules", "Factory"}


def require_unused(noun: str, uid: str, dependants: Mapping[str, int]) -> None:
    """A group goes only when nothing lives in it any more."""
    if dependants:
        named = ", ".join(f"{count} × {what}" for what, count in sorted(dependants.items()))
        facts = {f"{what}_count": count for what, count in dependants.items()}
        raise Refused(f"{noun.upper()}_IN_USE", f"{noun} {uid} still has {named}", uid=uid, **facts)
