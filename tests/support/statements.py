"""Statements that a service runs, and what PostgreSQL reads for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from libs.common.db import Database


@contextmanager
def heard(db: Database) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are run meanwhile, with their parameters."""
    said: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    event.listen(db.reader.sync_engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(db.reader.sync_engine, "before_cursor_execute", note)


def most_rows(plan: dict[str, Any]) -> float:
    """The most rows that a node of a plan touched, those that a filter threw away too."""
    here = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return float(max([here, *(most_rows(below) for below in plan.get("Plans", []))]))
