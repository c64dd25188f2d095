"""What became of each of many schedules, as messages."""

from __future__ import annotations

from collections import Counter

from eridu.scheduling.v1 import bulk_pb2

from libs.common.errors import DomainError
from libs.common.rpc.status import CODES
from services.scheduling.convert.schedules import schedule
from services.scheduling.domain.confirmation import Confirmation


def result(answer: Confirmation) -> bulk_pb2.ConfirmSchedulesResult:
    """A schedule that was confirmed, or could have been but for its shows."""
    counts = Counter(str(one.outcome) for one in answer.results)
    return bulk_pb2.ConfirmSchedulesResult(
        uid=answer.schedule.uid,
        confirmed=answer.confirmed,
        schedule=schedule(answer.schedule),
        counts=bulk_pb2.ShowCounts(**counts),
    )


def refused(uid: str, refusal: DomainError) -> bulk_pb2.ConfirmSchedulesResult:
    """A schedule that was refused, as ConfirmSchedule would have refused it."""
    return bulk_pb2.ConfirmSchedulesResult(
        uid=uid,
        refusal=bulk_pb2.Refusal(
            code=CODES[type(refusal)].name, reason=refusal.reason, message=refusal.message, metadata=refusal.facts
        ),
    )
