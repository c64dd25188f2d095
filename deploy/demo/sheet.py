"""The bundled plan: read, split into one sheet per client, and searched for clashes without any help of the product."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from zoneinfo import ZoneInfo

PLAN = Path(__file__).with_name("plan.csv")
ZONE = ZoneInfo("Europe/Brussels")
BEGIN = datetime(2024, 2, 3, tzinfo=ZONE)
END = datetime(2024, 2, 5, tzinfo=ZONE)
COLUMNS = ("external_id", "name", "room", "mcs", "platforms", "type", "standard", "start", "end")


@dataclass(frozen=True, slots=True)
class Clash:
    """Two shows that want one room or one host at one time; the lower `external_id` first."""

    resource: str
    shows: tuple[str, str]

    @classmethod
    def of(cls, resource: str, one: str, other: str) -> Clash:
        """The clash of two shows, in whichever order they are named."""
        return cls(resource, (min(one, other), max(one, other)))


@dataclass(frozen=True)
class Plan:
    """The rows of the plan, as they stand in the file."""

    rows: tuple[dict[str, str], ...]

    @classmethod
    def read(cls, path: Path = PLAN) -> Plan:
        """The plan in a file."""
        with path.open(encoding="utf-8", newline="") as file:
            return cls(tuple(csv.DictReader(file)))

    def names(self, column: str) -> list[str]:
        """Every name in a column, once, sorted."""
        return sorted({name for row in self.rows for name in split(row[column])})

    def sheet(self, client: str) -> str:
        """One client's plan, in the columns that the product imports."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in self.rows if row["client"] == client)
        return text.getvalue()

    def clashes(self) -> set[Clash]:
        """Every pair of rows that overlap in a room or with a host."""
        return {
            Clash.of(resource, one["external_id"], other["external_id"])
            for column in ("room", "mcs")
            for resource in self.names(column)
            for one, other in combinations(self.taking(column, resource), 2)
            if one["start"] < other["end"] and other["start"] < one["end"]
        }

    def taking(self, column: str, resource: str) -> Iterable[dict[str, str]]:
        """The rows that take a room or a host."""
        return [row for row in self.rows if resource in split(row[column])]


def split(cell: str) -> list[str]:
    """The names in a cell."""
    return [name for name in cell.split(";") if name]
