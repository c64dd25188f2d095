"""Between protobuf and Python values: times, free JSON, and what every resource ends with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from libs.common.entities import Entity
from libs.common.errors import FieldViolation, Invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

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
        since = value - EPOCH  # a quarter of the time of `FromDatetime`, and every message has several
        field.seconds, field.nanos = since.days * 86_400 + since.seconds, since.microseconds * 1_000


def time_of(field: Timestamp) -> datetime:
    """A time from a message, UTC, to the microsecond that the database keeps."""
    try:
        return field.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("TIME_INVALID", "a time is outside the years 1 to 9999") from error


def metadata_of(struct: Struct, field: str = "metadata") -> Mapping[str, Any]:
    """Free JSON from a request's field: at most 16 KiB, 8 levels, numbers that JSON can write."""
    look_into(struct.fields.values(), field)
    values: dict[str, Any] = MessageToDict(struct)
    if len(json.dumps(values, ensure_ascii=False).encode()) > METADATA_BYTES:
        raise metadata_invalid(field, "is larger than 16 KiB")
    return values


def look_into(values: Iterable[Value], field: str, level: int = 1) -> None:
    """Refuse free JSON that is nested too deeply or has a number that JSON cannot write."""
    if level > METADATA_DEPTH:
        raise metadata_invalid(field, "is nested too deeply")
    for value in values:
        kind = value.WhichOneof("kind")
        if kind == "number_value" and not math.isfinite(value.number_value):
            raise metadata_invalid(field, "has a number that JSON cannot write")
        if kind == "struct_value":
            look_into(value.struct_value.fields.values(), field, level + 1)
        elif kind == "list_value":
            look_into(value.list_value.values, field, level + 1)


def metadata_invalid(field: str, what: str) -> Invalid:
    """The refusal of a request's free JSON."""
    return Invalid("METADATA_INVALID", f"{field} {what}", [FieldViolation(field, what)])
