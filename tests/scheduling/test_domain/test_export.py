"""A plan written as a sheet is read back as it was, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common import uids
from services.scheduling.domain.schedule import Planned
from services.scheduling.domain.sheet import Names, read, rows_of, write
from tests.scheduling.test_domain.test_schedules import MARCH

YEAR = replace(MARCH, starts_at=datetime(2026, 1, 1, tzinfo=UTC), ends_at=datetime(2027, 1, 1, tzinfo=UTC))
ZONES = ("UTC", "Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")

odd = st.sampled_from([";", '"', ",", "\n", "\r", "\r\n", "'", "\ufeff", "=1+1", "é", "節", "\u2028", " ", "#", "a"])
text = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), st.lists(odd).map("".join)
)
word = text.map(str.strip).filter(bool)
room_uids, mc_uids, platform_uids = ([uids.new(kind) for _ in range(4)] for kind in ("room", "mc", "plat"))
spring, autumn = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)
moments = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 29), timezones=st.just(UTC)),
    *(
        st.integers(0, 3 * 24 * 4).map(lambda n, day=day: day + timedelta(minutes=15 * n))  # type: ignore[misc]
        for day in (spring, autumn)
    ),
)


@st.composite
def shows(draw: st.DrawFn) -> Planned:
    start = draw(moments)
    return Planned(
        external_id=draw(word),
        name=draw(word),
        room_uid=draw(st.sampled_from(["", *room_uids])),
        mc_uids=tuple(draw(st.lists(st.sampled_from(mc_uids), unique=True))),
        platform_uids=tuple(draw(st.lists(st.sampled_from(platform_uids), unique=True))),
        type=draw(st.sampled_from(["", "standard", "a_1"])),
        standard=draw(st.sampled_from(["", "premium"])),
        starts_at=start,
        ends_at=start + draw(st.timedeltas(timedelta(microseconds=1), timedelta(days=2))),
    )


def names(of: list[str]) -> st.SearchStrategy[dict[str, str]]:
    """Names by uid, as unique as the database keeps them; some uids have none."""
    return st.dictionaries(st.sampled_from(of), word, max_size=4).filter(lambda one: len({*one.values()}) == len(one))


@given(
    plan=st.lists(shows(), min_size=1, max_size=8, unique_by=lambda one: one.external_id),
    zone=st.sampled_from(ZONES),
    known=st.tuples(names(room_uids), names(mc_uids), names(platform_uids)),
)
def test_a_plan_is_read_back_as_it_was_written(
    plan: list[Planned], zone: str, known: tuple[dict[str, str], dict[str, str], dict[str, str]]
) -> None:
    schedule = replace(YEAR, time_zone=zone)
    meant = [
        {name: uid for uid, name in some.items()} | {uid: uid for uid in of}
        for some, of in zip(known, (room_uids, mc_uids, platform_uids), strict=True)
    ]
    answers = read(rows_of(write(plan, schedule, Names(*known))), schedule, Names(*meant))
    assert [one.errors for one in answers] == [[] for _ in plan]
    assert [one.planned for one in answers] == plan


@pytest.mark.parametrize(
    ("utc", "written"),
    [
        ("2026-03-29T00:30", "2026-03-29T01:30"),
        ("2026-03-29T01:30", "2026-03-29T03:30"),
        ("2026-10-25T00:30", "2026-10-25T02:30+02:00"),  # the hour that comes twice
        ("2026-10-25T01:30", "2026-10-25T02:30+01:00"),
        ("2026-10-25T02:00", "2026-10-25T03:00"),
        ("2026-06-01T10:00:30", "2026-06-01T12:00:30"),
    ],
)
def test_times_are_written_as_the_studio_reads_them(utc: str, written: str) -> None:
    start = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    show = Planned(external_id="1", name="One", starts_at=start, ends_at=start + timedelta(hours=4))
    line = write([show], replace(YEAR, time_zone="Europe/Brussels"), Names({}, {}, {})).splitlines()[1]
    assert line.split(",")[7] == written


def test_a_name_that_would_be_read_as_something_else_is_written_as_its_uid() -> None:
    mcs = {mc_uids[0]: "Ada", mc_uids[1]: "Ada; Bob", mc_uids[2]: mc_uids[0]}
    start = datetime(2026, 6, 1, tzinfo=UTC)
    show = Planned(
        external_id="1", name="One", mc_uids=tuple(mc_uids), starts_at=start, ends_at=start + timedelta(hours=1)
    )
    line = write([show], YEAR, Names({}, mcs, {})).splitlines()[1]
    assert line.split(",")[3] == ";".join(["Ada", *mc_uids[1:]])
