"""Update masks: what an Update request writes, and nothing else.

The fields that a caller may write are the fields of the Update request itself, so no mask can reach a version, an owner
or a flag of an administrator's: a path that is none of them is refused.
"""

from __future__ import annotations

from typing import Any

from buf.validate import validate_pb2
from google.protobuf.message import Message

from libs.common.errors import FieldViolation, Invalid

FRAME = {"uid", "update_mask", "etag", "reason", "request_id"}  # what an Update request has beside the fields to write


def written(request: Message, *beside: str) -> dict[str, Any]:
    """The fields that the request writes, by name: those of its mask, or those that are set when it has none.

    `beside` are fields of this request that are none of the thing's, as those of the frame.
    """
    fields = {field.name: field for field in request.DESCRIPTOR.fields if field.name not in FRAME.union(beside)}
    paths = list(request.update_mask.paths)  # type: ignore[attr-defined]
    if not paths:
        paths = [field.name for field, _ in request.ListFields() if field.name in fields]
    for path in paths:
        if path not in fields:
            raise refused("MASK_INVALID", "update_mask", f"{path[:64]!r} is no field that can be written")
        if needs_value(fields[path]) and not getattr(request, path):
            raise refused("REQUEST_INVALID", path, "must not be empty")
    return {path: getattr(request, path) for path in paths}


def needs_value(field: Any) -> bool:
    """Whether a text field's own rule wants a character at least; it looks away from what a request leaves out."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return bool(rules.string.min_len)


def refused(reason: str, field: str, what: str) -> Invalid:
    """The refusal of one field."""
    return Invalid(reason, f"{field}: {what}", [FieldViolation(field, what)])
