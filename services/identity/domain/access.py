"""Questions of access, and their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.identity.domain.membership import Role
from services.identity.domain.nouns import noun_of


class Who(StrEnum):
    """The class of callers that an RPC's declaration lets in."""

    SIGNED_IN = "signed_in"
    MEMBER = "member"
    SYSTEM_ADMIN = "system_admin"
    SERVICE = "service"


class Reason(StrEnum):
    """Why something is allowed or not."""

    ROLE = "role"
    SYSTEM_ADMIN = "system_admin"
    SIGNED_IN = "signed_in"
    ROLE_TOO_LOW = "role_too_low"
    NO_ROLE = "no_role"
    SYSTEM_ADMINS_ONLY = "system_admins_only"
    SERVICES_ONLY = "services_only"
    USER_BANNED = "user_banned"
    USER_UNKNOWN = "user_unknown"
    METHOD_UNKNOWN = "method_unknown"

    @property
    def allows(self) -> bool:
        """Whether it is a reason for a yes."""
        return self in (Reason.ROLE, Reason.SYSTEM_ADMIN, Reason.SIGNED_IN)


@dataclass(frozen=True, slots=True)
class Rights:
    """What a living user may do now; `valid_until` is when the next membership begins or ends."""

    user_uid: str
    system_admin: bool = False
    banned: bool = False
    roles: Mapping[str, Role] = field(default_factory=dict)
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """Who may call an RPC: with MEMBER, the least role for each kind of group."""

    who: Who
    least: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """May this person do that, for something in these groups? No declaration: there is no such RPC."""

    user_uid: str
    declaration: Declaration | None
    group_uids: Sequence[str] = ()


def answer(question: Question, rights: Rights | None) -> Reason:
    """Why it is allowed, or why it is not."""
    asked = question.declaration
    if asked is None:
        return Reason.METHOD_UNKNOWN
    if rights is None:
        return Reason.USER_UNKNOWN
    if rights.banned:
        return Reason.USER_BANNED
    if asked.who is Who.SERVICE:
        return Reason.SERVICES_ONLY
    if rights.system_admin:
        return Reason.SYSTEM_ADMIN
    if asked.who is Who.SYSTEM_ADMIN:
        return Reason.SYSTEM_ADMINS_ONLY
    if asked.who is Who.SIGNED_IN:
        return Reason.SIGNED_IN
    held = {uid: rights.roles[uid] for uid in question.group_uids if uid in rights.roles}
    if any(noun_of(uid) in asked.least and role.reaches(asked.least[noun_of(uid)]) for uid, role in held.items()):
        return Reason.ROLE
    return Reason.ROLE_TOO_LOW if held else Reason.NO_ROLE
