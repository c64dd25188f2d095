"""Identity's tables, and the only SQL of the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    func,
    select,
    tuple_,
)

from libs.common import uids
from libs.common.access import Visible
from libs.common.db import Reader, Refusals, Tx, tables
from libs.common.entities import Entity
from libs.common.errors import AlreadyExists, NotFound
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import (
    Word,
    among,
    columns_of,
    entity_table,
    insert_one,
    living,
    load_one,
    mapping,
    unique_while_living,
)
from services.identity.domain import (
    CLIENT,
    GROUP,
    PLATFORM,
    PREFIXES,
    STUDIO,
    USER,
    Client,
    Group,
    Membership,
    Platform,
    Role,
    Studio,
    TaskGate,
    User,
)

METADATA = tables("identity")

G = TypeVar("G", bound=Group)


user = entity_table(
    "user",
    METADATA,
    Column("ext_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("system_admin", Boolean, nullable=False),
)
unique_while_living("user_ext_id_key", user.c.ext_id)
unique_while_living("user_email_key", user.c.email)

client = entity_table(
    "client",
    METADATA,
    Column("name", Text, nullable=False),
    Column("contact_person", Text, nullable=False),
    Column("contact_email", Text, nullable=False),
)
studio = entity_table(
    "studio",
    METADATA,
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("operational_day_start", Text, nullable=False),
    Column("task_gate", Word(TaskGate), nullable=False),
)
platform = entity_table("platform", METADATA, Column("name", Text, nullable=False))
for group in (client, studio, platform):
    unique_while_living(f"{group.name}_name_key", group.c.name)

membership = entity_table(
    "membership",
    METADATA,
    Column("user_id", BigInteger, ForeignKey(user.c.id), nullable=False),
    Column("client_id", BigInteger, ForeignKey(client.c.id)),
    Column("studio_id", BigInteger, ForeignKey(studio.c.id)),
    Column("platform_id", BigInteger, ForeignKey(platform.c.id)),
    Column("role", Word(Role), nullable=False),
    CheckConstraint("num_nonnulls(client_id, studio_id, platform_id) = 1", name="one_group"),
)
for key in (membership.c.client_id, membership.c.studio_id, membership.c.platform_id):
    unique_while_living(f"membership_{key.name}_key", membership.c.user_id, key)
    Index(f"membership_{key.name}_idx", key)

GROUPS: dict[str, tuple[Table, type[Group]]] = {
    CLIENT: (client, Client),
    STUDIO: (studio, Studio),
    PLATFORM: (platform, Platform),
}

REFUSALS: Refusals = {
    "user_ext_id_key": lambda: AlreadyExists("EXT_ID_TAKEN", "a user with this ext_id is there already"),
    "user_email_key": lambda: AlreadyExists("EMAIL_TAKEN", "a user with this e-mail is there already"),
    **{
        f"{noun}_name_key": lambda noun=noun: AlreadyExists(  # type: ignore[misc]
            f"{noun.upper()}_NAME_TAKEN", f"a {noun} with this name is there already"
        )
        for noun in GROUPS
    },
    **{
        f"membership_{noun}_id_key": lambda: AlreadyExists(
            "MEMBERSHIP_EXISTS", "the user is a member of this group already"
        )
        for noun in GROUPS
    },
}


async def insert(tx: Tx, table: Table, entity: Entity) -> None:
    """Insert a user or a group."""
    await insert_one(tx, table, entity)


async def load_user(reader: Reader, uid: str) -> User:
    """A living user."""
    return await load_one(reader, user, User, USER, uid)


async def find_user(reader: Reader, ext_id: str) -> User | None:
    """The living user with this token subject."""
    row = (await reader.execute(columns_of(user, User).where(user.c.ext_id == ext_id, living(user)))).one_or_none()
    return User(**mapping(row)) if row else None


async def list_users(reader: Reader, email: str, page: PageQuery) -> Page[User]:
    """Living users, oldest first."""
    query = columns_of(user, User).where(living(user))
    if email:
        query = query.where(user.c.email == email)
    if page.after:
        query = query.where(tuple_(user.c.created_at, user.c.uid) > page.after)
    rows = await reader.execute(query.order_by(user.c.created_at, user.c.uid).limit(page.size + 1))
    return cut([User(**mapping(row)) for row in rows], page, "created_at", "uid")


async def load_group(reader: Reader, noun: str, uid: str) -> Group:
    """A living client, studio or platform."""
    table, kind = GROUPS[noun]
    return await load_one(reader, table, kind, noun, uid)


async def list_groups(
    reader: Reader, noun: str, names: Sequence[str], of_uids: Sequence[str], visible: Visible, page: PageQuery
) -> Page[Group]:
    """Living groups of one kind by name: those that are asked for and that the caller may see."""
    table, kind = GROUPS[noun]
    query = columns_of(table, kind).where(living(table))
    if names:
        query = query.where(among(table.c.name, names))
    if of_uids:
        query = query.where(among(table.c.uid, of_uids))
    if not visible.everything and noun != PLATFORM:
        query = query.where(among(table.c.uid, {CLIENT: visible.clients, STUDIO: visible.studios}[noun]))
    if page.after:
        query = query.where(tuple_(table.c.name, table.c.uid) > page.after)
    rows = await reader.execute(query.order_by(table.c.name, table.c.uid).limit(page.size + 1))
    return cut([kind(**mapping(row)) for row in rows], page, "name", "uid")


async def insert_membership(tx: Tx, new: Membership) -> None:
    """Insert a membership; NotFound when its user or its group is not among the living."""
    noun = noun_of(new.group_uid)
    table, _ = GROUPS[noun]
    user_id = await id_of(tx, user, USER, new.user_uid)
    group_id = await id_of(tx, table, GROUP, new.group_uid)
    await insert_one(tx, membership, new, user_id=user_id, **{f"{noun}_id": group_id})


async def id_of(reader: Reader, table: Table, noun: str, uid: str) -> int:
    """The internal key of a living row, locked so that it stays living until the transaction ends."""
    query = select(table.c.id).where(table.c.uid == uid, living(table)).with_for_update(read=True)
    found = (await reader.execute(query)).scalar_one_or_none()
    if found is None:
        raise NotFound.of(noun, uid)
    return int(found)


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


async def find_roles(reader: Reader, user_uid: str) -> dict[str, Role]:
    """A user's role in each group."""
    rows = await reader.execute(MEMBERSHIPS.where(user.c.uid == user_uid))
    return {row.group_uid: row.role for row in rows}


async def list_memberships(reader: Reader, user_uid: str, group_uid: str, page: PageQuery) -> Page[Membership]:
    """Living memberships of a user, of a group, or of both; oldest first."""
    query = MEMBERSHIPS.order_by(membership.c.created_at, membership.c.uid)
    if user_uid:
        query = query.where(user.c.uid == user_uid)
    if group_uid:
        query = query.where(GROUPS[noun_of(group_uid)][0].c.uid == group_uid)
    if page.after:
        query = query.where(tuple_(membership.c.created_at, membership.c.uid) > page.after)
    rows = await reader.execute(query.limit(page.size + 1))
    found = [Membership(**mapping(row)) for row in rows]
    return cut(found, page, "created_at", "uid")


def noun_of(group_uid: str) -> str:
    """`studio` for `studio_…`, `platform` for `plat_…`."""
    return next(noun for noun in GROUPS if PREFIXES[noun] == uids.prefix(group_uid))
