"""Tables of entities: the columns that all have, and the three statements that all need."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Identity,
    Index,
    MetaData,
    Select,
    Table,
    Text,
    TypeDecorator,
    any_,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

from libs.common.db import Reader, Tx
from libs.common.entities import Entity, differ
from libs.common.errors import NotFound, Stale

E = TypeVar("E", bound=Entity)

Time = DateTime(timezone=True)


class Word(TypeDecorator[Any]):
    """A text column whose values are a StrEnum's: PostgreSQL keeps the word, the domain sees the enum."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """To the database."""
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """From the database."""
        return None if value is None else self.kind(value)


def entity_table(name: str, metadata: MetaData, *items: SchemaItem, key: Column[Any] | None = None) -> Table:
    """A table of one kind of entity: its own columns between those that all have; `key` instead of a key of its own."""
    return Table(
        name,
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True) if key is None else key,
        Column("uid", Text, nullable=False, unique=True),
        *items,
        Column("metadata", JSONB, nullable=False),
        Column("created_at", Time, nullable=False),
        Column("updated_at", Time, nullable=False),
        Column("deleted_at", Time),
        Column("version", BigInteger, nullable=False),
    )


def unique_while_living(name: str, *columns: Column[Any]) -> Index:
    """Unique among rows that are not deleted, so that a name is free again after a deletion."""
    return Index(name, *columns, unique=True, postgresql_where=columns[0].table.c.deleted_at.is_(None))


def living(table: Table) -> ColumnElement[bool]:
    """Not deleted."""
    return table.c.deleted_at.is_(None)


def columns_of(table: Table, kind: type[Entity]) -> Select[Any]:
    """A query for the columns that an entity is made of."""
    return select(*(table.c[f.name] for f in fields(kind)))


def among(column: Column[Any], values: Iterable[str]) -> ColumnElement[bool]:
    """Whether a text column has one of many values: one parameter however many they are."""
    return column == any_(literal(sorted(values), ARRAY(Text)))


def rows_of(names: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as one list per column, for `INSERT … SELECT … FROM unnest(…)`: one statement however many they are."""
    return {name: [row[name] for row in rows] for name in names}


def given(columns: Mapping[str, str]) -> str:
    """A set of rows in SQL, as `given`, from one JSON parameter `:rows` (see `as_rows`); names and types of columns."""
    return f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS given ({', '.join(f'{n} {t}' for n, t in columns.items())})"


def as_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The parameter of `given`: one statement however many rows there are."""
    return {"rows": json.dumps(list(rows), default=datetime.isoformat)}


def values_of(table: Table, entity: Entity) -> dict[str, Any]:
    """The entity's fields that are columns of the table."""
    return {f.name: getattr(entity, f.name) for f in fields(entity) if f.name in table.c}


def part_of(column: Column[Any], text: str) -> ColumnElement[bool]:
    """Whether a text column has this in it, in whatever case; nothing in the text is a wildcard."""
    return column.icontains(text, autoescape=True)


async def insert_one(tx: Tx, table: Table, entity: Entity, **more: Any) -> None:
    """Insert an entity; `more` are columns that the domain does not know (internal keys)."""
    await tx.execute(insert(table).values(**values_of(table, entity), **more))


async def save_one(tx: Tx, table: Table, noun: str, before: E, after: E, now: datetime, **more: Any) -> E:
    """Write a changed entity over the version that was read; Stale when it is no longer there.

    The answer is the entity as stored: one version up.
    """
    saved = replace(after, version=before.version + 1, updated_at=now)
    differing = {
        name: value
        for name, value in values_of(table, saved).items()
        if name not in {"uid", "created_at"} and differ(value, getattr(before, name))
    }
    guarded = update(table).where(table.c.uid == before.uid, table.c.version == before.version)
    if (await tx.execute(guarded.values(**differing, **more))).rowcount == 0:
        raise Stale.of(noun, before.uid)
    return saved


async def load_one(
    reader: Reader, table: Table, kind: type[E], noun: str, uid: str, lock: bool = False, deleted: bool = False
) -> E:
    """An entity by uid, a living one or also a deleted one, locked for a change if wanted; NotFound without."""
    query = columns_of(table, kind).where(table.c.uid == uid)
    if not deleted:
        query = query.where(living(table))
    row = (await reader.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise NotFound.of(noun, uid)
    return kind(**mapping(row))


def mapping(row: Any) -> Mapping[str, Any]:
    """A row by column names."""
    return dict(row._mapping)
