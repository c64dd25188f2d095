"""The audit trail in the database, and what lives in each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from sqlalchemy import TextClause, select, text, tuple_

from libs.common.db import Reader, Tx
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import as_rows, given
from services.identity.domain.nouns import noun_of
from services.identity.domain.trail import Audit, AuditQuery, Dependant
from services.identity.store.tables import audit

TYPES = {
    "event_uid": "uuid",
    "occurred_at": "timestamptz",
    "entity_version": "bigint",
    "old_values": "jsonb",
    "new_values": "jsonb",
}


@cache
def insert_statement() -> TextClause:
    """Any number of changes in one statement; what is there already stays."""
    columns = {f.name: TYPES.get(f.name, "text") for f in fields(Audit)}
    names = ", ".join(columns)
    return text(f"INSERT INTO identity.audit ({names}) SELECT {names} FROM {given(columns)} ON CONFLICT DO NOTHING")


REMEMBER = text(
    f"""
    INSERT INTO identity.dependant (entity_uid, noun, version, groups)
    SELECT entity_uid, noun, version, groups FROM
        {given({"entity_uid": "text", "noun": "text", "version": "bigint", "groups": "jsonb"})}
    ORDER BY entity_uid
    ON CONFLICT (entity_uid) DO UPDATE SET version = excluded.version, groups = excluded.groups
        WHERE dependant.version < excluded.version
    """
)


async def insert_audits(tx: Tx, audits: Sequence[Audit]) -> None:
    """Add changes to the trail."""
    rows = [{f.name: getattr(one, f.name) for f in fields(Audit)} for one in audits]
    await tx.keep(insert_statement(), as_rows(rows))


async def remember(tx: Tx, dependants: Sequence[Dependant]) -> None:
    """Note in which groups entities live now; what is older than what is known changes nothing."""
    if dependants:
        rows = [
            {"entity_uid": one.entity_uid, "noun": one.noun, "version": one.version, "groups": sorted(one.groups)}
            for one in dependants
        ]
        await tx.keep(REMEMBER, as_rows(rows))


async def list_audits(reader: Reader, wanted: AuditQuery, page: PageQuery) -> Page[Audit]:
    """Changes, newest first. Each filter has an index in the order of the list, so that a page reads a page."""
    query = select(*(audit.c[f.name] for f in fields(Audit)))
    if wanted.group_uid:
        query = query.where(audit.c[f"{noun_of(wanted.group_uid)}_uid"] == wanted.group_uid)
    if wanted.entity_uid:
        query = query.where(audit.c.entity_uid == wanted.entity_uid)
    if wanted.actor.startswith("service:"):
        query = query.where(audit.c.actor == wanted.actor)
    elif wanted.actor:
        query = query.where(audit.c.person == wanted.actor)
    if wanted.action:
        query = query.where(audit.c.action == wanted.action)
    if wanted.since:
        query = query.where(audit.c.occurred_at >= wanted.since)
    if wanted.until:
        query = query.where(audit.c.occurred_at < wanted.until)
    key = tuple_(audit.c.occurred_at, audit.c.event_uid)
    if page.after:
        query = query.where(key < page.after)
    rows = await reader.execute(
        query.order_by(audit.c.occurred_at.desc(), audit.c.event_uid.desc()).limit(page.size + 1)
    )
    return cut([found(row) for row in rows], page, "occurred_at", "event_uid")


def found(row: Any) -> Audit:
    """A change as it stands in the trail."""
    return Audit(**row._mapping)
