"""Blackouts and the bookings at risk as messages."""

from __future__ import annotations

from eridu.scheduling.v1 import at_risk_pb2, blackout_pb2

from libs.common.access import Caller
from libs.common.messages import set_time, stamp
from services.scheduling.convert.bookings import show_ref
from services.scheduling.convert.resources import KINDS
from services.scheduling.domain.blackout import Blackout
from services.scheduling.domain.risk import AtRisk


def blackout(entity: Blackout) -> blackout_pb2.Blackout:
    """A blackout as a message."""
    message = blackout_pb2.Blackout(
        uid=entity.uid,
        studio_uid=entity.studio_uid,
        resource_kind=KINDS[entity.kind],
        resource_uid=entity.resource_uid,
        reason=entity.reason,
    )
    set_time(message.starts_at, entity.starts_at)
    set_time(message.ends_at, entity.ends_at)
    stamp(message, entity)
    return message


def at_risk(found: AtRisk, caller: Caller) -> at_risk_pb2.AtRisk:
    """Bookings at risk as a message."""
    message = at_risk_pb2.AtRisk(total=found.total)
    for booked in found.bookings:
        one = message.bookings.add(uid=booked.uid, show=show_ref(booked.show, caller))
        set_time(getattr(one, "from"), booked.start)
        set_time(one.until, booked.until)
    return message
