"""The merged audit trail, and what is learnt from it about the groups: what still lives in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

COUNTED = ("room", "mc", "schedule", "show", "template")  # what holds a group: it cannot be deleted while they live
ENDS = ("deleted", "archived", "cancelled", "completed")  # after these an entity holds its groups no more


@dataclass(frozen=True, slots=True)
class Audit:
    """One change, somewhere in the suite. `old_values` and `new_values` are JSON objects."""

    event_uid: str
    occurred_at: datetime
    service: str
    action: str
    actor: str
    on_behalf_of: str
    entity_uid: str
    entity_version: int
    studio_uid: str
    client_uid: str
    platform_uid: str
    reason: str
    request_id: str
    trace_id: str
    old_values: Mapping[str, Any]
    new_values: Mapping[str, Any]

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that the entity lies in."""
        return tuple(uid for uid in (self.studio_uid, self.client_uid, self.platform_uid) if uid)


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which changes to list; what is empty asks for all."""

    group_uid: str = ""
    entity_uid: str = ""
    actor: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dependant:
    """Something of another service's that lives in groups, as of one of its versions."""

    entity_uid: str
    noun: str
    version: int
    groups: frozenset[str]


def dependant(audit: Audit, more_groups: Iterable[str] = ()) -> Dependant | None:
    """What a change says about the groups of its entity: which it lives in now; None for what holds no group."""
    noun, _, verb = audit.action.partition(".")
    if noun not in COUNTED:
        return None
    groups = frozenset() if verb in ENDS else frozenset((*audit.groups, *more_groups))
    return Dependant(audit.entity_uid, noun, audit.entity_version, groups)


def newest(dependants: Iterable[Dependant]) -> list[Dependant]:
    """The last word on each entity."""
    last: dict[str, Dependant] = {}
    for one in dependants:
        if one.entity_uid not in last or last[one.entity_uid].version < one.version:
            last[one.entity_uid] = one
    return list(last.values())
