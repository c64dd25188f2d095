"""What the requests of several nouns have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Any

BY_AGE = (datetime, str)  # the sort keys of the lists
BY_NAME = (str, str)
BY_TIME = (datetime, str)


def target(request: Any) -> tuple[str, str, str]:
    """What every change of something names: its uid, the etag last seen, why."""
    return request.uid, request.etag, request.reason
