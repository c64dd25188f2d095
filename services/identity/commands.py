"""What changes in identity: one function per change, the only place that opens a writing transaction."""

from __future__ import annotations

from typing import Any

from eridu.identity.v1 import events_pb2

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.errors import AlreadyExists
from libs.common.ledger import entry
from services.identity import convert, store
from services.identity.domain import (
    CLIENT,
    GROUP,
    MEMBERSHIP,
    PLATFORM,
    STUDIO,
    USER,
    Client,
    Membership,
    Platform,
    Role,
    Studio,
    User,
    fresh,
    known_time_zone,
)


async def create_user(db: Database, caller: Caller, clock: Clock, **given: Any) -> User:
    """Make a user; EMAIL_TAKEN or EXT_ID_TAKEN when a living one has it."""
    user = User(**fresh(USER, clock()), **given)
    async with db.begin(caller) as tx:
        await store.insert(tx, store.user, user)
        event = events_pb2.UserCreated(user=convert.user(user))
        await ledger.record(tx, entry("identity.user.created", event, None, user))
    return user


async def ensure_admin(db: Database, clock: Clock, ext_id: str) -> None:
    """Make the configured system admin unless there is one: how a new house gets its first user."""
    async with db.read() as reader:
        found = await store.find_user(reader, ext_id)
    if found is not None:
        return
    try:
        await create_user(
            db,
            Caller.system("identity"),
            clock,
            ext_id=ext_id,
            email=ext_id,
            name="System admin",
            system_admin=True,
            metadata={},
        )
    except AlreadyExists as taken:
        if taken.reason != "EXT_ID_TAKEN":  # else another replica that starts now made it
            raise


async def create_client(db: Database, caller: Caller, clock: Clock, **given: Any) -> Client:
    """Make a client; CLIENT_NAME_TAKEN when a living one has the name."""
    client = Client(**fresh(CLIENT, clock()), **given)
    async with db.begin(caller) as tx:
        await store.insert(tx, store.client, client)
        event = events_pb2.ClientCreated(client=convert.client(client))
        await ledger.record(tx, entry("identity.client.created", event, None, client, client_uid=client.uid))
    return client


async def create_studio(db: Database, caller: Caller, clock: Clock, **given: Any) -> Studio:
    """Make a studio; STUDIO_NAME_TAKEN when a living one has the name, TIME_ZONE_UNKNOWN for a zone nobody knows."""
    studio = Studio(**fresh(STUDIO, clock()), **given)
    known_time_zone(studio.time_zone)
    async with db.begin(caller) as tx:
        await store.insert(tx, store.studio, studio)
        event = events_pb2.StudioCreated(studio=convert.studio(studio))
        await ledger.record(tx, entry("identity.studio.created", event, None, studio, studio_uid=studio.uid))
    return studio


async def create_platform(db: Database, caller: Caller, clock: Clock, **given: Any) -> Platform:
    """Make a platform; PLATFORM_NAME_TAKEN when a living one has the name."""
    platform = Platform(**fresh(PLATFORM, clock()), **given)
    async with db.begin(caller) as tx:
        await store.insert(tx, store.platform, platform)
        event = events_pb2.PlatformCreated(platform=convert.platform(platform))
        await ledger.record(tx, entry("identity.platform.created", event, None, platform))
    return platform


async def grant_membership(
    db: Database, caller: Caller, clock: Clock, user_uid: str, group_uid: str, role: Role
) -> Membership:
    """Give a user a role in a group: the group's admins do. MEMBERSHIP_EXISTS when the user has one there."""
    noun = store.noun_of(group_uid)
    caller.require(GROUP, group_uid, group_uid)
    membership = Membership(**fresh(MEMBERSHIP, clock()), user_uid=user_uid, group_uid=group_uid, role=role)
    async with db.begin(caller) as tx:
        await store.insert_membership(tx, membership)
        user = await store.load_user(tx, user_uid)
        event = events_pb2.MembershipGranted(membership=convert.membership(membership), ext_id=user.ext_id)
        scope = {f"{noun}_uid": group_uid} if noun in (CLIENT, STUDIO) else {}
        await ledger.record(tx, entry("identity.membership.granted", event, None, membership, **scope))
    return membership
