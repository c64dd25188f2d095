"""Production's tables, and the only SQL of the service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Select,
    Table,
    TableValuedAlias,
    Text,
    UniqueConstraint,
    bindparam,
    column,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, insert

from libs.common.access import Visible
from libs.common.db import Reader, Refusals, Tx, tables
from libs.common.errors import FieldViolation, Invalid, NotFound, Stale
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import Time, Word, entity_table, living, mapping, rows_of
from services.production.domain.show import SHOW, Part, Show, ShowStatus

METADATA = tables("production")

show = entity_table(
    "show",
    METADATA,
    Column("studio_uid", Text, nullable=False),
    Column("client_uid", Text, nullable=False),
    Column("schedule_uid", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("room_uid", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("standard", Text, nullable=False),
    Column("starts_at", Time, nullable=False),
    Column("ends_at", Time, nullable=False),
    Column("status", Word(ShowStatus), nullable=False),
    Column("confirmation", Integer, nullable=False),
    Column("booking_version", BigInteger, nullable=False),
    Column("plan_version", BigInteger, nullable=False),
    Column("started_at", Time),
    Column("completed_at", Time),
    Column("cancel_reason", Text, nullable=False),
    Column("released_at", Time),
    CheckConstraint("starts_at < ends_at", name="time"),
)
for of in (show.c.studio_uid, show.c.client_uid, show.c.schedule_uid):
    Index(f"show_{of.name}_idx", of, show.c.starts_at, show.c.uid, postgresql_where=living(show))


def part_table(name: str, of_uid: str) -> Table:
    """A table of what a show has several of. One row for each pair for ever: what comes back has its old uid."""
    return entity_table(
        name,
        METADATA,
        Column("show_id", BigInteger, ForeignKey(show.c.id), nullable=False),
        Column(of_uid, Text, nullable=False),
        UniqueConstraint("show_id", of_uid),
    )


show_mc = part_table("show_mc", "mc_uid")
show_platform = part_table("show_platform", "platform_uid")

REFUSALS: Refusals = {
    "show_time_check": lambda: Invalid(
        "END_BEFORE_START",
        "ends_at must be after starts_at",
        [FieldViolation("ends_at", "ends_at must be after starts_at")],
    ),
}

COLUMNS = [show.c[f.name] for f in fields(Show) if f.name in show.c]


def parts_of(table: Table, of: Column[Any], with_gone: bool) -> Any:
    """The parts of a show as one JSON value beside its columns, so that a page of shows is one statement."""
    row = func.jsonb_build_array(table.c.uid, of, table.c.deleted_at)
    found = select(func.jsonb_agg(aggregate_order_by(row, table.c.uid))).where(table.c.show_id == show.c.id)
    return (found if with_gone else found.where(living(table))).scalar_subquery()


def shows(with_gone: bool = False) -> Select[Any]:
    """Shows with their MCs and platforms: those that they have, or those that left too."""
    return select(
        *COLUMNS,
        parts_of(show_mc, show_mc.c.mc_uid, with_gone).label("mcs"),
        parts_of(show_platform, show_platform.c.platform_uid, with_gone).label("platforms"),
    )


SHOWS = shows()
ONE = SHOWS.where(show.c.uid == bindparam("uid"), living(show))
UIDS = bindparam("uids", type_=ARRAY(Text))
LOCK = select(show.c.id).where(show.c.uid == func.any(UIDS)).order_by(show.c.uid).with_for_update()
LOCKED = shows(with_gone=True).where(show.c.uid == func.any(UIDS))


async def load_show(reader: Reader, uid: str) -> Show:
    """A living show."""
    row = (await reader.execute(ONE, {"uid": uid})).one_or_none()
    if row is None:
        raise NotFound.of(SHOW, uid)
    return show_of(row)


async def lock_show(tx: Tx, uid: str) -> Show:
    """A living show, locked for a change."""
    found = (await lock_shows(tx, [uid])).get(uid)
    if found is None or found.deleted_at is not None:
        raise NotFound.of(SHOW, uid)
    return found


async def lock_shows(tx: Tx, uids: Iterable[str]) -> dict[str, Show]:
    """Those of these shows that are there, also deleted ones, locked for a change.

    Locked first and read after, because a statement that waited for a lock still sees the old parts.
    """
    given = {"uids": sorted(set(uids))}
    await tx.execute(LOCK, given)
    return {row.uid: show_of(row) for row in await tx.execute(LOCKED, given)}


async def list_shows(
    reader: Reader,
    of: Mapping[str, str],
    statuses: Sequence[ShowStatus],
    visible: Visible,
    page: PageQuery,
) -> Page[Show]:
    """Living shows by start: those that are asked for (`of` has uids by column) and that the caller may see."""
    query = SHOWS.where(living(show), *(show.c[name] == uid for name, uid in of.items() if uid))
    if statuses:
        query = query.where(show.c.status.in_(statuses))
    if not visible.everything:
        query = query.where(
            or_(show.c.studio_uid.in_(visible.studios), show.c.client_uid.in_(visible.clients)),
        )
    if page.after:
        query = query.where(tuple_(show.c.starts_at, show.c.uid) > page.after)
    rows = await reader.execute(query.order_by(show.c.starts_at, show.c.uid).limit(page.size + 1))
    return cut([show_of(row) for row in rows], page, "starts_at", "uid")


def show_of(row: Any) -> Show:
    """A row as a show."""
    values = dict(mapping(row))
    values["mcs"] = read_parts(values["mcs"])
    values["platforms"] = read_parts(values["platforms"])
    return Show(**values)


def read_parts(values: list[tuple[str, str, str | None]] | None) -> tuple[Part, ...]:
    """The JSON of `parts_of` as parts."""
    return tuple(
        Part(uid, of_uid, datetime.fromisoformat(deleted_at) if deleted_at else None)
        for uid, of_uid, deleted_at in values or ()
    )


def given(columns: Iterable[Column[Any]]) -> TableValuedAlias:
    """Rows that a statement is given, one array for each column: one statement for any number of rows."""
    named = list(columns)
    arrays = (bindparam(f"{c.name}s", type_=ARRAY(c.type, dimensions=1)) for c in named)
    return func.unnest(*arrays).table_valued(*(column(c.name, c.type) for c in named), name="given").render_derived()


def arrays(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The parameters for `given`."""
    return {f"{name}s": values for name, values in rows_of(names, rows).items()}


NAMES = [c.name for c in COLUMNS]
SEEN = Column("seen", BigInteger)  # the version that was read: a change over another one is refused
NEW = given(COLUMNS)
CHANGED = given([*COLUMNS, SEEN])
TOLD = given([show.c.uid, show.c.booking_version, show.c.plan_version])
PART_NAMES = ("uid", "show_uid", "of_uid", "deleted_at", "at")
PARTS = given(
    [show_mc.c.uid, Column("show_uid", Text), Column("of_uid", Text), show_mc.c.deleted_at, Column("at", Time)]
)

INSERT = (
    insert(show)
    .from_select(NAMES, select(*NEW.c))
    .on_conflict_do_nothing(index_elements=["uid"])
    .execution_options(preserve_rowcount=True)
)
UPDATE = (
    update(show)
    .values({name: CHANGED.c[name] for name in NAMES if name not in ("uid", "created_at")})
    .where(show.c.uid == CHANGED.c.uid, show.c.version == CHANGED.c.seen)
)
NOTE = (
    update(show)
    .values(booking_version=TOLD.c.booking_version, plan_version=TOLD.c.plan_version)
    .where(show.c.uid == TOLD.c.uid)
)


def upsert_parts(table: Table, of: Column[Any]) -> Any:
    """Put parts on shows, take them off, or put them on again."""
    new = insert(table).from_select(
        ["uid", "show_id", of.name, "metadata", "created_at", "updated_at", "deleted_at", "version"],
        select(
            PARTS.c.uid,
            show.c.id,
            PARTS.c.of_uid,
            func.jsonb_build_object(),
            PARTS.c.at,
            PARTS.c.at,
            PARTS.c.deleted_at,
            1,
        ).join_from(PARTS, show, show.c.uid == PARTS.c.show_uid),
    )
    return new.on_conflict_do_update(
        index_elements=["show_id", of.name],
        set_={
            "deleted_at": new.excluded.deleted_at,
            "updated_at": new.excluded.updated_at,
            "version": table.c.version + 1,
        },
    )


UPSERT_MCS = upsert_parts(show_mc, show_mc.c.mc_uid)
UPSERT_PLATFORMS = upsert_parts(show_platform, show_platform.c.platform_uid)


async def save_shows(tx: Tx, changes: Sequence[tuple[Show | None, Show]]) -> None:
    """Write shows over the versions that were read (None: new ones), in a few statements however many they are.

    Stale when one of them is no longer as it was read.
    """
    ordered = sorted(changes, key=lambda change: change[1].uid)
    new = [row_of(after) for before, after in ordered if before is None]
    changed = [row_of(after, before) for before, after in ordered if before is not None]
    if new and (await tx.execute(INSERT, arrays(NAMES, new))).rowcount < len(new):
        raise Stale("STALE", "one of the shows was made meanwhile: read it again")
    if changed and (await tx.execute(UPDATE, arrays([*NAMES, "seen"], changed))).rowcount < len(changed):
        raise Stale("STALE", "one of the shows was changed meanwhile: read it again")
    mcs = [row for before, after in ordered for row in part_rows(before.mcs if before else (), after.mcs, after)]
    platforms = [
        row
        for before, after in ordered
        for row in part_rows(before.platforms if before else (), after.platforms, after)
    ]
    if mcs:
        await tx.execute(UPSERT_MCS, arrays(PART_NAMES, mcs))
    if platforms:
        await tx.execute(UPSERT_PLATFORMS, arrays(PART_NAMES, platforms))


async def note_told(tx: Tx, told: Sequence[Show]) -> None:
    """Remember what scheduling told these shows although it changed nothing: no change, so no ledger row."""
    if told:
        rows = [row_of(one) for one in sorted(told, key=lambda one: one.uid)]
        await tx.keep(NOTE, arrays(["uid", "booking_version", "plan_version"], rows))


def row_of(after: Show, before: Show | None = None) -> dict[str, Any]:
    """A show as a row, with the version that it was read at."""
    return {name: getattr(after, name) for name in NAMES} | {"seen": before.version if before else 0}


def part_rows(before: tuple[Part, ...], after: tuple[Part, ...], of: Show) -> list[dict[str, Any]]:
    """The parts that differ, as rows."""
    return [
        {
            "uid": part.uid,
            "show_uid": of.uid,
            "of_uid": part.of_uid,
            "deleted_at": part.deleted_at,
            "at": of.updated_at,
        }
        for part in after
        if part not in before
    ]
