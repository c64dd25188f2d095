"""Identity: people, the groups they belong to, and their roles there. Pure: no SQL, no gRPC, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from libs.common import uids
from libs.common.entities import Entity
from libs.common.errors import FieldViolation, Invalid

USER, CLIENT, STUDIO, PLATFORM, MEMBERSHIP = "user", "client", "studio", "platform", "membership"
GROUP = "group"  # any of the three kinds, where a request may name either
PREFIXES = {USER: "user", CLIENT: "client", STUDIO: "studio", PLATFORM: "plat", MEMBERSHIP: "mbr"}

DAY_START = "06:00"  # local time at which a studio's operational day begins, unless it says otherwise


class TaskGate(StrEnum):
    """What open required tasks do to a show that wants to move on."""

    BLOCK = "block"
    WARN = "warn"
    OFF = "off"


class Role(StrEnum):
    """What a member may do in a group; each may do what the ones before it may."""

    MEMBER = "member"
    MANAGER = "manager"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Entity):
    """A person who signs in: `ext_id` is the subject of the issuer's tokens."""

    ext_id: str
    email: str
    name: str
    system_admin: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform(Group):
    """Broadcasts shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership(Entity):
    """A user's role in a group."""

    user_uid: str
    group_uid: str
    role: Role


def fresh(noun: str, now: datetime) -> dict[str, Any]:
    """What a new entity begins with."""
    return {"uid": uids.new(PREFIXES[noun]), "created_at": now, "updated_at": now}


def known_time_zone(name: str) -> str:
    """The name of an IANA time zone, or a refusal."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"there is no time zone {name!r}"
        raise Invalid("TIME_ZONE_UNKNOWN", message, [FieldViolation("time_zone", message)], name=name) from error
    return name
