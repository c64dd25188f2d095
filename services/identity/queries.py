"""What is read from identity: one function per read."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common.access import Caller, Principal
from libs.common.db import Database
from libs.common.errors import NotFound
from libs.common.pages import Page, PageQuery
from services.identity import convert, store
from services.identity.domain import PLATFORM, USER, Group, Membership, User


async def get_user(db: Database, caller: Caller, uid: str) -> User:
    """A user: oneself, or anybody for system admins and services."""
    if not caller.unlimited and caller.user_uid != uid:
        raise NotFound.of(USER, uid)
    async with db.read() as reader:
        return await store.load_user(reader, uid)


async def list_users(db: Database, email: str, page: PageQuery) -> Page[User]:
    """Users, oldest first."""
    async with db.read() as reader:
        return await store.list_users(reader, email, page)


async def get_group(db: Database, caller: Caller, noun: str, uid: str) -> Group:
    """A client or studio of the caller's, or any platform."""
    async with db.read() as reader:
        group = await store.load_group(reader, noun, uid)
    if noun != PLATFORM:
        caller.require(noun, uid, uid)
    return group


async def list_groups(
    db: Database, caller: Caller, noun: str, names: Sequence[str], uids: Sequence[str], page: PageQuery
) -> Page[Group]:
    """The caller's groups of one kind by name; platforms are everybody's."""
    async with db.read() as reader:
        return await store.list_groups(reader, noun, names, uids, caller.visible(), page)


async def list_memberships(
    db: Database, caller: Caller, user_uid: str, group_uid: str, page: PageQuery
) -> Page[Membership]:
    """Memberships of a user (one's own) or of a group (for its members); another's read as none."""
    own = bool(user_uid) and user_uid == caller.user_uid
    member = bool(group_uid) and caller.has_role(group_uid, convert.LEAST_ROLE)
    if not (caller.unlimited or own or member):
        return Page([], "")
    async with db.read() as reader:
        return await store.list_memberships(reader, user_uid, group_uid, page)


async def get_principal(db: Database, ext_id: str) -> Principal:
    """The user with a token subject and the roles in force; NotFound when no living user has it."""
    async with db.read() as reader:
        user = await store.find_user(reader, ext_id)
        if user is None:
            raise NotFound.of(USER, "with this subject")
        roles = await store.find_roles(reader, user.uid)
    return Principal(user.uid, user.system_admin, {group: convert.ROLES[role] for group, role in roles.items()})
