"""A house to test in: a studio with its people, rooms and MCs, a client with its people. Fresh for every test."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from eridu.common.v1 import access_pb2
from eridu.identity.v1.client_service_pb2 import CreateClientRequest
from eridu.identity.v1.membership_service_pb2 import GrantMembershipRequest
from eridu.identity.v1.platform_service_pb2 import CreatePlatformRequest
from eridu.identity.v1.studio_service_pb2 import CreateStudioRequest
from eridu.identity.v1.user_service_pb2 import CreateUserRequest
from eridu.scheduling.v1.confirmation_pb2 import ConfirmScheduleRequest
from eridu.scheduling.v1.mc_service_pb2 import CreateMcRequest
from eridu.scheduling.v1.plan_pb2 import ImportPlanRequest
from eridu.scheduling.v1.room_service_pb2 import CreateRoomRequest
from eridu.scheduling.v1.schedule_pb2 import Schedule
from eridu.scheduling.v1.schedule_request_pb2 import CreateScheduleRequest, ProposeScheduleRequest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.suite import As, Called, refused

HEADER = "external_id,name,room,mcs,platforms,type,standard,start,end"


def unique(word: str) -> str:
    """A name that nobody else has."""
    return f"{word} {uuid.uuid4().hex[:12]}"


def at(text: str) -> Timestamp:
    """A time in UTC: `at("2026-03-01T10:00")`."""
    stamp = Timestamp()
    stamp.FromJsonString(f"{text}:00Z")
    return stamp


def tomorrow() -> Timestamp:
    """A day from now, for what must lie in the future."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    return stamp


@dataclass
class House:
    """A studio, a client, and somebody of each: the studio's manager, a member, the client's member, a stranger."""

    suite: Called
    studio: Any
    client: Any
    manager: As
    member: As
    client_member: As
    stranger: As
    people: dict[str, Any]
    rooms: dict[str, Any] = field(default_factory=dict)
    mcs: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> As:
        """The system admin."""
        return self.suite.caller()

    async def room(self, name: str, **more: Any) -> Any:
        """A room of the studio."""
        request = CreateRoomRequest(studio_uid=self.studio.uid, name=name, **more)
        self.rooms[name] = await self.manager(request)
        return self.rooms[name]

    async def mc(self, name: str) -> Any:
        """An MC of the studio."""
        self.mcs[name] = await self.manager(CreateMcRequest(studio_uid=self.studio.uid, name=name))
        return self.mcs[name]

    async def platform(self, name: str = "") -> Any:
        """A platform."""
        return await self.root(CreatePlatformRequest(name=name or unique("platform")))

    async def schedule(
        self, client_uid: str = "", start: str = "2026-03-01T00:00", end: str = "2026-04-01T00:00"
    ) -> Schedule:
        """An empty draft."""
        answer: Schedule = await self.manager(
            CreateScheduleRequest(
                studio_uid=self.studio.uid,
                client_uid=client_uid or self.client.uid,
                name=unique("schedule"),
                starts_at=at(start),
                ends_at=at(end),
            )
        )
        return answer

    async def plan(self, schedule: Schedule, *rows: str, **more: Any) -> Any:
        """Import a sheet of these rows."""
        return await self.manager(ImportPlanRequest(uid=schedule.uid, csv="\n".join([HEADER, *rows]), **more))

    async def confirm(self, schedule: Schedule, mode: int = 0, propose: bool = True, **more: Any) -> Any:
        """Propose and confirm a schedule."""
        if propose:
            await self.manager(ProposeScheduleRequest(uid=schedule.uid))
        return await self.manager(ConfirmScheduleRequest(uid=schedule.uid, mode=mode, **more))  # type: ignore[arg-type]

    async def reads_as_missing(self, hidden: Any, missing: Any, reason: str) -> None:
        """Those who may not know of something cannot tell it from what was never there."""
        for who in (self.stranger, self.client_member):
            one, other = await refused(who(hidden)), await refused(who(missing))
            assert (one.code, one.reason) == (other.code, other.reason) == (grpc.StatusCode.NOT_FOUND, reason)
            assert one.message.split()[:-1] == other.message.split()[:-1]


async def build_house(suite: Called, time_zone: str = "UTC", marker: str = "", **studio: Any) -> House:
    """A fresh house; all that is in it has the marker in its name."""
    root = suite.caller()
    made = await root(CreateStudioRequest(name=unique(f"{marker}studio"), time_zone=time_zone, **studio))
    client = await root(CreateClientRequest(name=unique(f"{marker}client")))
    people: dict[str, Any] = {}
    callers: dict[str, Any] = {}
    for role, group, least in (
        ("manager", made.uid, access_pb2.ROLE_MANAGER),
        ("member", made.uid, access_pb2.ROLE_MEMBER),
        ("client_member", client.uid, access_pb2.ROLE_MEMBER),
        ("stranger", "", access_pb2.ROLE_MEMBER),
    ):
        ext_id = uuid.uuid4().hex
        email = f"{ext_id}@example.org"
        people[role] = await root(CreateUserRequest(ext_id=ext_id, email=email, name=f"{marker}{role}"))
        if group:
            await root(GrantMembershipRequest(user_uid=people[role].uid, group_uid=group, role=least))
        callers[role] = suite.caller(ext_id)
    return House(suite, made, client, people=people, **callers)
