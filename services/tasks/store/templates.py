"""Templates in the database, always together with their items."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select, text, tuple_

from libs.common.db import Reader, Tx
from libs.common.errors import NotFound
from libs.common.pages import Page, PageQuery, cut
from libs.common.tables import among, as_rows, given, insert_one, living, mapping, save_one
from services.tasks.domain.template import TEMPLATE, Template, TemplateItem
from services.tasks.store.tables import template, template_item

TEMPLATES = select(*(template.c[f.name] for f in fields(Template) if f.name in template.c)).where(living(template))

ITEMS = {
    "position": "integer",
    "uid": "text",
    "title": "text",
    "type": "text",
    "required": "boolean",
    "needs_review": "boolean",
    "due_anchor": "text",
    "due_offset_minutes": "integer",
}

INSERT_ITEMS = text(
    f"""
    INSERT INTO tasks.template_item (template_uid, {", ".join(ITEMS)})
    SELECT :template_uid, {", ".join(ITEMS)} FROM {given(ITEMS)}
    """
)


async def insert_template(tx: Tx, new: Template) -> None:
    """Insert a template and its items; TEMPLATE_NAME_TAKEN when a living one of the studio has the name."""
    await insert_one(tx, template, new)
    if new.items:
        rows = ({"position": position, **asdict(item)} for position, item in enumerate(new.items, start=1))
        await tx.execute(INSERT_ITEMS, {"template_uid": new.uid, **as_rows(rows)})


async def save_template(tx: Tx, before: Template, after: Template, now: datetime) -> Template:
    """Write a changed template; its items never change."""
    return await save_one(tx, template, TEMPLATE, before, after, now)


async def load_template(reader: Reader, uid: str, lock: bool = False) -> Template:
    """A living template."""
    query = TEMPLATES.where(template.c.uid == uid)
    rows = (await reader.execute(query.with_for_update() if lock else query)).all()
    if not rows:
        raise NotFound.of(TEMPLATE, uid)
    return (await with_items(reader, rows))[0]


async def list_templates(reader: Reader, studio_uid: str, page: PageQuery) -> Page[Template]:
    """A studio's templates by name."""
    query = TEMPLATES.where(template.c.studio_uid == studio_uid)
    if page.after:
        query = query.where(tuple_(template.c.name, template.c.uid) > page.after)
    rows = await reader.execute(query.order_by(template.c.name, template.c.uid).limit(page.size + 1))
    return cut(await with_items(reader, rows.all()), page, "name", "uid")


async def active_templates(reader: Reader, studio_uids: Collection[str]) -> list[Template]:
    """All templates in use of these studios."""
    query = TEMPLATES.where(among(template.c.studio_uid, studio_uids), template.c.active)
    rows = await reader.execute(query.order_by(template.c.name, template.c.uid))
    return await with_items(reader, rows.all())


async def with_items(reader: Reader, rows: Sequence[Any]) -> list[Template]:
    """Templates from their rows: one more statement brings the items of all."""
    if not rows:
        return []
    query = select(template_item).where(among(template_item.c.template_uid, [row.uid for row in rows]))
    items = await reader.execute(query.order_by(template_item.c.template_uid, template_item.c.position))
    by_template = {uid: tuple(map(item_of, found)) for uid, found in groupby(items, lambda item: item.template_uid)}
    return [Template(**mapping(row), items=by_template.get(row.uid, ())) for row in rows]


def item_of(row: Any) -> TemplateItem:
    """An item from its row."""
    return TemplateItem(**{name: getattr(row, name) for name in ITEMS if name != "position"})
