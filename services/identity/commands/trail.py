"""The audit trail grows by what every service says."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common.access import Caller
from libs.common.db import Database
from services.identity.domain.trail import Audit, Dependant, newest
from services.identity.store import trail as store


async def gather_audits(db: Database, caller: Caller, audits: Sequence[Audit], dependants: Sequence[Dependant]) -> None:
    """Add changes to the trail, and note what lives in which group. Twice or late: the same trail."""
    async with db.begin(caller) as tx:
        await store.insert_audits(tx, audits)
        await store.remember(tx, newest(dependants))
