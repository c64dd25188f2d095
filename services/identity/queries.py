"""What is read from identity: one function per read."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.errors import Denied, NotFound
from libs.common.pages import Page, PageQuery
from libs.common.tokens import Claims
from services.identity import convert
from services.identity.commands import users as commands
from services.identity.domain.access import Question, Reason, Rights, answer
from services.identity.domain.group import Group
from services.identity.domain.membership import Membership
from services.identity.domain.nouns import GROUP, PLATFORM, USER
from services.identity.domain.trail import Audit, AuditQuery
from services.identity.domain.user import User, address
from services.identity.store import groups, memberships, trail, users


async def get_user(db: Database, caller: Caller, uid: str) -> User:
    """A user: oneself, those who share a group with oneself, or anybody for system admins and services."""
    mine = caller.visible()
    groups_of_mine = (*mine.clients, *mine.studios, *mine.platforms)
    async with db.read() as reader:
        user = await users.load_user(reader, uid)
        if mine.everything or caller.is_self(uid) or await memberships.is_in_any(reader, uid, groups_of_mine):
            return user
    raise NotFound.of(USER, uid)


async def list_users(
    db: Database,
    caller: Caller,
    page: PageQuery,
    email: str,
    name_part: str,
    banned: bool | None,
    group_uid: str,
    show_deleted: bool,
) -> Page[User]:
    """Users, oldest first: all of them for system admins, those of a group for its members."""
    require_group(caller, group_uid)
    async with db.read() as reader:
        return await users.list_users(
            reader, page, address(email), name_part, banned, group_uid, show_deleted and caller.unlimited
        )


async def get_group(db: Database, caller: Caller, noun: str, uid: str) -> Group:
    """A client or studio of the caller's, or any platform."""
    async with db.read() as reader:
        group = await groups.load_group(reader, noun, uid)
    if noun != PLATFORM:
        caller.require(noun, uid, uid)
    return group


async def batch_get_groups(
    db: Database, caller: Caller, noun: str, uids: Sequence[str]
) -> tuple[list[Group], list[str]]:
    """Groups in the order of the uids, and the uids of those that are not there or not for the caller to see."""
    async with db.read() as reader:
        found = await groups.load_groups(reader, noun, uids)
    seen = {uid: group for uid, group in found.items() if noun == PLATFORM or caller.sees(uid)}
    return [seen[uid] for uid in uids if uid in seen], [uid for uid in uids if uid not in seen]


async def list_groups(
    db: Database,
    caller: Caller,
    noun: str,
    page: PageQuery,
    names: Sequence[str],
    uids: Sequence[str],
    name_part: str,
    show_deleted: bool,
) -> Page[Group]:
    """The caller's groups of one kind by name; platforms are everybody's, deleted ones nobody's but system admins'."""
    async with db.read() as reader:
        return await groups.list_groups(
            reader, noun, caller.visible(), page, names, uids, name_part, show_deleted and caller.unlimited
        )


async def list_memberships(
    db: Database, caller: Caller, user_uid: str, group_uid: str, page: PageQuery
) -> Page[Membership]:
    """Memberships of a user (one's own) or of a group (for its members); another's read as none."""
    own = bool(user_uid) and user_uid == caller.user_uid
    member = bool(group_uid) and caller.has_role(group_uid, convert.LEAST_ROLE)
    if not (caller.unlimited or own or member):
        return Page([], "")
    async with db.read() as reader:
        return await memberships.list_memberships(reader, user_uid, group_uid, page)


async def get_principal(db: Database, clock: Clock, claims: Claims) -> Rights:
    """The rights in force of the user that a verified token speaks for; NotFound when no living user is meant.

    A token of somebody who was invited by e-mail address links its subject, if the issuer verified the address.
    """
    async with db.read() as reader:
        user = await users.find_user(reader, claims.subject)
    if user is None and claims.email and claims.email_verified:
        user = await commands.link_user(db, clock, claims.subject, claims.email)
    if user is None:
        raise NotFound.of(USER, "with this subject")
    async with db.read() as reader:
        rights = await memberships.load_rights(reader, [user.uid], clock())
    if user.uid not in rights:
        raise NotFound.of(USER, "with this subject")
    return rights[user.uid]


async def check_access(db: Database, caller: Caller, clock: Clock, questions: Sequence[Question]) -> list[Reason]:
    """Why each is allowed or not; all their people are read at once."""
    about = {question.user_uid for question in questions if question.user_uid}
    if not caller.unlimited and about != {caller.user_uid}:
        raise Denied("SELF_ONLY", "you may ask about yourself only")
    async with db.read() as reader:
        rights = await memberships.load_rights(reader, about, clock())
    return [answer(question, rights.get(question.user_uid)) for question in questions]


async def list_audits(db: Database, caller: Caller, wanted: AuditQuery, page: PageQuery) -> Page[Audit]:
    """Changes, newest first: all for system admins, those in a group for its managers."""
    require_group(caller, wanted.group_uid)
    async with db.read() as reader:
        return await trail.list_audits(reader, wanted, page)


def require_group(caller: Caller, group_uid: str) -> None:
    """Those who may not see everything name a group in which they may."""
    if group_uid:
        caller.require(GROUP, group_uid, group_uid)
    elif not caller.visible().everything:
        raise Denied("GROUP_NEEDED", "name a group: only system admins see all")
