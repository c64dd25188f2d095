"""The two locks of a studio that keep its holds and its bookings in step."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from libs.common.db import Tx

STUDIOS_AT_ONCE = 20  # of which one sweep takes holds

# Bookings of a studio pass this gate together, a new hold passes it alone: so one of the two always sees the other.
PASS_GATE = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('hold.gate.' || :uid, 0))")
SHUT_GATE = text("SELECT pg_advisory_xact_lock(hashtextextended('hold.gate.' || :uid, 0))")
# The holds of a studio change one after the other, so that ranks are counted and told once. Always the last lock.
LOCK_HOLDS = text("SELECT pg_advisory_xact_lock(hashtextextended('hold.row.' || :uid, 0))")
LOCK_DUE = text(
    f"""
    WITH due AS MATERIALIZED (
        SELECT studio_uid FROM scheduling.hold WHERE state = 'held' AND expires_at <= :now
        GROUP BY studio_uid ORDER BY min(expires_at) LIMIT {STUDIOS_AT_ONCE}
    )
    SELECT studio_uid FROM due WHERE pg_try_advisory_xact_lock(hashtextextended('hold.row.' || studio_uid, 0))
    """
)


async def pass_gate(tx: Tx, studio_uid: str) -> None:
    """Before a booking: no hold of the studio comes into being until it is committed."""
    await tx.keep(PASS_GATE, {"uid": studio_uid})


async def shut_gate(tx: Tx, studio_uid: str) -> None:
    """Before a new hold: wait for the studio's bookings on their way, and keep others waiting."""
    await tx.keep(SHUT_GATE, {"uid": studio_uid})


async def lock_holds(tx: Tx, studio_uid: str) -> None:
    """One change of a studio's holds at a time."""
    await tx.keep(LOCK_HOLDS, {"uid": studio_uid})


async def lock_due(tx: Tx, now: datetime) -> list[str]:
    """The studios in which holds are over by the clock, locked; those that somebody else has in hand are left out."""
    return [row.studio_uid for row in await tx.keep(LOCK_DUE, {"now": now})]
