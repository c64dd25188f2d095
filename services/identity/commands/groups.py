"""Changes of clients, studios and platforms: the same for all three."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database
from services.identity import convert
from services.identity.domain.group import Group, require_unused
from services.identity.domain.nouns import fresh
from services.identity.store import groups as store
from services.identity.store.tables import KINDS


async def create_group(db: Database, caller: Caller, clock: Clock, noun: str, given: Mapping[str, Any]) -> Group:
    """Make a group; `<NOUN>_NAME_TAKEN` when a living one has the name."""
    _, kind = KINDS[noun]
    group = kind(**fresh(noun, clock()), **given)
    async with db.begin(caller) as tx:
        await store.insert_group(tx, noun, group)
        await ledger.record(tx, convert.said_of_group("created", None, group))
    return group


async def update_group(
    db: Database, caller: Caller, clock: Clock, noun: str, uid: str, etag: str, reason: str, given: Mapping[str, Any]
) -> Group:
    """Change what a group is; those do whom its declaration names."""
    return await change(db, caller, clock, noun, uid, etag, reason, "updated", lambda group: group.but(given))


async def delete_group(
    db: Database, caller: Caller, clock: Clock, noun: str, uid: str, etag: str, reason: str
) -> Group:
    """Delete a group in which nothing lives any more."""
    async with db.read() as reader:
        dependants = await store.count_dependants(reader, uid)

    def delete(group: Group) -> Group:
        require_unused(noun, uid, dependants)
        return group.delete(clock())

    return await change(db, caller, clock, noun, uid, etag, reason, "deleted", delete)


async def undelete_group(
    db: Database, caller: Caller, clock: Clock, noun: str, uid: str, etag: str, reason: str
) -> Group:
    """Bring a deleted group back, memberships and all."""
    return await change(
        db, caller, clock, noun, uid, etag, reason, "undeleted", lambda group: group.undelete(noun), deleted=True
    )


async def change(
    db: Database,
    caller: Caller,
    clock: Clock,
    noun: str,
    uid: str,
    etag: str,
    reason: str,
    verb: str,
    move: Callable[[Group], Group],
    deleted: bool = False,
) -> Group:
    """Make one move of one group; a move that changes nothing writes nothing."""
    async with db.begin(caller) as tx:
        group = await store.load_group(tx, noun, uid, lock=True, deleted=deleted)
        caller.require(noun, uid, uid)
        group.expect(noun, etag)
        moved = move(group)
        if moved.same_as(group):
            return group
        saved = await store.save_group(tx, noun, group, moved, clock())
        await ledger.record(tx, convert.said_of_group(verb, group, saved, reason))
    return saved
