"""What the requests of several nouns have in common."""

from __future__ import annotations

from typing import Any

from services.scheduling.convert import schedules as convert
from services.scheduling.domain.version import Cause, Why


def target(request: Any) -> tuple[str, str, str]:
    """What every change of something names: its uid, the etag last seen, why."""
    return request.uid, request.etag, request.reason


def why(request: Any, cause: Cause) -> Why:
    """Why a plan is changed, in words and in a category."""
    return Why(cause, request.reason, convert.category(request.change_category))
