"""Approval through the RPCs: in a studio that wants it, nothing is confirmed that the client has not seen."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from eridu.common.v1 import access_pb2
from eridu.identity.v1.membership_service_pb2 import GrantMembershipRequest
from eridu.identity.v1.studio_service_pb2 import UpdateStudioRequest
from eridu.identity.v1.user_service_pb2 import CreateUserRequest
from eridu.scheduling.v1 import schedule_change_pb2
from eridu.scheduling.v1 import schedule_request_pb2 as api
from eridu.scheduling.v1.booking_service_pb2 import ReleaseShowRequest
from eridu.scheduling.v1.confirmation_pb2 import ConfirmScheduleRequest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.scheduling.planning import (
    ABORTED,
    DENIED,
    FAILED,
    INVALID,
    NOT_FOUND,
    VALIDATE_ONLY,
    Asks,
    outcomes,
    production,
    row,
)
from tests.support.house import House, build_house
from tests.support.suite import As, Suite, refused, request_id

Approve = schedule_change_pb2.ApproveScheduleRequest


@dataclass
class Approving:
    """A house whose studio wants approvals, and the client's manager."""

    house: House
    client: As
    client_uid: str


@pytest.fixture
async def approving(suite: Suite) -> Approving:
    house = await build_house(suite, client_approval=True)
    await house.room("A")
    ext_id = uuid.uuid4().hex
    user = await house.root(CreateUserRequest(ext_id=ext_id, email=f"{ext_id}@example.org", name="client manager"))
    role = access_pb2.ROLE_MANAGER
    await house.root(GrantMembershipRequest(user_uid=user.uid, group_uid=house.client.uid, role=role))
    return Approving(house, suite.caller(ext_id), user.uid)


async def proposed(house: House, *rows: str) -> Any:
    """A proposed schedule."""
    schedule = await house.schedule()
    await house.plan(schedule, *(rows or [row("1", "10:00", "11:00")]))
    return await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))


async def test_what_the_client_has_not_approved_is_not_confirmed(approving: Approving, ask: Asks) -> None:
    house = approving.house
    schedule = await proposed(house)
    for mode in (0, VALIDATE_ONLY):
        refusal = await refused(house.confirm(schedule, mode, propose=False))
        assert (refusal.code, refusal.reason) == (FAILED, "NOT_APPROVED")
        assert refusal.facts == {"plan_version": "1", "approved_version": "0"}
    request = Approve(uid=schedule.uid, plan_version=1, etag=schedule.etag, reason="fine", request_id=request_id())
    approved = await approving.client(request)
    assert (approved.approved_version, approved.approved_by) == (1, approving.client_uid)
    assert approved.HasField("approved_at")
    assert approved.status == schedule.status
    assert await approving.client(request) == approved
    assert await approving.client(Approve(uid=schedule.uid, plan_version=1)) == approved  # twice is once
    confirmed = await house.confirm(schedule, propose=False)
    assert confirmed.confirmed
    assert (await ask.ledger(house))[-3:] == ["schedule.approved", "schedule.confirmed", "booking.confirmed"]
    (entry,) = await ask(
        "SELECT reason, actor FROM ledger WHERE entity_uid = :uid AND action = 'schedule.approved'", uid=schedule.uid
    )
    assert (entry.reason, entry.actor) == ("fine", approving.client_uid)


async def test_an_edit_asks_for_a_new_approval(approving: Approving) -> None:
    house = approving.house
    schedule = await proposed(house)
    await approving.client(Approve(uid=schedule.uid, plan_version=1))
    await house.manager(api.WithdrawScheduleRequest(uid=schedule.uid, reason="one more"))
    edited = (await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "12:00", "13:00"))).schedule
    assert (edited.approved_version, edited.approved_by, edited.HasField("approved_at")) == (0, "", False)
    again = await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
    assert (await refused(house.confirm(schedule, propose=False))).reason == "NOT_APPROVED"
    stale = await refused(approving.client(Approve(uid=schedule.uid, plan_version=1)))
    assert (stale.code, stale.reason) == (ABORTED, "STALE")
    stale = await refused(approving.client(Approve(uid=schedule.uid, plan_version=2, etag=schedule.etag)))
    assert (stale.code, stale.reason) == (ABORTED, "STALE")
    await approving.client(Approve(uid=schedule.uid, plan_version=2, etag=again.etag))
    assert (await house.confirm(schedule, propose=False)).confirmed


async def test_a_confirmed_plan_stays_approved_whatever_becomes_of_its_shows(approving: Approving) -> None:
    house = approving.house
    schedule = await proposed(house, row("1", "10:00", "11:00"), row("2", "11:00", "12:00"))
    await approving.client(Approve(uid=schedule.uid, plan_version=1))
    confirmed = await house.confirm(schedule, propose=False)
    show = confirmed.results[0].show.show_uid
    await production(house)(ReleaseShowRequest(show_uid=show, confirmation=1, reason="ill"))
    now = await house.manager(api.GetScheduleRequest(uid=schedule.uid))
    assert (now.plan_version, now.confirmed_version, now.approved_version) == (2, 2, 2)
    assert outcomes(await house.confirm(schedule, propose=False)) == {"1": "cancelled", "2": "unchanged"}


async def test_only_a_manager_of_the_client_approves_only_what_is_proposed(approving: Approving) -> None:
    house = approving.house
    schedule = await proposed(house)
    request = Approve(uid=schedule.uid, plan_version=1)
    for who in (house.manager, house.member, house.client_member):
        refusal = await refused(who(request))
        assert (refusal.code, refusal.reason) == (DENIED, "ROLE_TOO_LOW")
    refusal = await refused(house.stranger(request))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "SCHEDULE_NOT_FOUND")
    assert (await refused(approving.client(Approve(uid=schedule.uid)))).code == INVALID
    await house.manager(api.WithdrawScheduleRequest(uid=schedule.uid, reason="not yet"))
    refusal = await refused(approving.client(request))
    assert (refusal.code, refusal.reason) == (FAILED, "SCHEDULE_MOVE_REFUSED")


async def test_the_policy_is_the_studios_own_and_holds_from_when_it_is_set(house: House) -> None:
    schedule = await proposed(house)
    await house.root(UpdateStudioRequest(uid=house.studio.uid, client_approval=True))
    assert (await refused(house.confirm(schedule, propose=False))).reason == "NOT_APPROVED"
    mask = FieldMask(paths=["client_approval"])
    await house.root(UpdateStudioRequest(uid=house.studio.uid, update_mask=mask))
    assert (await house.manager(ConfirmScheduleRequest(uid=schedule.uid))).confirmed
