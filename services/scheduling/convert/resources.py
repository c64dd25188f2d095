"""Rooms and MCs as messages."""

from __future__ import annotations

from eridu.scheduling.v1 import booking_pb2, mc_pb2, room_pb2

from libs.common.messages import set_time, stamp
from services.scheduling.domain.resource import Mc, ResourceKind, Room

KINDS = {kind: booking_pb2.ResourceKind.Value(f"RESOURCE_KIND_{kind.name}") for kind in ResourceKind}
KIND_OF: dict[int, ResourceKind | None] = {value: kind for kind, value in KINDS.items()} | {0: None}


def room(entity: Room) -> room_pb2.Room:
    """A room as a message."""
    message = room_pb2.Room(
        uid=entity.uid,
        studio_uid=entity.studio_uid,
        name=entity.name,
        capacity=entity.capacity,
        capabilities=entity.capabilities,
        turnaround_before_minutes=entity.turnaround_before,
        turnaround_after_minutes=entity.turnaround_after,
        active=entity.active,
        equipment=entity.equipment,
    )
    stamp(message, entity)
    return message


def mc(entity: Mc) -> mc_pb2.Mc:
    """An MC as a message."""
    message = mc_pb2.Mc(
        uid=entity.uid,
        studio_uid=entity.studio_uid,
        name=entity.name,
        alias=entity.alias,
        user_uid=entity.user_uid,
        profile=entity.profile,
        ban_reason=entity.ban_reason,
    )
    set_time(message.banned_at, entity.banned_at)
    stamp(message, entity)
    return message


def resource(entity: Room | Mc) -> room_pb2.Room | mc_pb2.Mc:
    """A room or an MC as a message."""
    return room(entity) if isinstance(entity, Room) else mc(entity)
