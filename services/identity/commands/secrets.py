"""The secrets of platforms' APIs: set, revealed, wrapped again. What is said of it never says what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.errors import NotFound
from libs.common.ledger import Entry
from services.identity import convert
from services.identity.domain.group import Platform
from services.identity.domain.nouns import PLATFORM
from services.identity.keyring import Keyring
from services.identity.store import groups as store

MASK = "•••"
REWRAPPED_AT_ONCE = 100  # platforms in one transaction of a rotation


def place(uid: str) -> str:
    """Where a platform's secrets belong: bound into their seal."""
    return f"identity.api_config|{uid}"


async def set_api_config(
    db: Database,
    caller: Caller,
    clock: Clock,
    keyring: Keyring,
    uid: str,
    etag: str,
    reason: str,
    config: Mapping[str, Any],
) -> Platform:
    """Keep the secrets of a platform in the place of those that were there; none removes them."""
    now = clock()
    async with db.begin(caller) as tx:
        platform = cast(Platform, await store.load_group(tx, PLATFORM, uid, lock=True))
        caller.require(PLATFORM, uid, uid)
        platform.expect(PLATFORM, etag)
        if config:
            await store.keep_api_config(tx, uid, keyring.seal(json.dumps(config).encode(), place(uid)))
        else:
            await store.drop_api_config(tx, uid)
        changed = replace(platform, api_config_set_at=now if config else None)
        saved = await store.save_group(tx, PLATFORM, platform, changed, now)
        said = convert.said_of_group("api_config_set", platform, saved, reason)
        await ledger.record(tx, masked(said, bool(platform.api_config_set_at), bool(config)))
    return cast(Platform, saved)


def masked(said: Entry, before: bool, after: bool) -> Entry:
    """The audit trail tells that there were secrets and that there are, and shows none."""
    return replace(
        said,
        old={**said.old, "api_config": MASK if before else None},
        new={**said.new, "api_config": MASK if after else None},
    )


async def reveal_api_config(db: Database, caller: Caller, keyring: Keyring, uid: str, reason: str) -> Mapping[str, Any]:
    """The secrets of a platform. That somebody read them, and why, is in the ledger before they are answered."""
    async with db.begin(caller) as tx:
        platform = await store.load_group(tx, PLATFORM, uid)
        caller.require(PLATFORM, uid, uid)
        sealed = await store.load_api_config(tx, uid)
        if sealed is None:
            raise NotFound.of("api_config", uid)
        opened: Mapping[str, Any] = json.loads(keyring.open(sealed, place(uid)))
        await ledger.record(tx, convert.said_of_group("api_config_revealed", platform, platform, reason))
    return opened


async def rewrap_api_configs(db: Database, keyring: Keyring) -> int:
    """Put every secret under the current key of the ring; how many were not. May be ended and begun again."""
    count = 0
    while True:
        async with db.begin(Caller.system("identity")) as tx:
            found = await store.lock_sealed_with_others(tx, keyring.current, REWRAPPED_AT_ONCE)
            if not found:
                return count
            rewrapped = [(platform, keyring.rewrap(sealed, place(platform.uid))) for platform, sealed in found]
            await store.rewrap(tx, rewrapped)
            saved = [(platform, replace(platform, version=platform.version + 1)) for platform, _ in found]
            reason = f"under key {keyring.current}"
            await ledger.record(tx, *(convert.said_of_group("api_config_rewrapped", *pair, reason) for pair in saved))
        count += len(found)
