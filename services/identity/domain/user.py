"""People who sign in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from libs.common.entities import Entity
from libs.common.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Entity):
    """A person: `ext_id` is the subject of the issuer's tokens, empty until the first sign-in of who was invited."""

    ext_id: str
    email: str
    name: str
    system_admin: bool = False
    banned_at: datetime | None = None
    ban_reason: str = ""

    def ban(self, reason: str, now: datetime) -> User:
        """Refused everywhere from now on."""
        if self.banned_at is not None:
            raise Refused("USER_BANNED", f"user {self.uid} is banned already", uid=self.uid)
        return replace(self, banned_at=now, ban_reason=reason)

    def unban(self) -> User:
        """Admitted again."""
        if self.banned_at is None:
            raise Refused("USER_NOT_BANNED", f"user {self.uid} is not banned", uid=self.uid)
        return replace(self, banned_at=None, ban_reason="")

    def link(self, ext_id: str) -> User:
        """Signed in for the first time: from now on the subject of the token says who it is."""
        return replace(self, ext_id=ext_id)


def require_another(caller_uid: str, uid: str) -> None:
    """Nobody locks themselves out."""
    if caller_uid == uid:
        raise Refused("SELF", "this is yourself", uid=uid)


def address(email: str) -> str:
    """An e-mail address as it is kept: its case means nothing to those who write it."""
    return email.strip().lower()
