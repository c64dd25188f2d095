"""The clock. Commands take it as a parameter, so that tests live in a year of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """This instant in UTC."""
    return datetime.now(UTC)
