"""The words for what identity owns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from libs.common import uids

USER, CLIENT, STUDIO, PLATFORM, MEMBERSHIP = "user", "client", "studio", "platform", "membership"
GROUP = "group"  # any of the three kinds, where a request may name either
GROUPS = (CLIENT, STUDIO, PLATFORM)
PREFIXES = {USER: "user", CLIENT: "client", STUDIO: "studio", PLATFORM: "plat", MEMBERSHIP: "mbr"}


def fresh(noun: str, now: datetime) -> dict[str, Any]:
    """What a new entity begins with."""
    return {"uid": uids.new(PREFIXES[noun]), "created_at": now, "updated_at": now}


def noun_of(group_uid: str) -> str:
    """`studio` for `studio_…`, `platform` for `plat_…`."""
    return next(noun for noun in GROUPS if PREFIXES[noun] == uids.prefix(group_uid))


def scope_of(group_uid: str) -> dict[str, str]:
    """Where the ledger says that something lies: `{"studio_uid": "studio_…"}`."""
    return {f"{noun_of(group_uid)}_uid": group_uid}
