"""Plans through the RPCs: import, dry run, list."""

from __future__ import annotations

from eridu.scheduling.v1 import plan_pb2
from eridu.scheduling.v1 import schedule_request_pb2 as api

from tests.scheduling.planning import ABORTED, FAILED, INVALID, Asks, row, row_outcomes, show_uids
from tests.support.house import HEADER, House, build_house, unique
from tests.support.suite import Suite, refused


async def listed(house: House, schedule_uid: str, show_removed: bool = False) -> list[str]:
    """The external ids of a plan by start."""
    answer = await house.manager(
        plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule_uid, page_size=500, show_removed=show_removed)
    )
    return [one.external_id for one in answer.planned_shows]


async def test_a_dry_run_answers_as_the_real_import_and_saves_nothing(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "11:00", "12:00"))
    rows = [row("1", "10:00", "11:30"), row("3", "12:00", "13:00"), "4,,,,,,,x,y"]
    before = await ask.ledger(house)
    dry = await house.plan(schedule, *rows, validate_only=True)
    assert not dry.saved
    assert dry.schedule.plan_version == 1
    assert await listed(house, schedule.uid) == ["1", "2"]
    assert await ask.ledger(house) == before
    assert [one.show_uid for one in dry.rows if one.outcome == plan_pb2.ROW_OUTCOME_CREATED] == [""]
    real = await house.plan(schedule, *rows)
    assert real.saved
    assert real.schedule.plan_version == 2
    assert row_outcomes(dry) == row_outcomes(real)
    assert [one.errors for one in dry.rows] == [one.errors for one in real.rows]
    assert row_outcomes(real) == [(2, "1", "updated"), (3, "3", "created"), (4, "4", "refused"), (0, "2", "removed")]
    assert await listed(house, schedule.uid) == ["1", "3"]
    assert await listed(house, schedule.uid, show_removed=True) == ["1", "2", "3"]


async def test_refused_rows_are_named_by_line_field_and_reason_and_the_good_ones_are_saved(house: House) -> None:
    schedule = await house.schedule()
    answer = await house.plan(
        schedule,
        row("1", "10:00", "11:00", "Z", "Ada;Ada"),
        row("2", "11:00", "10:00"),
        row("3", "10:00", "11:00"),
        row("3", "10:00", "11:00"),
        "4,Four,,,nowhere,,,2026-02-28T10:00,2026-02-28T11:00",
    )
    assert answer.saved
    assert [(one.line, [(error.field, error.reason) for error in one.errors]) for one in answer.rows] == [
        (2, [("room", "ROOM_UNKNOWN"), ("mcs", "MC_TWICE")]),
        (3, [("end", "END_BEFORE_START")]),
        (4, []),
        (5, [("external_id", "DUPLICATE_EXTERNAL_ID")]),
        (6, [("platforms", "PLATFORM_UNKNOWN"), ("start", "OUTSIDE_PERIOD")]),
    ]
    assert await listed(house, schedule.uid) == ["3"]


async def test_all_or_nothing_saves_nothing_when_a_row_is_refused(house: House) -> None:
    schedule = await house.schedule()
    answer = await house.plan(schedule, row("1", "10:00", "11:00"), "2,,,,,,,x,y", all_or_nothing=True)
    assert not answer.saved
    assert row_outcomes(answer) == [(2, "1", "created"), (3, "2", "refused")]
    assert await listed(house, schedule.uid, show_removed=True) == []
    assert (await house.plan(schedule, row("1", "10:00", "11:00"), all_or_nothing=True)).saved


async def test_an_unchanged_import_makes_no_version(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    first = await house.plan(schedule, row("1", "10:00", "11:00"))
    before = await ask.ledger(house)
    again = await house.plan(schedule, row("1", "10:00", "11:00"))
    assert not again.saved
    assert again.schedule == first.schedule
    assert row_outcomes(again) == [(2, "1", "unchanged")]
    assert await ask.ledger(house) == before


async def test_names_and_uids_mean_the_same_and_a_row_that_comes_back_keeps_its_show(house: House) -> None:
    platform = await house.platform(unique("tube"))
    schedule = await house.schedule()
    time = "2026-03-02T10:00,2026-03-02T11:00"
    first = await house.plan(schedule, f"1,One,A,Ada;Bob,{platform.name},standard,premium,{time}")
    uids = f"{house.rooms['A'].uid},{house.mcs['Ada'].uid};{house.mcs['Bob'].uid},{platform.uid}"
    second = await house.plan(schedule, f"1,One,{uids},standard,premium,{time}")
    assert row_outcomes(second) == [(2, "1", "unchanged")]
    await house.plan(schedule, row("2", "10:00", "11:00"))
    back = await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "10:00", "11:00"))
    assert row_outcomes(back) == [(2, "1", "restored"), (3, "2", "unchanged")]
    assert show_uids(back)["1"] == show_uids(first)["1"]


async def test_only_a_draft_with_the_etag_that_was_seen_is_edited(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, row("1", "10:00", "11:00"))
    stale = await refused(house.plan(schedule, row("2", "10:00", "11:00"), etag=schedule.etag))
    assert (stale.code, stale.reason) == (ABORTED, "STALE")
    assert await listed(house, schedule.uid) == ["1"]
    await house.manager(api.ProposeScheduleRequest(uid=schedule.uid))
    for dry in (False, True):
        refusal = await refused(house.plan(schedule, row("2", "10:00", "11:00"), validate_only=dry))
        assert (refusal.code, refusal.reason) == (FAILED, "SCHEDULE_NOT_DRAFT")


async def test_a_sheet_that_cannot_be_read_is_refused_as_a_whole(house: House) -> None:
    schedule = await house.schedule()
    for csv, reason in (
        ("external_id,name\n1,One", "PLAN_COLUMN_MISSING"),
        (HEADER, "PLAN_EMPTY"),
        (f'{HEADER}\n"1', "PLAN_UNREADABLE"),
        ("\n".join([HEADER, *["1"] * 5001]), "PLAN_TOO_LARGE"),
    ):
        refusal = await refused(house.manager(plan_pb2.ImportPlanRequest(uid=schedule.uid, csv=csv)))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, reason, ["csv"])


async def test_local_times_are_read_in_the_studios_zone_across_the_change_of_clocks(suite: Suite) -> None:
    house = await build_house(suite, "Europe/Brussels")
    schedule = await house.schedule()
    answer = await house.plan(
        schedule,
        "1,Night,,,,,,2026-03-28T23:00,2026-03-29T04:00",
        "2,Never,,,,,,2026-03-29T02:30,2026-03-29T04:00",
    )
    assert [error.reason for error in answer.rows[1].errors] == ["TIME_DOES_NOT_EXIST"]
    (night,) = (await house.manager(plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule.uid))).planned_shows
    assert night.starts_at.ToJsonString() == "2026-03-28T22:00:00Z"
    assert night.ends_at.ToJsonString() == "2026-03-29T02:00:00Z"  # four hours, though the clocks say five


async def test_a_plan_is_listed_by_pages(house: House) -> None:
    schedule = await house.schedule()
    await house.plan(schedule, *(row(str(n), f"{10 + n % 4}:00", "20:00") for n in range(10)))
    whole = await house.manager(plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule.uid))
    request = plan_pb2.ListPlannedShowsRequest(schedule_uid=schedule.uid, page_size=3)
    found, sizes = [], []
    while True:
        page = await house.client_member(request)
        found += page.planned_shows
        sizes.append(len(page.planned_shows))
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert found == list(whole.planned_shows)
    assert sizes == [3, 3, 3, 1]
    request.page_token = "nonsense"
    assert (await refused(house.manager(request))).reason == "PAGE_TOKEN_INVALID"


async def test_a_plan_of_large_rows_is_cut_into_events_that_can_be_sent(house: House, ask: Asks) -> None:
    schedule = await house.schedule()
    time = "2026-03-02T10:00,2026-03-02T11:00"
    rows = [f"{n}-{'é' * 120},{'節' * 200},A,Ada;Bob,,,,{time}" for n in range(600)]
    assert (await house.plan(schedule, *rows)).saved
    sizes = await ask("SELECT length(payload) AS n FROM ledger WHERE entity_uid = :uid", uid=schedule.uid)
    assert len(sizes) > 3
    assert len(await listed(house, schedule.uid)) == 500  # a page
