"""Memberships in the database: who has which role where, and when."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, func, or_, select, tuple_

from libs.common.db import Reader, Tx
from libs.common.errors import NotFound
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import among, insert_one, living, mapping, save_one
from services.identity.domain.access import Rights
from services.identity.domain.membership import Membership, Role
from services.identity.domain.nouns import GROUP, MEMBERSHIP, USER, noun_of
from services.identity.store.tables import KINDS, client, membership, platform, studio, user

# Memberships with the uids of their user and their group, both living.
MEMBERSHIPS = (
    select(
        user.c.uid.label("user_uid"),
        func.coalesce(client.c.uid, studio.c.uid, platform.c.uid).label("group_uid"),
        *(column for column in membership.c if not column.name.endswith("id") or column.name == "uid"),
    )
    .select_from(membership)
    .join(user, user.c.id == membership.c.user_id)
    .outerjoin(client, client.c.id == membership.c.client_id)
    .outerjoin(studio, studio.c.id == membership.c.studio_id)
    .outerjoin(platform, platform.c.id == membership.c.platform_id)
    .where(
        living(membership),
        living(user),
        func.coalesce(client.c.deleted_at, studio.c.deleted_at, platform.c.deleted_at).is_(None),
    )
)


def in_force(now: datetime, table: Any = membership) -> ColumnElement[bool]:
    """Begun and not ended."""
    return and_(
        or_(table.c.starts_at.is_(None), table.c.starts_at <= now),
        or_(table.c.ends_at.is_(None), table.c.ends_at > now),
    )


async def insert_membership(tx: Tx, new: Membership) -> None:
    """Insert a membership; NotFound when its user or its group is not among the living."""
    noun = noun_of(new.group_uid)
    user_id = await id_of(tx, user, USER, new.user_uid)
    group_id = await id_of(tx, KINDS[noun][0], GROUP, new.group_uid)
    await insert_one(tx, membership, new, user_id=user_id, **{f"{noun}_id": group_id})


async def save_membership(tx: Tx, before: Membership, after: Membership, now: datetime) -> Membership:
    """Write a changed membership; Stale when somebody was faster."""
    return await save_one(tx, membership, MEMBERSHIP, before, after, now)


async def id_of(tx: Tx, table: Table, noun: str, uid: str) -> int:
    """The internal key of a living row, locked so that it stays living until the transaction ends."""
    query = select(table.c.id).where(table.c.uid == uid, living(table)).with_for_update(read=True)
    found = (await tx.execute(query)).scalar_one_or_none()
    if found is None:
        raise NotFound.of(noun, uid)
    return int(found)


async def lock_groups(tx: Tx, group_uids: Collection[str]) -> None:
    """One change of admins at a time in each of these groups."""
    for table, _ in KINDS.values():  # three kinds, three tables
        wanted = [uid for uid in group_uids if KINDS[noun_of(uid)][0] is table]
        if wanted:
            await tx.execute(
                select(table.c.id).where(among(table.c.uid, wanted)).order_by(table.c.id).with_for_update()
            )


async def load_membership(reader: Reader, uid: str) -> Membership:
    """A living membership of a living user in a living group."""
    row = (await reader.execute(MEMBERSHIPS.where(membership.c.uid == uid))).one_or_none()
    if row is None:
        raise NotFound.of(MEMBERSHIP, uid)
    return Membership(**mapping(row))


async def find_membership(reader: Reader, user_uid: str, group_uid: str) -> Membership | None:
    """The living membership of a user in a group, whether it counts now or not."""
    query = MEMBERSHIPS.where(user.c.uid == user_uid, KINDS[noun_of(group_uid)][0].c.uid == group_uid)
    row = (await reader.execute(query)).one_or_none()
    return Membership(**mapping(row)) if row else None


async def is_in_any(reader: Reader, user_uid: str, group_uids: Collection[str]) -> bool:
    """Whether a user has a living membership in one of these groups, which live too."""
    query = MEMBERSHIPS.where(user.c.uid == user_uid, in_one_of(group_uids)).limit(1)
    return (await reader.execute(query)).first() is not None


async def find_groups(reader: Reader, user_uid: str) -> list[str]:
    """The groups in which a user has a living membership."""
    return sorted(row.group_uid for row in await reader.execute(MEMBERSHIPS.where(user.c.uid == user_uid)))


async def find_admin_groups(reader: Reader, user_uid: str, now: datetime) -> list[str]:
    """The groups in which a user is an admin now."""
    query = MEMBERSHIPS.where(user.c.uid == user_uid, membership.c.role == Role.ADMIN, in_force(now))
    return sorted(row.group_uid for row in await reader.execute(query))


async def without_other_admin(reader: Reader, group_uids: Collection[str], user_uid: str, now: datetime) -> list[str]:
    """Those of these groups in which nobody else is an admin now who can sign in."""
    others = MEMBERSHIPS.where(
        user.c.uid != user_uid, user.c.banned_at.is_(None), membership.c.role == Role.ADMIN, in_force(now)
    )
    led = {row.group_uid for row in await reader.execute(others.where(in_one_of(group_uids)))}
    return sorted(set(group_uids) - led)


def in_one_of(group_uids: Collection[str]) -> ColumnElement[bool]:
    """Whether a row of MEMBERSHIPS is in one of these groups."""
    return or_(*(among(table.c.uid, group_uids) for table, _ in KINDS.values()))


async def load_rights(reader: Reader, user_uids: Collection[str], now: datetime) -> dict[str, Rights]:
    """What living users may do now, by uid: two statements however many they are."""
    people = select(user.c.uid, user.c.system_admin, user.c.banned_at).where(among(user.c.uid, user_uids), living(user))
    users = (await reader.execute(people)).all()
    held: dict[str, dict[str, Role]] = {}
    turns: dict[str, list[datetime]] = {}
    for row in await reader.execute(MEMBERSHIPS.where(among(user.c.uid, user_uids))):
        turns.setdefault(row.user_uid, []).extend(at for at in (row.starts_at, row.ends_at) if at and at > now)
        if Membership(**mapping(row)).counts(now):
            held.setdefault(row.user_uid, {})[row.group_uid] = row.role
    return {
        row.uid: Rights(
            row.uid,
            row.system_admin,
            row.banned_at is not None,
            held.get(row.uid, {}),
            min(turns.get(row.uid, ()), default=None),
        )
        for row in users
    }


async def list_memberships(reader: Reader, user_uid: str, group_uid: str, page: PageQuery) -> Page[Membership]:
    """Living memberships of a user, of a group, or of both; oldest first."""
    query = MEMBERSHIPS.order_by(membership.c.created_at, membership.c.uid)
    if user_uid:
        query = query.where(user.c.uid == user_uid)
    if group_uid:
        query = query.where(KINDS[noun_of(group_uid)][0].c.uid == group_uid)
    if page.after:
        query = query.where(tuple_(membership.c.created_at, membership.c.uid) > page.after)
    rows = await reader.execute(query.limit(page.size + 1))
    found = [Membership(**mapping(row)) for row in rows]
    return cut(found, page, "created_at", "uid")
