"""Many schedules confirmed in one call: each in its own transaction, and the whole can be gone on with after a break.

Every schedule has a request id of its own, made of the call's and the schedule's uid, which keeps its answer beside its
bookings. A call that broke off is repeated with the same request id: what has an answer answers it again, the rest is
done now. The call's own answer is kept at the end, when nothing is left to be tried again.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from eridu.scheduling.v1 import bulk_pb2
from sqlalchemy.exc import DBAPIError

from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.errors import DomainError, Overloaded, Stale, Unavailable
from libs.common.once import Replayed, RequestOnce
from libs.common.rpc.status import is_conflict, refusal_of
from services.scheduling.commands.confirmations import confirm_schedule
from services.scheduling.convert import bulk as convert
from services.scheduling.domain.confirmation import Mode
from services.scheduling.neighbours import Identity

RACES = 4  # times that a transaction which lost a race is run again
PASSING = (Unavailable, Overloaded, Stale)  # refusals that may be another answer in a moment: not kept


@dataclass(frozen=True, slots=True)
class ToConfirm:
    """One schedule among several."""

    uid: str
    plan_version: int
    etag: str


Result = bulk_pb2.ConfirmSchedulesResult


async def confirm_schedules(
    db: Database,
    caller: Caller,
    clock: Clock,
    identity: Identity,
    schedules: Sequence[ToConfirm],
    mode: Mode,
    reason: str,
) -> list[Result]:
    """Confirm one schedule after the other; what is refused is told and stops nothing."""
    caller.checked = True  # each schedule asks for its own
    once = caller.once if isinstance(caller.once, RequestOnce) else None
    if once:
        async with db.read() as reader:
            await once.look(reader, db.schema)
    results, passing = [], False
    for one in schedules:
        own = own_request(once, one, mode, reason) if once else None
        try:
            results.append(await confirm_one(db, caller, clock, identity, one, mode, reason, own))
        except DomainError as refusal:
            if own and not isinstance(refusal, PASSING):
                results.append(await keep(db, caller, own, convert.refused(one.uid, refusal)))
            else:
                passing = True
                results.append(convert.refused(one.uid, refusal))
    if once and not passing:
        async with db.begin(caller):
            pass  # claims the call's own id; the answer is kept with it
    return results


async def confirm_one(
    db: Database,
    caller: Caller,
    clock: Clock,
    identity: Identity,
    one: ToConfirm,
    mode: Mode,
    reason: str,
    own: RequestOnce | None,
) -> Result:
    """Confirm one schedule in a transaction of its own; run again when it lost a race."""
    for attempt in range(RACES):
        each = replace(caller, once=own, tx=None)
        try:
            answer = await confirm_schedule(
                db, each, clock, identity, one.uid, one.plan_version, mode, one.etag, reason
            )
            result = convert.result(answer)
            if own and each.tx:
                await own.answer(each.tx, result.SerializeToString())
                await each.tx.commit()
            return result
        except Replayed as replayed:
            return Result.FromString(replayed.answer)
        except DBAPIError as error:
            if attempt == RACES - 1 or not is_conflict(error):
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                raise refusal from error
        finally:
            caller.committed = caller.committed or each.committed
            if each.tx is not None:
                await each.tx.close()
        await asyncio.sleep(random.uniform(0.005, 0.05) * 2**attempt)
    raise AssertionError("unreachable")


async def keep(db: Database, caller: Caller, own: RequestOnce, result: Result) -> Result:
    """Keep a refusal as the schedule's answer to this request."""
    each = replace(caller, once=own, tx=None)
    try:
        async with db.begin(each) as tx:
            await own.answer(tx, result.SerializeToString())
        await tx.commit()
        caller.committed = True
    except Replayed as replayed:
        return Result.FromString(replayed.answer)
    finally:
        if each.tx is not None:
            await each.tx.close()
    return result


def own_request(once: RequestOnce, one: ToConfirm, mode: Mode, reason: str) -> RequestOnce:
    """The request that one schedule is of a call: the same schedule in the same call, asked for the same."""
    asked = "\0".join((one.uid, str(one.plan_version), one.etag, mode, reason))
    body_hash = hashlib.blake2b(asked.encode(), digest_size=16).digest()
    key = once.key
    return RequestOnce(key["actor"], key["method"], f"{key['request_id']}/{one.uid}", body_hash)
