"""Between protobuf and Python values: times, free JSON, and what every resource ends with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from libs.common.entities import Entity
from libs.common.errors import FieldViolation, Invalid

METADATA_BYTES = 16 * 1024
METADATA_DEPTH = 8


def stamp(message: Message, entity: Entity) -> None:
    """Fill what every resource ends with: metadata, times, etag."""
    if entity.metadata:
        message.metadata.update(entity.metadata)  # type: ignore[attr-defined]
    set_time(message.created_at, entity.created_at)  # type: ignore[attr-defined]
    set_time(message.updated_at, entity.updated_at)  # type: ignore[attr-defined]
    if entity.deleted_at:
        set_time(message.deleted_at, entity.deleted_at)  # type: ignore[attr-defined]
    message.etag = entity.etag  # type: ignore[attr-defined]


def set_time(field: Timestamp, value: datetime | None) -> None:
    """Write a time into a message's field; None leaves it absent."""
    if value is not None:
        field.FromDatetime(value)


def time_of(field: Timestamp) -> datetime:
    """A time from a message, UTC, to the microsecond that the database keeps."""
    try:
        return field.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("TIME_INVALID", "a time is outside the years 1 to 9999") from error


def metadata_of(struct: Struct) -> Mapping[str, Any]:
    """Free JSON from a request: at most 16 KiB, 8 levels, numbers that JSON can write."""
    values: dict[str, Any] = (
        MessageToDict(struct) if depth_of(struct) <= METADATA_DEPTH else refuse("is nested too deeply")
    )
    try:
        size = len(json.dumps(values, allow_nan=False))
    except ValueError:
        refuse("has a number that JSON cannot write")
    if size > METADATA_BYTES:
        refuse("is larger than 16 KiB")
    return values


def depth_of(struct: Struct, level: int = 1) -> int:
    """How deep free JSON is nested, as far as it matters."""
    deepest = level
    if level > METADATA_DEPTH:
        return level
    for value in struct.fields.values():
        kind = value.WhichOneof("kind")
        if kind == "number_value" and not math.isfinite(value.number_value):
            refuse("has a number that JSON cannot write")
        if kind == "struct_value":
            deepest = max(deepest, depth_of(value.struct_value, level + 1))
        elif kind == "list_value":
            inner = Struct()
            for index, item in enumerate(value.list_value.values):
                inner.fields[str(index)].CopyFrom(item)
            deepest = max(deepest, depth_of(inner, level + 1))
    return deepest


def refuse(what: str) -> Any:
    """Refuse the metadata of a request."""
    raise Invalid("METADATA_INVALID", f"metadata {what}", [FieldViolation("metadata", what)])
