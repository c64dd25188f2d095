"""Changes of memberships: the admins of a group make them, and never the last of them goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from services.identity import convert
from services.identity.domain.membership import Membership, Role, require_admin_left, require_future
from services.identity.domain.nouns import GROUP, MEMBERSHIP, fresh
from services.identity.store import memberships as store
from services.identity.store import users as user_store


async def grant_membership(
    db: Database,
    caller: Caller,
    clock: Clock,
    user_uid: str,
    group_uid: str,
    role: Role,
    starts_at: datetime | None,
    ends_at: datetime | None,
    reason: str,
) -> Membership:
    """Give a user a role in a group. MEMBERSHIP_EXISTS when the user has one there that has not ended."""
    caller.require(GROUP, group_uid, group_uid)
    now = clock()
    granted = Membership(
        **fresh(MEMBERSHIP, now),
        user_uid=user_uid,
        group_uid=group_uid,
        role=role,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    async with db.begin(caller) as tx:
        require_future(starts_at, ends_at, now)  # in here: a request that is replayed may have ended since
        ended = await store.find_membership(tx, user_uid, group_uid)
        if ended is not None and ended.ends_at is not None and ended.ends_at <= now:
            await save(tx, ended, ended.delete(now), now, "revoked", "it had ended")
        await store.insert_membership(tx, granted)
        await record(tx, "granted", None, granted, reason)
    return granted


async def change_membership_role(
    db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str, role: Role
) -> Membership:
    """Give a membership another role."""
    return await change(db, caller, clock, uid, etag, reason, "changed", lambda one: one.change_role(role))


async def revoke_membership(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Membership:
    """End a membership now; everybody may leave."""
    now = clock()
    return await change(db, caller, clock, uid, etag, reason, "revoked", lambda one: one.delete(now), may_leave=True)


async def change(
    db: Database,
    caller: Caller,
    clock: Clock,
    uid: str,
    etag: str,
    reason: str,
    verb: str,
    move: Callable[[Membership], Membership],
    may_leave: bool = False,
) -> Membership:
    """Make one move of one membership, unless it leaves the group without an admin."""
    now = clock()
    async with db.begin(caller) as tx:
        before = await store.load_membership(tx, uid)
        if not (may_leave and caller.is_self(before.user_uid)):
            caller.require(MEMBERSHIP, uid, before.group_uid)
        before.expect(MEMBERSHIP, etag)
        after = move(before)
        if after.same_as(before):
            return before
        await store.lock_groups(tx, [before.group_uid])
        if before.role is Role.ADMIN and before.counts(now):
            require_admin_left(await store.without_other_admin(tx, [before.group_uid], before.user_uid, now))
        return await save(tx, before, after, now, verb, reason)


async def save(tx: Tx, before: Membership, after: Membership, now: datetime, verb: str, reason: str) -> Membership:
    """Write a changed membership and say so."""
    saved = await store.save_membership(tx, before, after, now)
    await record(tx, verb, before, saved, reason)
    return saved


async def record(tx: Tx, verb: str, before: Membership | None, after: Membership, reason: str) -> None:
    """The ledger entry of a membership."""
    user = await user_store.load_user(tx, after.user_uid)
    await ledger.record(tx, convert.said_of_membership(verb, before, after, user.ext_id, reason))
