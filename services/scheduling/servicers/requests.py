"""What the requests of several nouns have in common."""

from __future__ import annotations

from typing import Any


def target(request: Any) -> tuple[str, str, str]:
    """What every change of something names: its uid, the etag last seen, why."""
    return request.uid, request.etag, request.reason
