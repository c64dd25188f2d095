"""What is read from production: one function per read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from libs.common.access import Caller
from libs.common.db import Database
from libs.common.moves import Move
from libs.common.pages import Page, PageQuery
from services.production import store
from services.production.domain.gate import OPEN, Blocker
from services.production.domain.show import EXPLAINED, GATED, SHOW, Show, ShowStatus, blockers
from services.production.neighbours import Others


async def get_show(db: Database, caller: Caller, uid: str) -> Show:
    """A show."""
    async with db.read() as reader:
        show = await store.load_show(reader, uid)
    caller.require(SHOW, uid, show.studio_uid, show.client_uid)
    return show


async def list_shows(
    db: Database, caller: Caller, of: Mapping[str, str], statuses: Sequence[ShowStatus], page: PageQuery
) -> Page[Show]:
    """The shows that the caller may see, by start."""
    visible = caller.visible()
    async with db.read() as reader:
        return await store.list_shows(reader, of, statuses, visible, page)


async def explain_transition(
    db: Database, caller: Caller, others: Others, uid: str
) -> list[tuple[Move[ShowStatus], tuple[Blocker, ...]]]:
    """Each move of a show's life with what is in its way."""
    show = await get_show(db, caller, uid)
    gated = next((move for move in GATED if move.allowed(show.status)), None)
    gate = await others.gate(show, gated) if gated else OPEN
    return [(move, blockers(show, move, gate)) for move in EXPLAINED]
