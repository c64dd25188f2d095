"""Who may do what in which group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from libs.common.entities import Entity
from libs.common.errors import FieldViolation, Invalid, Refused


class Role(StrEnum):
    """What a member may do in a group; each may do what the ones before it may."""

    MEMBER = "member"
    MANAGER = "manager"
    ADMIN = "admin"

    def reaches(self, least: Role) -> bool:
        """Whether it is this role or a higher one."""
        return RANKS[self] >= RANKS[least]


RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership(Entity):
    """A user's role in a group, from `starts_at` until `ends_at`."""

    user_uid: str
    group_uid: str
    role: Role
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def counts(self, now: datetime) -> bool:
        """Begun and not ended."""
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)

    def change_role(self, role: Role) -> Membership:
        """Another role."""
        return replace(self, role=role)


def require_future(starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> None:
    """A membership that is over before it begins is a mistake."""
    if ends_at is not None and ends_at <= max(now, starts_at or now):
        message = "must be in the future, and after starts_at"
        raise Invalid("PERIOD_INVALID", f"ends_at: {message}", [FieldViolation("ends_at", message)])


def require_admin_left(group_uids: Iterable[str]) -> None:
    """`group_uids` are the groups that the change leaves without an admin: there must be none."""
    for uid in group_uids:
        raise Refused("LAST_ADMIN", f"group {uid} would have no admin left", group_uid=uid)
