"""What every entity of the domain has, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, TypeVar

from libs.common.errors import Refused, Stale

E = TypeVar("E", bound="Entity")


def differ(one: Any, other: Any) -> bool:
    """Whether two values are not the same; in free JSON 1 is not true."""
    return bool(one != other) or (isinstance(one, Mapping) and json.dumps(one) != json.dumps(other))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A public id, free metadata, times in UTC, soft deletion, and the version that guards every change."""

    uid: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    version: int = 1
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """What callers send back to be refused when somebody was faster."""
        return str(self.version)

    def same_as(self, other: Entity) -> bool:
        """Whether nothing differs."""
        return not any(differ(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def but(self: E, given: Mapping[str, Any]) -> E:
        """The same with other values."""
        return replace(self, **given)

    def delete(self: E, now: datetime) -> E:
        """Gone, for now."""
        return replace(self, deleted_at=now)

    def undelete(self: E, noun: str) -> E:
        """Back again."""
        if self.deleted_at is None:
            raise Refused("NOT_DELETED", f"{noun.replace('_', ' ')} {self.uid} is not deleted", uid=self.uid)
        return replace(self, deleted_at=None)

    def expect(self, noun: str, etag: str) -> None:
        """Stale when the caller saw another version than this one; an empty etag asks for no check."""
        if etag and etag != self.etag:
            raise Stale.of(noun, self.uid)
