"""Reading a sheet: everything that is wrong with a row is said, and on which line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from libs.common.errors import Invalid
from services.scheduling.domain.schedule import Planned
from services.scheduling.domain.sheet import Names, ReadRow, read, rows_of
from tests.scheduling.test_domain.test_schedules import MARCH
from tests.support.house import HEADER

NAMES = Names({"A": "room_a"}, {"Ada": "mc_ada", "mc_ada": "mc_ada", "Bob": "mc_bob"}, {"tube": "plat_tube"})
BRUSSELS = replace(MARCH, time_zone="Europe/Brussels", ends_at=datetime(2026, 12, 1, tzinfo=UTC))
GOOD = "1,One,A,Ada,tube,standard,premium,2026-03-02T10:00,2026-03-02T11:00"


def sheet(*lines: str, header: str = HEADER) -> list[ReadRow]:
    return read(rows_of("\n".join([header, *lines])), MARCH, NAMES)


def wrong(row: str) -> set[tuple[str, str]]:
    """What is wrong with a single row: columns and reasons."""
    (answer,) = sheet(row)
    assert (answer.planned is None) == bool(answer.errors)
    assert all(error.message for error in answer.errors)
    return {(error.field, error.reason) for error in answer.errors}


def unreadable(text: str) -> str:
    with pytest.raises(Invalid) as refusal:
        rows_of(text)
    assert [violation.field for violation in refusal.value.violations] == ["csv"]
    return refusal.value.reason


def test_a_good_row_is_read_whole() -> None:
    (answer,) = sheet(GOOD)
    assert answer.planned == Planned(
        external_id="1",
        name="One",
        room_uid="room_a",
        mc_uids=("mc_ada",),
        platform_uids=("plat_tube",),
        type="standard",
        standard="premium",
        starts_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        ends_at=datetime(2026, 3, 2, 11, tzinfo=UTC),
    )


@pytest.mark.parametrize("column", ["external_id", "name", "room", "mcs", "platforms", "start", "end"])
def test_a_sheet_without_a_required_column_is_unreadable(column: str) -> None:
    header = ",".join(name for name in HEADER.split(",") if name != column)
    assert unreadable(f"{header}\n{GOOD}") == "PLAN_COLUMN_MISSING"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "PLAN_COLUMN_MISSING"),
        (HEADER, "PLAN_EMPTY"),
        (f"{HEADER}\n\n , ,\n", "PLAN_EMPTY"),
        (f"{HEADER},name\n{GOOD},Two", "PLAN_UNREADABLE"),
        (f'{HEADER}\n"1,One', "PLAN_UNREADABLE"),
        (f'{HEADER}\n"1"x,One', "PLAN_UNREADABLE"),
        (f"{HEADER}\n{'x' * 200_000}", "PLAN_UNREADABLE"),
        ("\n".join([HEADER, *([GOOD] * 5001)]), "PLAN_TOO_LARGE"),
    ],
)
def test_a_sheet_that_cannot_be_read_at_all_is_refused(text: str, reason: str) -> None:
    assert unreadable(text) == reason


def test_five_thousand_rows_are_read() -> None:
    assert len(rows_of("\n".join([HEADER, *([GOOD] * 5000)]))) == 5000


def test_columns_come_in_any_order_type_and_standard_may_be_absent_and_others_are_ignored() -> None:
    header = "END, start ,platforms,mcs,room,colour,Name,external_id"
    (answer,) = sheet("2026-03-02T11:00,2026-03-02T10:00,tube,Ada,A,red,One,1", header=header)
    assert answer.planned is not None
    assert (answer.planned.external_id, answer.planned.type, answer.planned.standard) == ("1", "", "")


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert [row.external_id for row in rows_of(f"\ufeff{HEADER}\r\n{GOOD}\r\n")] == ["1"]


def test_blank_lines_and_quoted_newlines_keep_the_line_numbers_right() -> None:
    text = f'{HEADER}\n\n{GOOD}\n , ,\n2,"Two\nlines\r\nmore",A,,,,,x,y\n3,Three,A,,,,,x,y\n'
    assert [(row.line, row.external_id) for row in rows_of(text)] == [(3, "1"), (5, "2"), (8, "3")]


@pytest.mark.parametrize("row", [GOOD + ",more", "1,One,A"])
def test_a_torn_row_is_refused_for_that_alone(row: str) -> None:
    assert wrong(row) == {("", "COLUMNS_DIFFER")}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("1,One", ",", {("external_id", "MISSING"), ("name", "MISSING")}),
        ("2026-03-02T10:00", "", {("start", "MISSING")}),
        ("1,One", f"{'1' * 129},{'x' * 201}", {("external_id", "TOO_LONG"), ("name", "TOO_LONG")}),
        ("standard", "s" * 65, {("type", "TOO_LONG"), ("type", "KEY_UNREADABLE")}),
        ("premium", "Very Premium", {("standard", "KEY_UNREADABLE")}),
        (",A,", ",Z,", {("room", "ROOM_UNKNOWN")}),
        (",Ada,", ",Ada;Zoe,", {("mcs", "MC_UNKNOWN")}),
        (",Ada,", ",Ada; mc_ada,", {("mcs", "MC_TWICE")}),
        (",tube,", ",cube,", {("platforms", "PLATFORM_UNKNOWN")}),
        (",tube,", ",tube;tube,", {("platforms", "PLATFORM_TWICE")}),
        (",Ada,", f",{';'.join(['Ada'] * 51)},", {("mcs", "TOO_LONG")}),
        (",tube,", f",{';'.join(['tube'] * 51)},", {("platforms", "TOO_LONG")}),
        ("2026-03-02T10:00", "tomorrow", {("start", "TIME_UNREADABLE")}),
        ("2026-03-02T10:00", "2026-03-02", {("start", "TIME_UNREADABLE")}),
        ("2026-03-02T10:00", "2026-03-02+10:00", {("start", "TIME_UNREADABLE")}),
        ("2026-03-02T10:00", "2026-W10-1T10:00", {("start", "TIME_UNREADABLE")}),
        ("2026-03-02T10:00", "2026-03-32T10:00", {("start", "TIME_UNREADABLE")}),
        ("2026-03-02T10:00", "0001-01-01T00:00", {("start", "TIME_UNREADABLE")}),
        ("2026-03-02T10:00", "1999-12-31T23:59", {("start", "TIME_UNREADABLE")}),
        ("2026-03-02T11:00", "2026-03-02T09:00", {("end", "END_BEFORE_START")}),
        ("2026-03-02T11:00", "2026-03-02T10:00", {("end", "END_BEFORE_START")}),
        ("2026-03-02T11:00", "2026-03-04T10:01", {("end", "TOO_LONG_SHOW")}),
        ("2026-03-02T10:00", "2026-02-28T23:59", {("start", "OUTSIDE_PERIOD")}),
    ],
)
def test_everything_that_is_wrong_with_a_row_is_named(old: str, new: str, found: set[tuple[str, str]]) -> None:
    assert wrong(GOOD.replace(old, new, 1)) == found


def test_a_show_of_two_days_that_ends_after_the_period_is_fine() -> None:
    assert not wrong("1,One,,,,,,2026-03-31T23:00,2026-04-02T23:00")


def test_of_rows_with_one_external_id_the_first_counts() -> None:
    answers = sheet(GOOD, GOOD, "," + GOOD.partition(",")[2], "," + GOOD.partition(",")[2])
    assert [[error.reason for error in answer.errors] for answer in answers] == [
        [],
        ["DUPLICATE_EXTERNAL_ID"],
        ["MISSING"],
        ["MISSING"],
    ]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-02T10:00", "2026-03-02T09:00"),
        ("2026-03-02 10:00", "2026-03-02T09:00"),
        ("2026-07-02T10:00:30", "2026-07-02T08:00:30"),
        ("2026-03-02T10:00Z", "2026-03-02T10:00"),
        ("2026-03-02T10:00-05:00", "2026-03-02T15:00"),
        ("2026-03-29T02:30", "TIME_DOES_NOT_EXIST"),
        ("2026-03-29T03:00", "2026-03-29T01:00"),
        ("2026-10-25T02:30", "TIME_AMBIGUOUS"),
        ("2026-10-25T02:30+02:00", "2026-10-25T00:30"),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30"),
    ],
)
def test_a_local_time_must_exist_once_in_the_schedules_zone(text: str, utc: str) -> None:
    end = "2026-03-01T00:00"  # before every start: only the start is looked at
    (answer,) = read(rows_of(f"{HEADER}\n1,One,,,,,,{text},{end}"), BRUSSELS, NAMES)
    reasons = [error.reason for error in answer.errors if error.field == "start"]
    if utc.startswith("TIME"):
        assert reasons == [utc]
        return
    start = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    (answer,) = read(rows_of(f"{HEADER}\n1,One,,,,,,{text},{start.replace(hour=20):%Y-%m-%dT%H:%MZ}"), BRUSSELS, NAMES)
    assert answer.planned is not None
    assert answer.planned.starts_at == start
