"""Who may do what: the caller of a change or a read, and the declaration that its RPC carries in the proto.

The scope of a request is never what the request claims: commands and queries call `caller.require` with the groups of
the entity *as stored*, and a call that declared member access and never asked is refused at its end, in every test and
in production alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eridu.common.v1 import access_pb2
from eridu.common.v1.access_pb2 import Access, GroupKind, Role

from libs.common import uids
from libs.common.errors import Denied, NotFound

if TYPE_CHECKING:
    from libs.common.db import Tx
    from libs.common.once import Once

KINDS: Mapping[str, GroupKind.ValueType] = {
    "client": access_pb2.GROUP_KIND_CLIENT,
    "studio": access_pb2.GROUP_KIND_STUDIO,
    "plat": access_pb2.GROUP_KIND_PLATFORM,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A user with the rights in force: one role per group."""

    user_uid: str
    system_admin: bool = False
    roles: Mapping[str, Role.ValueType] = field(default_factory=dict)
    banned: bool = False
    valid_until: float = math.inf  # seconds since 1970: when the next membership begins or ends


@dataclass(frozen=True, slots=True)
class Visible:
    """The groups whose things a caller may list; `everything` for those who may see all."""

    everything: bool
    studios: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()


@dataclass(slots=True)
class Caller:
    """Who calls, with which rights, in which call. Made by the interceptors, or by a consumer for an event."""

    principal: Principal | None = None
    service: str = ""
    access: Access = field(default_factory=Access)
    request_id: str = ""
    trace_id: str = ""
    once: Once | None = None
    tx: Tx | None = None
    checked: bool = False
    committed: bool = False  # a part of this call is in the database for good: it must not be run again

    @classmethod
    def system(cls, service: str, once: Once | None = None, trace_id: str = "") -> Caller:
        """The service itself: consumers, the relay, commands at start."""
        return cls(service=service, once=once, trace_id=trace_id, checked=True)

    @property
    def actor(self) -> str:
        """For the ledger: a user's uid or `service:<name>`."""
        return f"service:{self.service}" if self.service else self.user_uid

    @property
    def on_behalf_of(self) -> str:
        """For the ledger: the user that a service acts for."""
        return self.user_uid if self.service else ""

    @property
    def user_uid(self) -> str:
        """The user who calls or is acted for; empty for a service in its own name."""
        return self.principal.user_uid if self.principal else ""

    @property
    def unlimited(self) -> bool:
        """A service in its own name (the declaration let it in) or a system admin."""
        return self.principal is None or self.principal.system_admin

    def has_role(self, group_uid: str, least: Role.ValueType) -> bool:
        """Whether the caller has at least this role in the group."""
        return self.unlimited or (self.principal is not None and self.principal.roles.get(group_uid, 0) >= least)

    def sees(self, *groups: str) -> bool:
        """Whether the caller belongs to one of these groups, with whatever role."""
        return self.unlimited or any(self.has_role(group, access_pb2.ROLE_MEMBER) for group in groups)

    def is_self(self, user_uid: str) -> bool:
        """Whether the call is about the caller's own; if so, nobody else has to be asked."""
        own = bool(user_uid) and user_uid == self.user_uid
        self.checked = self.checked or own
        return own

    def require(self, noun: str, uid: str, *groups: str) -> None:
        """Let the call go on if its declaration gives the caller a right in one of the groups that the entity lies in.

        NotFound for those who may not know of it, Denied for those who may see it and have too low a role.
        """
        self.checked = True
        if self.unlimited:
            return
        for grant in self.access.any_of:
            for group in groups:
                if KINDS.get(uids.prefix(group)) == grant.group and self.has_role(group, grant.min_role):
                    return
        if self.sees(*groups):
            raise Denied("ROLE_TOO_LOW", f"your role does not allow this on {noun} {uid}", uid=uid)
        raise NotFound.of(noun, uid)

    def visible(self) -> Visible:
        """The groups that the call's declaration lets the caller list by."""
        self.checked = True
        if self.unlimited or self.principal is None:
            return Visible(everything=True)
        groups: dict[GroupKind.ValueType, list[str]] = {kind: [] for kind in KINDS.values()}
        least = {grant.group: grant.min_role for grant in self.access.any_of}
        if not least:  # declared for everybody who is signed in: the groups they belong to
            least = dict.fromkeys(KINDS.values(), access_pb2.ROLE_MEMBER)
        for group, role in self.principal.roles.items():
            kind = KINDS.get(uids.prefix(group), access_pb2.GROUP_KIND_UNSPECIFIED)
            if kind in least and role >= least[kind]:
                groups[kind].append(group)
        return Visible(
            everything=False,
            studios=tuple(groups[access_pb2.GROUP_KIND_STUDIO]),
            clients=tuple(groups[access_pb2.GROUP_KIND_CLIENT]),
            platforms=tuple(groups[access_pb2.GROUP_KIND_PLATFORM]),
        )

    def require_checked(self) -> None:
        """Refuse to end a call that declared member access and never looked at whose things it touched."""
        if self.access.who == Access.WHO_MEMBER and not self.checked:
            raise RuntimeError("this method declares member access and never called caller.require or caller.visible")
