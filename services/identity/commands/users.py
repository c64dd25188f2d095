"""Changes of users."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.errors import AlreadyExists, Denied, NotFound
from services.identity import convert
from services.identity.domain.membership import require_admin_left
from services.identity.domain.nouns import USER, fresh
from services.identity.domain.user import User, address, require_another
from services.identity.store import memberships as membership_store
from services.identity.store import users as store


async def create_user(db: Database, caller: Caller, clock: Clock, given: Mapping[str, Any]) -> User:
    """Make a user; EMAIL_TAKEN or EXT_ID_TAKEN when a living one has it."""
    user = User(**fresh(USER, clock()), **{**given, "email": address(given["email"])})
    async with db.begin(caller) as tx:
        await store.insert_user(tx, user)
        await ledger.record(tx, convert.said_of_user("created", None, user))
    return user


async def ensure_admin(db: Database, clock: Clock, ext_id: str) -> None:
    """Make the configured system admin unless there is one: how a new house gets its first user."""
    if await is_known(db, ext_id):
        return
    given = {"ext_id": ext_id, "email": ext_id, "name": "System admin", "system_admin": True}
    try:
        await create_user(db, Caller.system("identity"), clock, given)
    except AlreadyExists:
        if not await is_known(db, ext_id):  # else another replica that starts now made it
            raise


async def is_known(db: Database, ext_id: str) -> bool:
    """Whether a living user has this subject."""
    async with db.read() as reader:
        return await store.find_user(reader, ext_id) is not None


async def update_user(
    db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str, given: Mapping[str, Any]
) -> User:
    """Change a user: oneself, or anybody as a system admin; the e-mail address, which signs in, only as one."""
    if not (caller.unlimited or caller.is_self(uid)):
        raise NotFound.of(USER, uid)
    if "email" in given and not caller.unlimited:
        raise Denied("SYSTEM_ADMINS_ONLY", "only system admins change e-mail addresses")
    values = {**given, "email": address(given["email"])} if "email" in given else given
    async with db.begin(caller) as tx:
        return await change(tx, clock, uid, etag, reason, "updated", lambda user: user.but(values))


async def delete_user(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> User:
    """Delete a user; LAST_ADMIN when a group would have no admin left."""
    require_another(caller.user_uid, uid)
    now = clock()
    async with db.begin(caller) as tx:
        await store.load_user(tx, uid, lock=True)  # so that nobody grants a role meanwhile
        await membership_store.lock_groups(tx, await membership_store.find_groups(tx, uid))
        groups = await membership_store.find_admin_groups(tx, uid, now)
        require_admin_left(await membership_store.without_other_admin(tx, groups, uid, now))
        return await change(tx, clock, uid, etag, reason, "deleted", lambda user: user.delete(now))


async def undelete_user(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> User:
    """Bring a deleted user back, memberships and all."""
    async with db.begin(caller) as tx:
        return await change(tx, clock, uid, etag, reason, "undeleted", lambda user: user.undelete(USER), deleted=True)


async def ban_user(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> User:
    """Refuse a user everywhere from now on."""
    require_another(caller.user_uid, uid)
    async with db.begin(caller) as tx:
        return await change(tx, clock, uid, etag, reason, "banned", lambda user: user.ban(reason, clock()))


async def unban_user(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> User:
    """Admit a banned user again."""
    async with db.begin(caller) as tx:
        return await change(tx, clock, uid, etag, reason, "unbanned", User.unban)


async def link_user(db: Database, clock: Clock, ext_id: str, email: str) -> User | None:
    """First sign-in of somebody who was made by e-mail address: keep the token's subject; None when nobody waits.

    The caller vouches for the address: the issuer verified it.
    """
    caller = Caller.system("identity")
    async with db.begin(caller) as tx:
        user = await store.find_invited(tx, address(email))
        if user is None:
            return None
        return await change(tx, clock, user.uid, "", "first sign-in", "linked", lambda one: one.link(ext_id))


async def change(
    tx: Tx,
    clock: Clock,
    uid: str,
    etag: str,
    reason: str,
    verb: str,
    move: Callable[[User], User],
    deleted: bool = False,
) -> User:
    """Make one move of one user; a move that changes nothing writes nothing."""
    user = await store.load_user(tx, uid, lock=True, deleted=deleted)
    user.expect(USER, etag)
    moved = move(user)
    if moved.same_as(user):
        return user
    saved = await store.save_user(tx, user, moved, clock())
    await ledger.record(tx, convert.said_of_user(verb, user, saved, reason))
    return saved
