"""Clients, studios and platforms in the database, and what still lives in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, delete, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import JSONB, insert

from libs.common.access import Visible
from libs.common.db import Reader, Tx
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import among, columns_of, insert_one, living, load_one, mapping, part_of, save_one
from services.identity.domain.group import Group, Platform
from services.identity.domain.nouns import CLIENT, PLATFORM, STUDIO
from services.identity.keyring import Sealed
from services.identity.store.tables import KINDS, api_config, dependant, platform


async def insert_group(tx: Tx, noun: str, new: Group) -> None:
    """Insert a group."""
    await insert_one(tx, KINDS[noun][0], new)


async def save_group(tx: Tx, noun: str, before: Group, after: Group, now: datetime) -> Group:
    """Write a changed group; Stale when somebody was faster."""
    return await save_one(tx, KINDS[noun][0], noun, before, after, now)


async def load_group(reader: Reader, noun: str, uid: str, lock: bool = False, deleted: bool = False) -> Group:
    """A living group, or one that may be deleted."""
    table, kind = KINDS[noun]
    return await load_one(reader, table, kind, noun, uid, lock, deleted)


async def list_groups(
    reader: Reader,
    noun: str,
    visible: Visible,
    page: PageQuery,
    names: Sequence[str],
    of_uids: Sequence[str],
    name_part: str,
    show_deleted: bool,
) -> Page[Group]:
    """Groups of one kind by name: those that are asked for and that the caller may see."""
    table, kind = KINDS[noun]
    query = columns_of(table, kind)
    if not show_deleted:
        query = query.where(living(table))
    if names:
        query = query.where(among(table.c.name, names))
    if of_uids:
        query = query.where(among(table.c.uid, of_uids))
    if name_part:
        query = query.where(part_of(table.c.name, name_part))
    if not visible.everything and noun != PLATFORM:
        query = query.where(among(table.c.uid, {CLIENT: visible.clients, STUDIO: visible.studios}[noun]))
    if page.after:
        query = query.where(tuple_(table.c.name, table.c.uid) > page.after)
    rows = await reader.execute(query.order_by(table.c.name, table.c.uid).limit(page.size + 1))
    return cut([kind(**mapping(row)) for row in rows], page, "name", "uid")


async def load_groups(reader: Reader, noun: str, of_uids: Sequence[str]) -> dict[str, Group]:
    """Those of these groups that live, by uid."""
    table, kind = KINDS[noun]
    rows = await reader.execute(columns_of(table, kind).where(among(table.c.uid, of_uids), living(table)))
    return {row.uid: kind(**mapping(row)) for row in rows}


async def count_dependants(reader: Reader, group_uid: str) -> dict[str, int]:
    """How many of each noun live in a group."""
    lives = dependant.c.groups.contains(literal([group_uid], JSONB))
    counted = select(dependant.c.noun, func.count().label("total")).where(lives).group_by(dependant.c.noun)
    return {row.noun: row.total for row in await reader.execute(counted)}


async def keep_api_config(tx: Tx, uid: str, sealed: Sealed) -> None:
    """Keep the sealed secrets of a platform in the place of those that were there."""
    row = {"key_id": sealed.key_id, "wrapped_key": sealed.wrapped_key, "ciphertext": sealed.ciphertext}
    query = insert(api_config).from_select(
        ["platform_id", *row], select(platform.c.id, *(literal(value) for value in row.values())).where(of(uid))
    )
    await tx.execute(query.on_conflict_do_update(index_elements=["platform_id"], set_=row))


async def drop_api_config(tx: Tx, uid: str) -> None:
    """Forget the secrets of a platform."""
    await tx.execute(delete(api_config).where(api_config.c.platform_id == platform_id(uid)))


async def load_api_config(reader: Reader, uid: str) -> Sealed | None:
    """The sealed secrets of a platform, when it has some."""
    query = select(api_config.c.key_id, api_config.c.wrapped_key, api_config.c.ciphertext)
    row = (await reader.execute(query.where(api_config.c.platform_id == platform_id(uid)))).one_or_none()
    return Sealed(row.key_id, bytes(row.wrapped_key), bytes(row.ciphertext)) if row else None


async def lock_sealed_with_others(tx: Tx, key_id: str, limit: int) -> list[tuple[Platform, Sealed]]:
    """Platforms whose secrets are not under this key, deleted ones too, and their secrets; locked, some at a time."""
    query = (
        columns_of(platform, Platform)
        .add_columns(api_config.c.key_id, api_config.c.wrapped_key, api_config.c.ciphertext)
        .join(api_config, api_config.c.platform_id == platform.c.id)
        .where(api_config.c.key_id != key_id)
        .order_by(platform.c.id)
        .limit(limit)
        .with_for_update()
    )
    found = []
    for row in await tx.execute(query):
        values = dict(mapping(row))
        sealed = Sealed(values.pop("key_id"), bytes(values.pop("wrapped_key")), bytes(values.pop("ciphertext")))
        found.append((Platform(**values), sealed))
    return found


async def rewrap(tx: Tx, rewrapped: Sequence[tuple[Platform, Sealed]]) -> None:
    """Write other wrappings of the same keys, and the versions of their platforms."""
    statement = text(
        "WITH given AS (SELECT * FROM unnest("
        "CAST(:uids AS text[]), CAST(:key_ids AS text[]), CAST(:keys AS bytea[])) AS g (uid, key_id, wrapped_key)),"
        " platforms AS (UPDATE identity.platform SET version = version + 1 FROM given WHERE platform.uid = given.uid"
        " RETURNING platform.id, given.key_id, given.wrapped_key)"
        " UPDATE identity.api_config SET key_id = platforms.key_id, wrapped_key = platforms.wrapped_key"
        " FROM platforms WHERE api_config.platform_id = platforms.id"
    )
    await tx.execute(
        statement,
        {
            "uids": [one.uid for one, _ in rewrapped],
            "key_ids": [sealed.key_id for _, sealed in rewrapped],
            "keys": [sealed.wrapped_key for _, sealed in rewrapped],
        },
    )


def of(uid: str) -> ColumnElement[bool]:
    """The living platform with this uid."""
    return (platform.c.uid == uid) & living(platform)


def platform_id(uid: str) -> ScalarSelect[int]:
    """The key of the living platform with this uid."""
    return select(platform.c.id).where(of(uid)).scalar_subquery()
