"""Users in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, exists, select, tuple_

from libs.common.db import Reader, Tx
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import columns_of, insert_one, living, load_one, mapping, part_of, save_one
from services.identity.domain.nouns import USER, noun_of
from services.identity.domain.user import User
from services.identity.store.tables import KINDS, membership, user


async def insert_user(tx: Tx, new: User) -> None:
    """Insert a user."""
    await insert_one(tx, user, new)


async def save_user(tx: Tx, before: User, after: User, now: datetime) -> User:
    """Write a changed user; Stale when somebody was faster."""
    return await save_one(tx, user, USER, before, after, now)


async def load_user(reader: Reader, uid: str, lock: bool = False, deleted: bool = False) -> User:
    """A living user, or one that may be deleted."""
    return await load_one(reader, user, User, USER, uid, lock, deleted)


async def find_user(reader: Reader, ext_id: str) -> User | None:
    """The living user with this token subject."""
    return await find(reader, user.c.ext_id == ext_id)


async def find_invited(tx: Tx, email: str) -> User | None:
    """The living user with this e-mail address who never signed in, locked."""
    return await find(tx, (user.c.email == email) & (user.c.ext_id == ""), lock=True)


async def find(reader: Reader, condition: ColumnElement[bool], lock: bool = False) -> User | None:
    """The one living user of whom this is true."""
    query = columns_of(user, User).where(condition, living(user))
    row = (await reader.execute(query.with_for_update() if lock else query)).one_or_none()
    return User(**mapping(row)) if row else None


async def list_users(
    reader: Reader,
    page: PageQuery,
    email: str,
    name_part: str,
    banned: bool | None,
    group_uid: str,
    show_deleted: bool,
) -> Page[User]:
    """Users, oldest first."""
    query = columns_of(user, User)
    if not show_deleted:
        query = query.where(living(user))
    if email:
        query = query.where(user.c.email == email)
    if name_part:
        query = query.where(part_of(user.c.name, name_part))
    if banned is not None:
        query = query.where(user.c.banned_at.is_not(None) if banned else user.c.banned_at.is_(None))
    if group_uid:
        query = query.where(is_member(group_uid))
    if page.after:
        query = query.where(tuple_(user.c.created_at, user.c.uid) > page.after)
    rows = await reader.execute(query.order_by(user.c.created_at, user.c.uid).limit(page.size + 1))
    return cut([User(**mapping(row)) for row in rows], page, "created_at", "uid")


def is_member(group_uid: str) -> ColumnElement[bool]:
    """Whether the user has a living membership in a group."""
    noun = noun_of(group_uid)
    table, _ = KINDS[noun]
    group_id = select(table.c.id).where(table.c.uid == group_uid).scalar_subquery()
    return exists().where(membership.c.user_id == user.c.id, membership.c[f"{noun}_id"] == group_id, living(membership))
