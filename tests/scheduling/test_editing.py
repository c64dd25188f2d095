"""Edits through the RPCs: the schedule itself, and single rows of its plan."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from eridu.scheduling.v1 import plan_pb2, planned_show_pb2, schedule_change_pb2, schedule_pb2, version_pb2
from eridu.scheduling.v1 import schedule_request_pb2 as api
from eridu.scheduling.v1.booking_service_pb2 import ReleaseShowRequest
from eridu.scheduling.v1.confirmation_pb2 import ValidateScheduleRequest
from google.protobuf.field_mask_pb2 import FieldMask

from libs.common import uids
from tests.scheduling.planning import (
    ABORTED,
    DENIED,
    FAILED,
    INVALID,
    NOT_FOUND,
    Asks,
    production,
    row,
    rules,
    show_uids,
)
from tests.scheduling.test_consumers import say, started
from tests.scheduling.test_plans import listed
from tests.scheduling.test_store import reasons, together
from tests.support.house import House, at, unique
from tests.support.suite import refused, request_id

EXISTS = grpc.StatusCode.ALREADY_EXISTS
Update, Delete, Undelete = (
    schedule_change_pb2.UpdateScheduleRequest,
    schedule_change_pb2.DeleteScheduleRequest,
    schedule_change_pb2.UndeleteScheduleRequest,
)
Remove, UpdateRow = planned_show_pb2.RemovePlannedShowRequest, planned_show_pb2.UpdatePlannedShowRequest


def adds(schedule: Any, external_id: str = "1", **more: Any) -> planned_show_pb2.AddPlannedShowRequest:
    """A show to add, in room A on March 2."""
    given = {"name": f"Show {external_id}", "room": "A", "start": "2026-03-02T10:00", "end": "2026-03-02T11:00"}
    return planned_show_pb2.AddPlannedShowRequest(schedule_uid=schedule.uid, external_id=external_id, **given | more)


async def rows_of(house: House, schedule: Any) -> dict[str, Any]:
    """The plan by external_id."""
    answer = await house.manager(plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule.uid, page_size=500))
    return {one.external_id: one for one in answer.planned_shows}


async def test_a_draft_gets_another_name_period_and_metadata_by_its_mask(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    name = unique("spring")
    request = Update(uid=schedule.uid, name=name, ends_at=at("2026-05-01T00:00"), etag=schedule.etag, reason="longer")
    request.metadata.update({"by": "hand"})
    changed = await house.manager(request)
    assert (changed.name, changed.ends_at, dict(changed.metadata)) == (name, at("2026-05-01T00:00"), {"by": "hand"})
    assert (changed.starts_at, changed.plan_version) == (schedule.starts_at, 0)
    cleared = await house.manager(Update(uid=schedule.uid, name="not this", update_mask=FieldMask(paths=["metadata"])))
    assert (cleared.name, dict(cleared.metadata)) == (name, {})
    assert await house.manager(Update(uid=schedule.uid, name=name)) == cleared  # nothing changes, nothing is written
    assert await ask.ledger(house) == ["room.created"] * 2 + ["mc.created"] * 2 + [
        "schedule.created",
        "schedule.updated",
        "schedule.updated",
    ]


async def test_shows_outside_a_new_period_stay_and_are_named_by_validation(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00", day="02"), row("2", "10:00", "11:00", day="20"))
    await house.manager(Update(uid=schedule.uid, ends_at=at("2026-03-10T00:00")))
    assert await listed(house, schedule.uid) == ["1", "2"]
    found = await house.manager(ValidateScheduleRequest(uid=schedule.uid))
    assert rules(found.problems) == [("outside_period", "2", "")]


async def test_what_may_not_become_of_a_schedule_is_refused(house: House) -> None:
    request: Any
    schedule, other = await house.schedule(), await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    for request, code, reason in (
        (Update(uid=schedule.uid, name="x", etag=schedule.etag), ABORTED, "STALE"),
        (Update(uid=schedule.uid, name=other.name), EXISTS, "SCHEDULE_NAME_TAKEN"),
        (Update(uid=schedule.uid, starts_at=at("2026-04-01T00:00")), INVALID, "PERIOD_INVALID"),
        (Update(uid=schedule.uid, update_mask=FieldMask(paths=["status"])), INVALID, "MASK_INVALID"),
        (Update(uid=schedule.uid, update_mask=FieldMask(paths=["ends_at"])), INVALID, "REQUEST_INVALID"),
        (Update(uid=uids.new("sched"), name="x"), NOT_FOUND, "SCHEDULE_NOT_FOUND"),
        (Delete(uid=schedule.uid, etag=schedule.etag), ABORTED, "STALE"),
        (Undelete(uid=schedule.uid), FAILED, "NOT_DELETED"),
    ):
        refusal = await refused(house.manager(request))
        assert (refusal.code, refusal.reason) == (code, reason), request
    for request in (Update(uid=schedule.uid, name="x"), Delete(uid=schedule.uid), adds(schedule)):
        assert (await refused(house.member(request))).code == DENIED
        assert (await refused(house.client_member(request))).code == DENIED
        assert (await refused(house.stranger(request))).reason == "SCHEDULE_NOT_FOUND"
    await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
    (one,) = (await rows_of(house, schedule)).values()
    for request in (
        Update(uid=schedule.uid, name="x"),
        adds(schedule, "2"),
        Remove(uid=one.uid),
        UpdateRow(uid=one.uid, name="x"),
    ):
        refusal = await refused(house.manager(request))
        assert (refusal.code, refusal.reason) == (FAILED, "SCHEDULE_NOT_DRAFT")
    refusal = await refused(house.manager(Delete(uid=schedule.uid)))
    assert (refusal.code, refusal.reason) == (FAILED, "SCHEDULE_MOVE_REFUSED")


async def test_a_schedule_is_deleted_with_its_plan_and_comes_back_with_it(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    shows = show_uids(await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "11:00", "12:00")))
    await house.plan(schedule, row("1", "10:00", "11:00"))
    deleted = await house.manager(Delete(uid=schedule.uid, reason="a mistake"))
    assert deleted.HasField("deleted_at")
    assert (await refused(house.manager(api.GetScheduleRequest(uid=schedule.uid)))).reason == "SCHEDULE_NOT_FOUND"
    query = api.ListSchedulesRequest(studio_uid=house.studio.uid)
    assert list((await house.manager(query)).schedules) == []
    query.show_deleted = True
    assert list((await house.manager(query)).schedules) == [deleted]
    assert (await refused(house.stranger(Undelete(uid=schedule.uid)))).reason == "SCHEDULE_NOT_FOUND"
    back = await house.manager(Undelete(uid=schedule.uid, etag=deleted.etag))
    assert (back.HasField("deleted_at"), back.plan_version) == (False, 4)
    assert {name: one.show_uid for name, one in (await rows_of(house, schedule)).items()} == {"1": shows["1"]}
    assert (await ask.ledger(house))[-4:] == ["schedule.deleted", "plan.changed", "schedule.undeleted", "plan.changed"]
    found = await house.manager(version_pb2.ListVersionsRequest(schedule_uid=schedule.uid))
    assert [(one.number, one.cause, one.show_count, one.reason) for one in found.versions[:2]] == [
        (4, version_pb2.VERSION_CAUSE_SCHEDULE_UNDELETED, 1, ""),
        (3, version_pb2.VERSION_CAUSE_SCHEDULE_DELETED, 0, "a mistake"),
    ]


async def test_a_name_is_free_after_a_deletion_and_a_deleted_schedule_cannot_take_it_back(house: House) -> None:
    schedule, other = await house.schedule(), await house.schedule()
    await house.manager(Delete(uid=schedule.uid))
    await house.manager(Update(uid=other.uid, name=schedule.name))
    refusal = await refused(house.manager(Undelete(uid=schedule.uid)))
    assert (refusal.code, refusal.reason) == (EXISTS, "SCHEDULE_NAME_TAKEN")


async def test_a_revised_schedule_is_deleted_only_when_nothing_of_it_is_booked(house: House) -> None:
    schedule = await house.schedule()
    shows = show_uids(await house.plan(schedule, row("1", "10:00", "11:00")))
    await house.confirm(schedule)
    await house.manager(api.ReviseScheduleRequest(uid=schedule.uid))
    refusal = await refused(house.manager(Delete(uid=schedule.uid)))
    assert (refusal.code, refusal.reason, refusal.facts["bookings"]) == (FAILED, "SCHEDULE_IN_USE", "1")
    await production(house)(ReleaseShowRequest(show_uid=shows["1"], confirmation=1))
    await house.manager(Delete(uid=schedule.uid))
    # What is heard late of a show finds its schedule still.
    await say(house, started(house, shows["1"], schedule.uid))
    assert (await house.manager(Undelete(uid=schedule.uid))).status == schedule_pb2.SCHEDULE_STATUS_DRAFT


async def test_a_show_is_added_changed_and_removed_each_as_a_version(house: House, ask: Asks) -> None:
    platform = await house.platform()
    schedule = await house.schedule()
    added = await house.manager(
        adds(
            schedule,
            mcs=["Ada", house.mcs["Bob"].uid],
            platforms=[platform.name],
            type="standard",
            etag=schedule.etag,
            reason="one more",
            change_category=schedule_pb2.CHANGE_CATEGORY_CLIENT_REQUEST,
            request_id=request_id(),
        )
    )
    one = added.planned_show
    assert (added.outcome, added.schedule.plan_version) == (plan_pb2.ROW_OUTCOME_CREATED, 1)
    assert (one.room_uid, list(one.mc_uids)) == (house.rooms["A"].uid, [house.mcs[name].uid for name in ("Ada", "Bob")])
    assert (list(one.platform_uids), one.type, one.starts_at) == ([platform.uid], "standard", at("2026-03-02T10:00"))
    changed = await house.manager(
        UpdateRow(uid=one.uid, room="B", name="not this", etag="1", update_mask=FieldMask(paths=["room", "mcs"]))
    )
    assert (changed.outcome, changed.planned_show.version) == (plan_pb2.ROW_OUTCOME_UPDATED, 2)
    assert (changed.planned_show.name, changed.planned_show.room_uid) == (one.name, house.rooms["B"].uid)
    assert (list(changed.planned_show.mc_uids), changed.planned_show.platform_uids) == ([], one.platform_uids)
    assert changed.planned_show.show_uid == one.show_uid
    before = await ask.ledger(house)
    same = await house.manager(UpdateRow(uid=one.uid, room=house.rooms["B"].uid))
    assert (same.outcome, same.schedule) == (plan_pb2.ROW_OUTCOME_UNCHANGED, changed.schedule)
    assert await ask.ledger(house) == before
    removed = await house.manager(Remove(uid=one.uid, etag="2"))
    assert (removed.outcome, removed.schedule.plan_version) == (plan_pb2.ROW_OUTCOME_REMOVED, 3)
    assert removed.planned_show.HasField("removed_at")
    for request in (UpdateRow(uid=one.uid, name="x"), Remove(uid=one.uid), Remove(uid=uids.new("plan"))):
        refusal = await refused(house.manager(request))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, "PLANNED_SHOW_NOT_FOUND")
    back = await house.manager(adds(schedule))
    assert (back.outcome, back.planned_show.show_uid) == (plan_pb2.ROW_OUTCOME_RESTORED, one.show_uid)


async def test_a_row_is_refused_with_the_reasons_that_an_import_gives(house: House) -> None:
    request: Any
    schedule = await house.schedule()
    one = (await house.manager(adds(schedule))).planned_show
    for request, reason, fields in (
        (adds(schedule, "2", room="Z", mcs=["Ada", "Ada"]), "ROOM_UNKNOWN", ["room", "mcs"]),
        (adds(schedule, "2", platforms=["nowhere"]), "PLATFORM_UNKNOWN", ["platforms"]),
        (adds(schedule, "2", start="2026-02-02T10:00"), "TOO_LONG_SHOW", ["end", "start"]),
        (adds(schedule, "2", name=" "), "MISSING", ["name"]),
        (UpdateRow(uid=one.uid, end="2026-03-02T09:00"), "END_BEFORE_START", ["end"]),
        (UpdateRow(uid=one.uid, start="2026-3-2"), "TIME_UNREADABLE", ["start"]),
        (UpdateRow(uid=one.uid, type="A B"), "KEY_UNREADABLE", ["type"]),
        (UpdateRow(uid=one.uid, update_mask=FieldMask(paths=["external_id"])), "MASK_INVALID", ["update_mask"]),
        (UpdateRow(uid=one.uid, update_mask=FieldMask(paths=["change_category"])), "MASK_INVALID", ["update_mask"]),
        (UpdateRow(uid=one.uid, update_mask=FieldMask(paths=["name"])), "REQUEST_INVALID", ["name"]),
    ):
        refusal = await refused(house.manager(request))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, reason, fields), request
    refusal = await refused(house.manager(adds(schedule)))
    assert (refusal.code, refusal.reason, refusal.facts["uid"]) == (EXISTS, "EXTERNAL_ID_TAKEN", one.uid)
    for who, code in ((house.member, DENIED), (house.client_member, DENIED), (house.stranger, NOT_FOUND)):
        for request in (UpdateRow(uid=one.uid, name="x"), Remove(uid=one.uid)):
            assert (await refused(who(request))).code == code


async def test_a_show_that_is_live_is_protected_from_single_edits(house: House) -> None:
    schedule = await house.schedule()
    shows = show_uids(await house.plan(schedule, row("1", "10:00", "11:00")))
    await house.confirm(schedule)
    await house.manager(api.ReviseScheduleRequest(uid=schedule.uid))
    await say(house, started(house, shows["1"], schedule.uid))
    one = (await rows_of(house, schedule))["1"]
    for request in (UpdateRow(uid=one.uid, name="x"), Remove(uid=one.uid)):
        refusal = await refused(house.manager(request))
        assert (refusal.code, refusal.reason, refusal.facts["external_id"]) == (FAILED, "SHOW_PROTECTED", "1")


async def test_of_two_editors_of_one_row_one_wins_and_the_other_is_told(house: House) -> None:
    schedule = await house.schedule()
    one = (await house.manager(adds(schedule))).planned_show
    edits = [UpdateRow(uid=one.uid, name=f"By {n}", etag=str(one.version)) for n in range(5)]
    answers = await together(*(house.manager(edit) for edit in [*edits, Remove(uid=one.uid, etag="1")]))
    got = reasons(answers)
    assert got[""] == 1
    assert set(got) <= {"", "STALE", "PLANNED_SHOW_NOT_FOUND"}
    assert (await house.manager(api.GetScheduleRequest(uid=schedule.uid))).plan_version == 2


async def test_editors_of_different_rows_lose_nothing(house: House) -> None:
    schedule = await house.schedule()
    added = await together(*(house.manager(adds(schedule, str(n))) for n in range(6)))
    assert reasons(added) == {"": 6}
    edits = [UpdateRow(uid=one.planned_show.uid, name=f"New {one.planned_show.external_id}", etag="1") for one in added]
    assert reasons(await together(*(house.manager(edit) for edit in edits))) == {"": 6}
    assert {name: one.name for name, one in (await rows_of(house, schedule)).items()} == {
        str(n): f"New {n}" for n in range(6)
    }
    found = await house.manager(version_pb2.ListVersionsRequest(schedule_uid=schedule.uid))
    assert [one.number for one in found.versions] == list(range(12, 0, -1))
    with_etag = [
        adds(schedule, f"x{n}", etag=found and (await house.manager(api.GetScheduleRequest(uid=schedule.uid))).etag)
        for n in range(4)
    ]
    assert reasons(await together(*(house.manager(one) for one in with_etag))) == {"": 1, "STALE": 3}
    twice = await together(*(house.manager(adds(schedule, "same")) for _ in range(4)))
    assert reasons(twice) == {"": 1, "EXTERNAL_ID_TAKEN": 3}


@pytest.mark.parametrize("as_rows", [True, False])
async def test_what_is_exported_imports_back_unchanged(house: House, as_rows: bool) -> None:
    await house.room('Odd, "room" two')
    platform = await house.platform(unique('Tube, "live"'))
    schedule = await house.schedule()
    rows = [
        plan_pb2.PlanRow(
            external_id=f'{n};"',
            name=f'Show, "{n}"\r\nof {n}',
            room='Odd, "room" two' if n % 2 else "A",
            mcs=["Ada", "Bob"],
            platforms=[platform.name],
            start=f"2026-03-{10 + n}T10:00:30",
            end=f"2026-03-{10 + n}T12:00+01:00",
        )
        for n in range(6)
    ]
    first = await house.manager(plan_pb2.ImportPlanRequest(uid=schedule.uid, rows=rows))
    assert [one.line for one in first.rows] == [1, 2, 3, 4, 5, 6]
    assert {one.outcome for one in first.rows} == {plan_pb2.ROW_OUTCOME_CREATED}
    sheet = await house.client_member(plan_pb2.ExportPlanRequest(uid=schedule.uid))
    assert (sheet.plan_version, sheet.show_count) == (1, 6)
    assert "Ada;Bob" in sheet.csv
    request = plan_pb2.ImportPlanRequest(uid=schedule.uid, csv=sheet.csv)
    if as_rows:
        request = plan_pb2.ImportPlanRequest(uid=schedule.uid, rows=rows)
    again = await house.manager(request)
    assert not again.saved
    assert {one.outcome for one in again.rows} == {plan_pb2.ROW_OUTCOME_UNCHANGED}
    assert again.schedule == first.schedule


async def test_rows_are_refused_one_by_one_as_lines_are(house: House) -> None:
    schedule = await house.schedule()
    good = plan_pb2.PlanRow(external_id="1", name="One", start="2026-03-02T10:00", end="2026-03-02T11:00")
    rows = [good, plan_pb2.PlanRow(external_id="2", room="Z", mcs=["Ada", "Eve"], start="x"), good]
    for dry in (True, False):
        answer = await house.manager(plan_pb2.ImportPlanRequest(uid=schedule.uid, rows=rows, validate_only=dry))
        assert [(one.line, [(error.field, error.reason) for error in one.errors]) for one in answer.rows] == [
            (1, []),
            (
                2,
                [
                    ("name", "MISSING"),
                    ("end", "MISSING"),
                    ("room", "ROOM_UNKNOWN"),
                    ("mcs", "MC_UNKNOWN"),
                    ("start", "TIME_UNREADABLE"),
                ],
            ),
            (3, [("external_id", "DUPLICATE_EXTERNAL_ID")]),
        ]
        assert answer.saved != dry
    for request in (
        plan_pb2.ImportPlanRequest(uid=schedule.uid),
        plan_pb2.ImportPlanRequest(uid=schedule.uid, rows=rows, csv="x"),
    ):
        assert (await refused(house.manager(request))).reason == "REQUEST_INVALID"
    many = plan_pb2.ImportPlanRequest(uid=schedule.uid, rows=[good] * 5001)
    refusal = await refused(house.manager(many))
    assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "PLAN_TOO_LARGE", ["rows"])
