"""What is known of production's shows. Whoever makes or changes a show's tasks holds the lock of its row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, text

from libs.common.db import Reader, Tx
from libs.common.tables import as_rows, given, mapping
from services.tasks.domain.show import KnownShow, ShowStatus
from services.tasks.store.tables import known_show

HEARD = {
    "uid": "text",
    "studio_uid": "text",
    "client_uid": "text",
    "name": "text",
    "type": "text",
    "standard": "text",
    "status": "text",
    "confirmation": "integer",
    "starts_at": "timestamptz",
    "ends_at": "timestamptz",
    "targets": "text[]",
    "version": "bigint",
}

# Sorted, so that two consumers lock in one order. The answer is what was news, with how far its tasks are made.
HEAR = text(
    f"""
    INSERT INTO tasks.known_show AS known ({", ".join(HEARD)}, generated, generated_targets)
    SELECT {", ".join(HEARD)}, 0, '{{}}' FROM {given(HEARD)} ORDER BY uid
    ON CONFLICT (uid) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in HEARD if name != "uid")}
    WHERE known.version < excluded.version
    RETURNING {", ".join(f"known.{name}" for name in HEARD)}, known.generated, known.generated_targets
    """
)

MARK_GENERATED = text(
    """
    UPDATE tasks.known_show SET generated = confirmation, generated_targets = targets WHERE uid = ANY(:uids)
    """
)


async def hear_shows(tx: Tx, shows: Sequence[KnownShow]) -> list[KnownShow]:
    """Keep what is newer than what was known; that part, locked, as it is stored."""
    rows = ({name: getattr(show, name) for name in HEARD} for show in shows)
    return [show_of(row) for row in await tx.keep(HEAR, as_rows(rows))]


async def mark_generated(tx: Tx, shows: Sequence[KnownShow]) -> None:
    """Remember that the tasks of the shows' confirmations and targets are made."""
    if shows:
        await tx.keep(MARK_GENERATED, {"uids": [show.uid for show in shows]})


async def find_show(reader: Reader, uid: str, lock: bool = False) -> KnownShow | None:
    """A show, or None when nothing was heard of it."""
    query = select(known_show).where(known_show.c.uid == uid)
    row = (await reader.execute(query.with_for_update() if lock else query)).one_or_none()
    return show_of(row) if row else None


def show_of(row: Any) -> KnownShow:
    """A show from its row."""
    values = mapping(row)
    lists = {name: tuple(values[name]) for name in ("targets", "generated_targets")}
    return KnownShow(**{**values, **lists, "status": ShowStatus(values["status"])})
