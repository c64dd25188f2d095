"""Versions through the RPCs: every saved change of a plan, by whom and why, compared and brought back."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.scheduling.v1 import plan_pb2, planned_show_pb2, schedule_pb2, version_pb2
from eridu.scheduling.v1 import schedule_request_pb2 as api
from eridu.scheduling.v1.booking_service_pb2 import ReleaseShowRequest
from eridu.scheduling.v1.events_pb2 import PlanChanged
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from libs.common.db import Database
from tests.scheduling.planning import (
    ABORTED,
    DENIED,
    FAILED,
    NOT_FOUND,
    Asks,
    in_force,
    outcomes,
    production,
    row,
    show_uids,
)
from tests.scheduling.test_consumers import say, started
from tests.scheduling.test_plans import listed
from tests.scheduling.test_store import reasons, together
from tests.support.house import House
from tests.support.suite import refused

Versions, Version, Diff, Restore = (
    version_pb2.ListVersionsRequest,
    version_pb2.GetVersionRequest,
    version_pb2.DiffVersionsRequest,
    version_pb2.RestoreVersionRequest,
)
OPERATIONAL = schedule_pb2.CHANGE_CATEGORY_OPERATIONAL


def cause(version: Any) -> str:
    """What made a version."""
    return version_pb2.VersionCause.Name(version.cause).removeprefix("VERSION_CAUSE_").lower()


def short(changes: Any) -> list[tuple[str, str, list[str]]]:
    """Changes in short: the show, what happened to it, the fields that differ."""
    return [
        (
            (one.after if one.HasField("after") else one.before).external_id,
            version_pb2.ShowChangeKind.Name(one.kind).removeprefix("SHOW_CHANGE_KIND_").lower(),
            list(one.fields),
        )
        for one in changes
    ]


async def plan_of(house: House, schedule: Any, number: int) -> list[tuple[str, str, str]]:
    """A version's shows in short."""
    found = await house.client_member(Version(schedule_uid=schedule.uid, number=number, page_size=500))
    return [(one.external_id, one.name, one.show_uid) for one in found.planned_shows]


async def test_every_saved_change_is_a_version_with_who_what_and_why(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    first = [row("1", "10:00", "11:00"), row("2", "11:00", "12:00")]
    shows = show_uids(await house.plan(schedule, *first, reason="the plan", change_category=OPERATIONAL))
    await house.plan(schedule, *first)  # the same again is no version
    await house.plan(schedule, *first, row("x", "y", "z"), all_or_nothing=True)
    await house.plan(schedule, row("1", "10:00", "11:30"), row("3", "13:00", "14:00"))
    await house.confirm(schedule)
    await production(house)(ReleaseShowRequest(show_uid=shows["1"], confirmation=1, reason="ill"))
    listed_shows = (await house.manager(plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule.uid))).planned_shows
    third = next(one for one in listed_shows if one.external_id == "3")
    await say(house, started(house, third.show_uid, schedule.uid))
    now = await house.manager(api.GetScheduleRequest(uid=schedule.uid))
    assert (now.plan_version, now.confirmed_version) == (4, 4)  # nothing else was planned: it stays confirmed
    found = (await house.client_member(Versions(schedule_uid=schedule.uid))).versions
    assert [
        (one.number, cause(one), one.added, one.changed, one.removed, one.show_count, one.reason) for one in found
    ] == [
        (4, "show_started", 0, 1, 0, 2, "the show is live"),
        (3, "show_cancelled", 0, 1, 0, 2, "ill"),
        (2, "imported", 1, 1, 1, 2, ""),
        (1, "imported", 2, 0, 0, 2, "the plan"),
    ]
    assert [one.actor for one in found] == [
        *["service:scheduling", "service:production"],
        *[house.people["manager"].uid] * 2,
    ]
    assert [one.change_category for one in found] == [0, 0, 0, OPERATIONAL]
    events = await ask(
        "SELECT payload FROM ledger WHERE entity_uid = :uid AND action = 'plan.changed' ORDER BY id", uid=schedule.uid
    )
    told = [PlanChanged.FromString(one.payload) for one in events]
    assert [(one.plan_version_uid, one.plan_version, one.change_category) for one in told] == [
        (one.uid, one.number, one.change_category) for one in reversed(found)
    ]


async def test_a_version_is_read_as_it_was_and_by_pages(house: House) -> None:
    schedule = await house.schedule()
    shows = show_uids(await house.plan(schedule, *(row(str(n), f"1{n}:00", "20:00") for n in range(5))))
    await house.plan(schedule, row("1", "10:00", "11:00"), "9,Nine,,,,,,2026-03-05T10:00,2026-03-05T11:00")
    whole = [(str(n), f"Show {n}", shows[str(n)]) for n in range(5)]
    assert await plan_of(house, schedule, 1) == whole
    assert [one[0] for one in await plan_of(house, schedule, 2)] == ["1", "9"]
    request = Version(schedule_uid=schedule.uid, number=1, page_size=2)
    found: list[str] = []
    while True:
        page = await house.member(request)
        assert (page.version.number, page.version.show_count) == (1, 5)
        found += [one.external_id for one in page.planned_shows]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert found == [one[0] for one in whole]
    newest = await house.member(Versions(schedule_uid=schedule.uid, page_size=1))
    oldest = await house.member(Versions(schedule_uid=schedule.uid, page_size=1, page_token=newest.next_page_token))
    assert [one.number for one in (*newest.versions, *oldest.versions)] == [2, 1]
    assert oldest.next_page_token == ""


async def test_versions_are_compared_either_way_and_with_the_empty_plan(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "11:00", "12:00"), row("3", "12:00", "13:00"))
    await house.plan(schedule, row("1", "10:00", "11:30", "B"), row("3", "12:00", "13:00"), row("4", "13:00", "14:00"))
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "11:00", "12:00"), row("4", "13:00", "14:00"))

    async def diff(before: int, after: int, **more: Any) -> Any:
        return await house.client_member(Diff(schedule_uid=schedule.uid, before=before, after=after, **more))

    answer = await diff(1, 2)
    assert short(answer.changes) == [
        ("1", "changed", ["room_uid", "ends_at"]),
        ("2", "removed", []),
        ("4", "added", []),
    ]
    assert (answer.added, answer.changed, answer.removed) == (1, 1, 1)
    (one, *_) = answer.changes
    assert (one.before.room_uid, one.after.room_uid) == (house.rooms["A"].uid, house.rooms["B"].uid)
    assert short((await diff(2, 1)).changes) == [
        ("1", "changed", ["room_uid", "ends_at"]),
        ("2", "added", []),
        ("4", "removed", []),
    ]
    assert short((await diff(1, 3)).changes) == [("3", "removed", []), ("4", "added", [])]  # there and back is nothing
    assert short((await diff(0, 1)).changes) == [("1", "added", []), ("2", "added", []), ("3", "added", [])]
    assert short((await diff(2, 2)).changes) == []
    page = await diff(1, 2, page_size=2)
    rest = await diff(1, 2, page_size=2, page_token=page.next_page_token)
    assert [*page.changes, *rest.changes] == list(answer.changes)
    assert (rest.added, rest.next_page_token) == (1, "")


async def test_an_earlier_version_is_brought_back_under_the_old_shows(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    rows = [row("1", "10:00", "11:00"), row("2", "11:00", "12:00")]
    shows = show_uids(await house.plan(schedule, *rows))
    changed = await house.plan(schedule, row("1", "10:00", "11:30", "B"), row("3", "13:00", "14:00"))
    dry = await house.manager(Restore(uid=schedule.uid, number=1, validate_only=True))
    assert not dry.saved
    assert await listed(house, schedule.uid) == ["1", "3"]
    request = Restore(
        uid=schedule.uid, number=1, etag=changed.schedule.etag, reason="back", change_category=OPERATIONAL
    )
    restored = await house.manager(request)
    assert restored.saved
    assert list(restored.rows) == list(dry.rows)
    assert [(one.external_id, plan_pb2.RowOutcome.Name(one.outcome)) for one in restored.rows] == [
        ("1", "ROW_OUTCOME_UPDATED"),
        ("2", "ROW_OUTCOME_RESTORED"),
        ("3", "ROW_OUTCOME_REMOVED"),
    ]
    assert await plan_of(house, schedule, 3) == await plan_of(house, schedule, 1)
    assert {one[0]: one[2] for one in await plan_of(house, schedule, 3)} == shows
    assert short((await house.member(Diff(schedule_uid=schedule.uid, before=1, after=3))).changes) == []
    newest = (await house.member(Versions(schedule_uid=schedule.uid))).versions[0]
    assert (cause(newest), newest.restored_number, newest.reason) == ("restored", 1, "back")
    assert (newest.added, newest.changed, newest.removed) == (1, 1, 1)
    before = await ask.ledger(house)
    again = await house.manager(Restore(uid=schedule.uid, number=1))
    assert (again.saved, again.schedule) == (False, restored.schedule)
    assert await ask.ledger(house) == before
    assert not (await house.plan(schedule, *rows)).saved


async def test_a_version_is_not_brought_back_over_what_is_live(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "09:00", "10:00"), row("2", "12:00", "13:00"))
    shows = show_uids(
        await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "12:00", "13:00"), row("3", "14:00", "15:00"))
    )
    await house.confirm(schedule)
    await say(house, *(started(house, shows[name], schedule.uid) for name in ("1", "2", "3")))
    refusal = await refused(house.manager(Restore(uid=schedule.uid, number=1)))
    assert (refusal.code, refusal.reason) == (FAILED, "SCHEDULE_NOT_DRAFT")
    await house.manager(api.ReviseScheduleRequest(uid=schedule.uid))
    refusal = await refused(house.manager(Restore(uid=schedule.uid, number=1)))
    assert (refusal.code, refusal.reason) == (FAILED, "PROTECTED_SHOWS")
    assert refusal.facts == {"external_ids": "1, 3", "count": "2"}
    dry = await house.manager(Restore(uid=schedule.uid, number=1, validate_only=True))
    assert [(one.external_id, one.outcome) for one in dry.rows] == [
        ("1", plan_pb2.ROW_OUTCOME_PROTECTED),
        ("3", plan_pb2.ROW_OUTCOME_PROTECTED),
    ]
    await house.plan(
        schedule,
        *(row(name, f"{start}:00", f"{start + 1}:00") for name, start in (("1", 10), ("2", 12), ("3", 14), ("4", 16))),
    )
    assert (await house.manager(Restore(uid=schedule.uid, number=2))).saved  # the live ones stay as they are
    assert outcomes(await house.confirm(schedule)) == {"1": "protected", "2": "protected", "3": "protected"}


async def test_a_restored_plan_confirms_what_it_says(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    await house.confirm(schedule)
    await house.manager(api.ReviseScheduleRequest(uid=schedule.uid))
    await house.plan(schedule, row("1", "15:00", "16:00"), row("2", "10:00", "11:00"))
    await house.confirm(schedule)
    assert await in_force(house) == [("10:00-11:00", "A"), ("15:00-16:00", "A")]
    await house.manager(api.ReviseScheduleRequest(uid=schedule.uid))
    await house.manager(Restore(uid=schedule.uid, number=1))
    assert outcomes(await house.confirm(schedule)) == {"1": "moved", "2": "released"}
    assert await in_force(house) == [("10:00-11:00", "A")]


async def test_a_cancelled_schedule_ends_with_an_empty_version(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    await house.manager(api.CancelScheduleRequest(uid=schedule.uid, reason="client left"))
    newest = (await house.member(Versions(schedule_uid=schedule.uid))).versions[0]
    assert (newest.number, cause(newest), newest.removed, newest.show_count) == (2, "schedule_cancelled", 1, 0)
    assert await plan_of(house, schedule, 2) == []
    assert len(await plan_of(house, schedule, 1)) == 1


async def test_versions_are_refused_to_those_they_do_not_concern(house: House) -> None:
    request: Any
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    uid = schedule.uid
    for request in (Versions(schedule_uid=uid), Version(schedule_uid=uid, number=1), Diff(schedule_uid=uid, after=1)):
        await house.client_member(request)
        refusal = await refused(house.stranger(request))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, "SCHEDULE_NOT_FOUND")
    for request in (
        Version(schedule_uid=uid, number=2),
        Diff(schedule_uid=uid, before=2, after=1),
        Restore(uid=uid, number=2),
    ):
        refusal = await refused(house.manager(request))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, "PLAN_VERSION_NOT_FOUND")
    assert (await refused(house.client_member(Restore(uid=uid, number=1)))).code == DENIED
    stale = await refused(house.manager(Restore(uid=uid, number=1, etag=schedule.etag)))
    assert (stale.code, stale.reason) == (ABORTED, "STALE")


@pytest.mark.parametrize("table", ["plan_version", "plan_version_row"])
@pytest.mark.parametrize("change", ["UPDATE {} SET number = number", "DELETE FROM {}"])
async def test_the_service_can_neither_change_nor_delete_a_version(db: Database, table: str, change: str) -> None:
    with pytest.raises(DBAPIError) as refusal:
        async with db.writer.begin() as conn:
            await conn.execute(text(change.format(table)))
    assert getattr(refusal.value.orig, "sqlstate", "") == "42501"


async def test_imports_edits_and_restores_at_once_leave_one_line_of_versions(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "12:00", "13:00"))

    def add(name: str) -> Any:
        return house.manager(
            planned_show_pb2.AddPlannedShowRequest(
                schedule_uid=schedule.uid, external_id=name, name=name, start="2026-03-03T10:00", end="2026-03-03T11:00"
            )
        )

    answers = await together(
        *(add(f"a{n}") for n in range(4)),
        *(house.plan(schedule, row("1", f"1{n}:00", "19:00")) for n in range(4)),
        *(house.manager(Restore(uid=schedule.uid, number=1)) for _ in range(3)),
    )
    assert reasons(answers) == {"": 11}
    now = await house.manager(api.GetScheduleRequest(uid=schedule.uid))
    found = (await house.manager(Versions(schedule_uid=schedule.uid, page_size=500))).versions
    assert [one.number for one in found] == list(range(now.plan_version, 0, -1))
    living = {
        (one.external_id, one.name, one.show_uid)
        for one in (await house.manager(plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule.uid))).planned_shows
    }
    assert set(await plan_of(house, schedule, now.plan_version)) == living
    assert found[0].show_count == len(living)


async def test_a_change_that_an_older_process_made_without_a_version_is_in_the_next_one(
    house: House, db: Database
) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "12:00", "13:00"))
    async with db.writer.begin() as conn:  # as the release before did
        await conn.execute(text("UPDATE schedule SET plan_version = 2 WHERE uid = :uid"), {"uid": schedule.uid})
        await conn.execute(
            text("UPDATE planned_show SET name = 'Old way' WHERE schedule_uid = :uid AND external_id = '1'"),
            {"uid": schedule.uid},
        )
    sheet = await house.manager(plan_pb2.ExportPlanRequest(uid=schedule.uid))
    assert (sheet.plan_version, "Old way" in sheet.csv) == (2, True)
    await house.plan(schedule, "1,Old way,A,,,,,2026-03-02T10:00,2026-03-02T11:00", row("2", "12:00", "14:00"))
    assert [one[:2] for one in await plan_of(house, schedule, 3)] == [("1", "Old way"), ("2", "Show 2")]
    refusal = await refused(house.manager(Version(schedule_uid=schedule.uid, number=2)))
    assert refusal.reason == "PLAN_VERSION_NOT_FOUND"
    assert short((await house.member(Diff(schedule_uid=schedule.uid, before=1, after=3))).changes) == [
        ("1", "changed", ["name"]),
        ("2", "changed", ["ends_at"]),
    ]


async def test_a_plan_of_thousands_is_kept_read_and_brought_back(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    count = 2000

    def rows(room: str) -> list[str]:
        return [
            row(f"{n:04}", f"{n % 23:02}:00", f"{n % 23:02}:50", room, day=f"{1 + n % 28:02}") for n in range(count)
        ]

    await house.plan(schedule, *rows("A"))
    await house.plan(schedule, *rows("B")[: count // 2], *rows("A")[count // 2 :])
    kept = await ask(
        "SELECT number, count(*) FROM plan_version_row WHERE schedule_uid = :uid GROUP BY 1 ORDER BY 1",
        uid=schedule.uid,
    )
    assert [tuple(one) for one in kept] == [(1, count), (2, count // 2)]  # only what changed
    diff = await house.manager(Diff(schedule_uid=schedule.uid, before=1, after=2, page_size=1))
    assert (diff.added, diff.changed, diff.removed) == (0, count // 2, 0)
    restored = await house.manager(Restore(uid=schedule.uid, number=1))
    assert len(restored.rows) == count // 2
    assert (await house.manager(Diff(schedule_uid=schedule.uid, before=1, after=3))).changed == 0
    sheet = await house.manager(plan_pb2.ExportPlanRequest(uid=schedule.uid))
    again = await house.manager(plan_pb2.ImportPlanRequest(uid=schedule.uid, csv=sheet.csv))
    assert (again.saved, sheet.show_count) == (False, count)
