"""A plan as planners send it: a CSV sheet. Reads it row by row and says everything that is wrong with each.

Columns: `external_id,name,room,mcs,platforms,type,standard,start,end`, in any order, others ignored. Rooms, MCs and
platforms by uid or by name; several separated by `;`. Times are local in the studio's zone, or carry an offset.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from libs.common.errors import FieldViolation, Invalid
from services.scheduling.domain.schedule import Planned, Schedule

REQUIRED = ("external_id", "name", "room", "mcs", "platforms", "start", "end")
OPTIONAL = ("type", "standard")
COLUMNS = (*REQUIRED[:5], *OPTIONAL, *REQUIRED[5:])  # as they are written
LARGEST = 5000  # rows
LONGEST = {"external_id": 128, "name": 200, "type": 64, "standard": 64}
MOST_NAMES = 50  # in a cell that takes several
LONGEST_SHOW = timedelta(days=2)
KEY = re.compile(r"^[a-z0-9_]{1,64}$")
UID = re.compile(r"^(room|mc|plat)_[0-9a-hjkmnp-tv-z]{26}$")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing that is wrong with a row."""

    field: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row as it was written: the line it begins on, its cells by column, stripped."""

    line: int
    cells: Mapping[str, str]
    torn: bool = False  # it has more or fewer cells than the header
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)  # several names that came one by one

    @property
    def external_id(self) -> str:
        """The planner's own key, perhaps empty."""
        return self.cells["external_id"]

    def several(self, column: str) -> list[str]:
        """The names or uids in a cell that takes several."""
        if column in self.lists:
            return [name for part in self.lists[column] if (name := part.strip())]
        return [name for part in self.cells[column].split(";") if (name := part.strip())]


@dataclass(frozen=True, slots=True)
class Names:
    """What names and uids in a sheet mean: uid by uid or name, for the studio of the schedule."""

    rooms: Mapping[str, str]
    mcs: Mapping[str, str]
    platforms: Mapping[str, str]


@dataclass(slots=True)
class ReadRow:
    """A row that was read: what it plans, or what is wrong with it."""

    row: SheetRow
    planned: Planned | None = None
    errors: list[RowError] = field(default_factory=list)


def row_of(line: int, cells: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> SheetRow:
    """A row that came as such and not as a line of text."""
    named = dict.fromkeys((*REQUIRED, *OPTIONAL), "") | {name: cell.strip() for name, cell in cells.items()}
    return SheetRow(line, named, lists=lists)


def require_size(count: int) -> None:
    """Invalid when these are more rows than a plan may have."""
    if count > LARGEST:
        raise unreadable("PLAN_TOO_LARGE", f"a plan may have {LARGEST} rows", "rows")


def rows_of(text: str) -> list[SheetRow]:
    """The rows of a sheet; Invalid when there is no reading it at all."""
    try:
        return list(read_csv(text))
    except csv.Error as error:
        raise unreadable("PLAN_UNREADABLE", f"the sheet is no CSV: {error}") from error


def read_csv(text: str) -> Iterator[SheetRow]:
    """Header, then rows; blank lines do not count."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    header = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise unreadable("PLAN_COLUMN_MISSING", f"the sheet lacks the column {', '.join(missing)}")
    twice = sorted({name for name in header if header.count(name) > 1 and name in (*REQUIRED, *OPTIONAL)})
    if twice:
        raise unreadable("PLAN_UNREADABLE", f"the sheet has the column {', '.join(twice)} twice")
    count, line = 0, reader.line_num + 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            count += 1
            if count > LARGEST:
                raise unreadable("PLAN_TOO_LARGE", f"a sheet may have {LARGEST} rows")
            named = dict.fromkeys((*REQUIRED, *OPTIONAL), "")
            named |= {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
            yield SheetRow(line, named, len(cells) != len(header))
        line = reader.line_num + 1
    if count == 0:
        raise unreadable("PLAN_EMPTY", "the sheet has no rows")


def unreadable(reason: str, message: str, field: str = "csv") -> Invalid:
    """The refusal of a whole sheet."""
    return Invalid(reason, message, [FieldViolation(field, message)])


def write(rows: Iterable[Planned], schedule: Schedule, names: Names) -> str:
    """The sheet that plans these shows: reading it gives them back. Names where a name means the uid, else the uid."""
    zone = ZoneInfo(schedule.time_zone)
    text = io.StringIO(newline="")
    sheet = csv.writer(text, lineterminator="\r\n")
    sheet.writerow(COLUMNS)
    for row in rows:
        sheet.writerow(
            (
                row.external_id,
                row.name,
                word(row.room_uid, names.rooms),
                ";".join(word(uid, names.mcs) for uid in row.mc_uids),
                ";".join(word(uid, names.platforms) for uid in row.platform_uids),
                row.type,
                row.standard,
                local(row.starts_at, zone),
                local(row.ends_at, zone),
            )
        )
    return text.getvalue()


def word(uid: str, names: Mapping[str, str]) -> str:
    """The name by which a sheet means a uid (`names` has names by uid); a name that would read otherwise is no use."""
    name = names.get(uid, "")
    return name if name and ";" not in name and name == name.strip() and not UID.match(name) else uid


def local(time: datetime, zone: ZoneInfo) -> str:
    """A time as it is read in the zone; with its offset in the hour that comes twice."""
    there = time.astimezone(zone)
    ambiguous = there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset()
    plain = there if ambiguous else there.replace(tzinfo=None)
    return plain.isoformat(timespec="minutes" if not (plain.second or plain.microsecond) else "auto")


def read(rows: Sequence[SheetRow], schedule: Schedule, names: Names) -> list[ReadRow]:
    """Every row, read; of rows with one external_id the first counts and the others are refused."""
    zone = ZoneInfo(schedule.time_zone)
    seen: dict[str, int] = {}
    answers = []
    for row in rows:
        answer = read_row(row, schedule, names, zone)
        first = seen.setdefault(row.external_id, row.line)
        if row.external_id and first != row.line:
            message = f"line {first} has this external_id already"
            answer.errors.append(RowError("external_id", "DUPLICATE_EXTERNAL_ID", message))
        if answer.errors:
            answer.planned = None
        answers.append(answer)
    return answers


def read_row(row: SheetRow, schedule: Schedule, names: Names, zone: ZoneInfo) -> ReadRow:
    """One row against the rules that concern it alone."""
    answer = ReadRow(row)

    def wrong(column: str, reason: str, message: str) -> None:
        answer.errors.append(RowError(column, reason, message))

    if row.torn:
        wrong("", "COLUMNS_DIFFER", "the row has another number of cells than the header")
        return answer
    for column in ("external_id", "name", "start", "end"):
        if not row.cells[column]:
            wrong(column, "MISSING", f"{column} is empty")
    for column, longest in LONGEST.items():
        if len(row.cells[column]) > longest:
            wrong(column, "TOO_LONG", f"{column} has more than {longest} characters")
    for column in OPTIONAL:
        if row.cells[column] and not KEY.match(row.cells[column]):
            wrong(column, "KEY_UNREADABLE", f"{column} must be a key of a-z, 0-9 and _")
    room = ""
    if row.cells["room"]:
        room = names.rooms.get(row.cells["room"], "")
        if not room:
            wrong("room", "ROOM_UNKNOWN", f"the studio has no room {row.cells['room']!r}")
    mcs = all_of(row.several("mcs"), names.mcs, "mcs", "MC", wrong)
    platforms = all_of(row.several("platforms"), names.platforms, "platforms", "PLATFORM", wrong)
    start = instant(row.cells["start"], "start", zone, wrong)
    end = instant(row.cells["end"], "end", zone, wrong)
    if start and end:
        if end <= start:
            wrong("end", "END_BEFORE_START", "the show ends before it starts")
        elif end - start > LONGEST_SHOW:
            wrong("end", "TOO_LONG_SHOW", "the show is longer than two days")
        if not schedule.covers(start):
            wrong("start", "OUTSIDE_PERIOD", "the show starts outside the schedule's period")
        if not answer.errors:
            answer.planned = Planned(
                external_id=row.external_id,
                name=row.cells["name"],
                room_uid=room,
                mc_uids=mcs,
                platform_uids=platforms,
                type=row.cells["type"],
                standard=row.cells["standard"],
                starts_at=start,
                ends_at=end,
            )
    return answer


Wrong = Callable[[str, str, str], None]
NOUNS = {"MC": "MC", "PLATFORM": "platform"}


def all_of(wanted: Sequence[str], known: Mapping[str, str], column: str, noun: str, wrong: Wrong) -> tuple[str, ...]:
    """The uids that the names in a cell mean, in their order."""
    if len(wanted) > MOST_NAMES:
        wrong(column, "TOO_LONG", f"{column} names more than {MOST_NAMES}")
        return ()
    for name in wanted:
        if name not in known:
            wrong(column, f"{noun}_UNKNOWN", f"there is no {NOUNS[noun]} {name!r}")
    found = tuple(known[name] for name in wanted if name in known)
    if len(set(found)) < len(found):
        wrong(column, f"{noun}_TWICE", f"{column} names one twice")
    return found


def instant(text: str, column: str, zone: ZoneInfo, wrong: Wrong) -> datetime | None:
    """A time in UTC; a local one must exist, once, in the zone (clocks that change skip or repeat an hour)."""
    if not text:
        return None
    try:
        if not TIME.fullmatch(text):  # ISO 8601 has many more forms, and some are easily mistaken for another
            raise ValueError
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            local = time.replace(tzinfo=zone)
            time = local.astimezone(UTC)
            if time.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
                wrong(column, "TIME_DOES_NOT_EXIST", f"the clocks skip {text} in {zone.key}: write it with an offset")
                return None
            if local.replace(fold=1).utcoffset() != local.utcoffset():
                wrong(column, "TIME_AMBIGUOUS", f"{text} comes twice in {zone.key}: write it with an offset")
                return None
        time = time.astimezone(UTC)
        if not EARLIEST <= time < LATEST:
            raise ValueError
    except (ValueError, OverflowError):
        wrong(column, "TIME_UNREADABLE", f"{text[:40]!r} is no time like 2024-02-03T10:30")
        return None
    return time
