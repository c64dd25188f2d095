"""How holds end, whoever ends them: written, said, and those behind them move up. What is booked ends holds too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import events_pb2

from libs.common import ledger
from libs.common.clock import Clock
from libs.common.db import Tx
from libs.common.errors import NotFound
from libs.common.ledger import Entry, entry
from services.scheduling.convert import holds as convert
from services.scheduling.domain.booking import Problem, Slot
from services.scheduling.domain.hold import CONFIRM, HOLD, Hold, HoldState, held_by_others, settle
from services.scheduling.store import hold_locks
from services.scheduling.store import holds as store
from services.scheduling.store.holds import HeldSlot, Shown

EVENTS: Mapping[str, Callable[..., Any]] = {
    "created": events_pb2.HoldCreated,
    "moved_up": events_pb2.HoldMovedUp,
    "released": events_pb2.HoldReleased,
    "confirmed": events_pb2.HoldConfirmed,
    "lost": events_pb2.HoldLost,
    "expired": events_pb2.HoldExpired,
}


def hold_entry(done: str, before: Hold | None, after: Hold, slots: Sequence[HeldSlot], reason: str = "") -> Entry:
    """The ledger entry of a change of a hold."""
    shown = Shown(after, after.rank if after.state is HoldState.HELD else 0, slots)
    return entry(
        f"scheduling.hold.{done}",
        EVENTS[done](hold=convert.hold(shown)),
        before,
        after,
        studio_uid=after.studio_uid,
        client_uid=after.client_uid,
        reason=reason,
    )


async def end_holds(tx: Tx, before: Mapping[str, Hold], ended: Sequence[Hold], now: datetime, reason: str) -> None:
    """Write holds that ended, and tell those behind them that they moved up; the studios' holds are locked."""
    await store.save_holds(tx, ended)
    ranks = await store.moved_up(tx, [hold.uid for hold in ended], now)
    behind = await store.load_holds(tx, ranks)
    moved = [hold.move_up(ranks[uid], now) for uid, hold in behind.items()]
    await store.save_holds(tx, moved)
    slots = await store.load_slots(tx, [hold.uid for hold in (*ended, *moved)])
    await ledger.record(
        tx,
        *(hold_entry(hold.state, before[hold.uid], hold, slots[hold.uid], reason) for hold in ended),
        *(hold_entry("moved_up", behind[hold.uid], hold, slots[hold.uid]) for hold in moved),
    )


async def settle_holds(
    tx: Tx, studio_uid: str, taken: Sequence[Slot], clock: Clock, hold_uid: str = ""
) -> list[Problem]:
    """End the holds of slots that are booked now: taken up by their own client, or lost. Whose are pushed aside?

    The gate was passed before the slots were looked at, so none can come any more; the studio's holds are locked here,
    after everything else, and only when there are some.
    """
    if not (hold_uid or await store.slots_held(tx, taken, clock())):
        return []
    await hold_locks.lock_holds(tx, studio_uid)
    now = clock()
    held = await store.slots_held(tx, taken, now)
    holds = await store.load_holds(tx, {slot.show.hold_uid for slot in held} | ({hold_uid} - {""}))
    if hold_uid:
        require_own(holds.get(hold_uid), hold_uid, taken, now)
    ended = settle(holds, held, taken, hold_uid, now)
    if ended:
        await end_holds(tx, holds, ended, now, "booked")
    return held_by_others(taken, held)


def require_own(hold: Hold | None, uid: str, taken: Sequence[Slot], now: datetime) -> None:
    """A named hold is one of the show's own client in the show's studio, and still stands."""
    owners = {(slot.show.studio_uid, slot.show.client_uid) for slot in taken}
    if hold is None or owners != {(hold.studio_uid, hold.client_uid)}:
        raise NotFound.of(HOLD, uid)
    CONFIRM.apply(hold.as_of(now).state)
