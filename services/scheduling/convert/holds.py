"""Holds as messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eridu.scheduling.v1 import hold_pb2, hold_service_pb2

from libs.common.messages import metadata_of, set_time, stamp, time_of
from services.scheduling.convert.resources import KINDS
from services.scheduling.domain.hold import HoldState
from services.scheduling.store.holds import HeldSlot, Shown

STATES = {state: hold_pb2.HoldState.Value(f"HOLD_STATE_{state.name}") for state in HoldState}


def hold(shown: Shown) -> hold_pb2.Hold:
    """A hold with its rank and its slots."""
    entity = shown.hold
    message = hold_pb2.Hold(
        uid=entity.uid,
        studio_uid=entity.studio_uid,
        client_uid=entity.client_uid,
        name=entity.name,
        room_uid=entity.room_uid,
        mc_uids=entity.mc_uids,
        state=STATES[entity.state],
        rank=shown.rank,
        show_uid=entity.show_uid,
        slots=[slot(one) for one in shown.slots],
    )
    set_time(message.starts_at, entity.starts_at)
    set_time(message.ends_at, entity.ends_at)
    set_time(message.expires_at, entity.expires_at)
    set_time(message.ended_at, entity.ended_at)
    stamp(message, entity)
    return message


def slot(held: HeldSlot) -> hold_pb2.HeldSlot:
    """One resource of a hold."""
    message = hold_pb2.HeldSlot(resource_kind=KINDS[held.kind], resource_uid=held.resource_uid)
    set_time(getattr(message, "from"), held.start)
    set_time(message.until, held.until)
    return message


def asked(request: hold_service_pb2.CreateHoldRequest) -> Mapping[str, Any]:
    """What a new hold is asked to be."""
    return {
        "name": request.name,
        "room_uid": request.room_uid,
        "mc_uids": tuple(request.mc_uids),
        "starts_at": time_of(request.starts_at),
        "ends_at": time_of(request.ends_at),
        "expires_at": time_of(request.expires_at),
        "metadata": metadata_of(request.metadata),
    }
