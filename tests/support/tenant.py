"""A tenant: a house in which there is one of everything."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from eridu.common.v1.access_pb2 import ROLE_ADMIN
from eridu.identity.v1.membership_service_pb2 import GrantMembershipRequest, ListMembershipsRequest
from eridu.identity.v1.user_service_pb2 import CreateUserRequest
from eridu.scheduling.v1.blackout_service_pb2 import CreateBlackoutRequest
from eridu.scheduling.v1.booking_service_pb2 import ListBookingsRequest
from eridu.scheduling.v1.hold_service_pb2 import CreateHoldRequest
from eridu.scheduling.v1.mc_service_pb2 import UpdateMcRequest
from eridu.scheduling.v1.plan_pb2 import ListPlannedShowsRequest
from eridu.scheduling.v1.schedule_request_pb2 import CreateScheduleRequest
from eridu.tasks.v1.task_service_pb2 import AssignTaskRequest, ListTasksRequest
from eridu.tasks.v1.template_pb2 import TASK_TYPE_PRE_PRODUCTION
from eridu.tasks.v1.template_service_pb2 import ActivateTemplateRequest, CreateTemplateRequest, NewTemplateItem

from libs.common import uids
from tests.support.house import House, at, build_house, tomorrow
from tests.support.suite import As, Suite, until


@dataclass
class Tenant:
    """A house, the admin of its studio, and one uid of each kind; they belong together: the task is the show's …"""

    house: House
    marker: str
    admin: As
    uids: dict[str, str] = field(default_factory=dict)

    def remember(self, *answers: Any) -> None:
        """Take the uids of kinds that are not known yet."""
        for uid in uids_in(" ".join(map(str, answers))):
            self.uids.setdefault(uids.prefix(uid), uid)


def uids_in(text: str) -> list[str]:
    """All uids in a text."""
    return re.findall(r"\b[a-z]+_[0-9a-hjkmnp-tv-z]{26}\b", text)


async def build_tenant(suite: Suite, marker: str) -> Tenant:
    """A tenant; all that it has, but the platform, which is everybody's, has the marker in its name."""
    house = await build_house(suite, marker=marker)
    manager, studio = house.manager, house.studio
    ext_id, email = uuid.uuid4().hex, f"{marker}@example.org"
    admin = await house.root(CreateUserRequest(ext_id=ext_id, email=email, name=f"{marker}admin"))
    await house.root(GrantMembershipRequest(user_uid=admin.uid, group_uid=studio.uid, role=ROLE_ADMIN))
    room, mc = await house.room(f"{marker}room"), await house.mc(f"{marker}host")
    platform = await house.platform()

    item = NewTemplateItem(title=f"{marker}task", type=TASK_TYPE_PRE_PRODUCTION, required=True)
    template = await manager(CreateTemplateRequest(studio_uid=studio.uid, name=f"{marker}template", items=[item]))
    await manager(ActivateTemplateRequest(uid=template.uid))

    schedule = await manager(
        CreateScheduleRequest(
            studio_uid=studio.uid,
            client_uid=house.client.uid,
            name=f"{marker}schedule",
            starts_at=at("2026-03-01T00:00"),
            ends_at=at("2026-04-01T00:00"),
        )
    )
    row = f"1,{marker}show,{room.name},{mc.name},{platform.name},,,2026-03-02T10:00,2026-03-02T11:00"
    await house.plan(schedule, row)
    await house.confirm(schedule)
    closed: dict[str, Any] = {
        "starts_at": at("2026-03-25T10:00"),
        "ends_at": at("2026-03-25T11:00"),
        "reason": f"{marker}works",
    }
    blackout = await manager(CreateBlackoutRequest(resource_uid=room.uid, **closed))

    hold = await manager(
        CreateHoldRequest(
            studio_uid=studio.uid,
            client_uid=house.client.uid,
            name=f"{marker}hold",
            room_uid=room.uid,
            mc_uids=[mc.uid],
            starts_at=at("2026-03-03T10:00"),
            ends_at=at("2026-03-03T11:00"),
            expires_at=tomorrow(),
        )
    )

    async def tasks() -> Any:
        return (await manager(ListTasksRequest(studio_uid=studio.uid))).tasks

    task, member = (await until(tasks))[0], house.people["member"]
    tenant = Tenant(house, marker, suite.caller(ext_id))
    tenant.remember(
        await manager(AssignTaskRequest(uid=task.uid, assignee_uid=member.uid)),
        await manager(ListPlannedShowsRequest(schedule_uid=schedule.uid)),
        await manager(ListBookingsRequest(studio_uid=studio.uid)),
        await house.member(ListMembershipsRequest(user_uid=member.uid)),
        *(house.client, template, schedule, room, mc, platform, hold, blackout),
    )
    await manager(UpdateMcRequest(uid=mc.uid, user_uid=tenant.uids["user"]))
    return tenant
