"""Requests made from what their protos say: valid ones, with the uids that a test wants in them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from buf.validate import validate_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.house import tomorrow

Path = tuple[str, ...]  # names of fields, from the request inwards

UID = re.compile(r"\^\(?([a-z_|]+?)\)?_\[0-9a-hjkmnp-tv-z\]\{26\}\$")

# What the rules of single fields do not say, by message.
OVERRIDES: dict[str, dict[str, Any]] = {
    "eridu.identity.v1.AccessQuestion": {"min_role": 1},  # it or a method
    "eridu.scheduling.v1.CreateHoldRequest": {"expires_at": tomorrow()},
    "eridu.scheduling.v1.ImportPlanRequest": {
        "csv": "external_id,name,room,mcs,platforms,start,end\n1,Show,,,,2026-03-20T10:00,2026-03-20T11:00"
    },
    "eridu.scheduling.v1.StreamPlanRequest": {
        "csv_parts": ["external_id,name,room,mcs,platforms,start,end\n", "1,Show,,,,2026-03-20T10:00,2026-03-20T11:00"]
    },
    "eridu.scheduling.v1.WatchBookingsRequest": {"ends_after": Timestamp(seconds=1)},  # all there ever was
}

DAYS = {"from_day": "2026-03-01", "until_day": "2026-03-31"}  # or two instants
OVERRIDES |= {
    "eridu.scheduling.v1.FindFreeSlotsRequest": DAYS,
    "eridu.scheduling.v1.GetUtilisationRequest": DAYS,
    "eridu.scheduling.v1.AskedSlot": {  # at the time of a tenant's show
        "key": "1",
        "starts_at": Timestamp(seconds=int(datetime(2026, 3, 2, 10, tzinfo=UTC).timestamp())),
        "ends_at": Timestamp(seconds=int(datetime(2026, 3, 2, 11, tzinfo=UTC).timestamp())),
    },
}

EXAMPLES = ("a", "A", "1", "12:00", "2026-03-01", "2026-03-01T12:00", "Europe/Brussels", "image/png", "a.b")

NOT_TO_WRITE = {"etag", "reason", "request_id", "update_mask", "metadata"}  # of an update, beside its subject


def uid_fields(message: Descriptor, above: Path = (), seen: tuple[str, ...] = ()) -> Iterator[tuple[Path, list[str]]]:
    """Every field that takes uids, those inside of messages too, with the prefixes that it takes; none named: any."""
    for field in message.fields:
        path = (*above, field.name)
        inner = field.message_type
        if inner is not None:
            ours = inner.full_name.startswith("eridu.") and not inner.GetOptions().map_entry
            if ours and inner.full_name not in seen:
                yield from uid_fields(inner, path, (*seen, inner.full_name))
        elif field.type == FieldDescriptor.TYPE_STRING:
            rules = rules_of(field)
            found = UID.fullmatch((rules.repeated.items if field.is_repeated else rules).string.pattern)
            if found:
                yield path, found[1].split("|")
            elif re.search(r"(^|_)uids?$", field.name):
                yield path, []


def required(message: Any, path: Path) -> bool:
    """Whether a request without this field is refused, as far as the field's own rules say."""
    field = message.fields_by_name[path[0]]
    return is_needed(field) and (len(path) == 1 or required(field.message_type, path[1:]))


def build(message: Descriptor, uids: Mapping[Path, str]) -> Any:
    """A request with these uids, and beside them nothing but what its rules ask for."""
    request = message_factory.GetMessageClass(message)()
    fill(request, uids)
    return request


def fill(message: Any, uids: Mapping[Path, str]) -> None:
    """Fill a message with what it needs."""
    overrides = OVERRIDES.get(message.DESCRIPTOR.full_name, {})
    hour = 0
    for field in message.DESCRIPTOR.fields:
        inside = {path[1:]: uid for path, uid in uids.items() if path[0] == field.name}
        if field.name in overrides:
            put(message, field, overrides[field.name])
        elif () in inside:
            put(message, field, inside[()])
        elif inside or is_needed(field):
            hour += 1  # of two times, the second is later
            put(message, field, value_of(field, inside, hour))
        elif field.message_type is FieldMask.DESCRIPTOR:
            write_something(message, field)


def put(message: Any, field: FieldDescriptor, value: Any) -> None:
    """Set a field, of whatever kind."""
    if field.is_repeated:
        getattr(message, field.name).extend(value if isinstance(value, list) else [value])
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def write_something(message: Any, mask: FieldDescriptor) -> None:
    """An update that changes nothing proves little: name one field in its mask, and write it."""
    ours = {path[0] for path, _ in uid_fields(message.DESCRIPTOR)} | NOT_TO_WRITE
    for field in message.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated and field.name not in ours:
            put(message, field, text_of(rules_of(field).string))
            getattr(message, mask.name).paths.append(field.name)
            return


def rules_of(field: FieldDescriptor) -> Any:
    """The rules of a field."""
    return field.GetOptions().Extensions[validate_pb2.field]


def is_needed(field: FieldDescriptor) -> bool:
    """Whether the field's rules refuse it empty."""
    rules = rules_of(field)
    if rules.required:
        return True
    if rules.ignore != validate_pb2.IGNORE_UNSPECIFIED:
        return False
    if field.is_repeated:
        return bool(rules.repeated.min_items or rules.map.min_pairs)
    kind = rules.WhichOneof("type")
    if field.message_type is not None or kind is None:
        return False
    rule = getattr(rules, kind)
    if kind == "string":
        return bool(text_of(rule, needed=False))
    allowed = getattr(rule, "in", ())
    return (
        0 in getattr(rule, "not_in", ())
        or bool(allowed and 0 not in allowed)
        or ("gt" in names(rule) and rule.gt >= 0)
        or ("gte" in names(rule) and rule.gte > 0)
    )


def names(rule: Any) -> set[str]:
    """The rules that are set."""
    return {field.name for field, _ in rule.ListFields()}


def value_of(field: FieldDescriptor, uids: Mapping[Path, str], hour: int) -> Any:
    """One value that the rules of a field accept."""
    rules = rules_of(field)
    if field.is_repeated:
        rules = rules.repeated.items
    if field.message_type is Timestamp.DESCRIPTOR:
        stamp = Timestamp()
        stamp.FromDatetime(datetime(2026, 3, 20, tzinfo=UTC) + timedelta(hours=hour))
        return stamp
    if field.message_type is not None:
        return build(field.message_type, uids)
    kind = rules.WhichOneof("type")
    rule = getattr(rules, kind) if kind else None
    allowed = list(getattr(rule, "in", ()))
    if field.enum_type is not None:
        return allowed[0] if allowed else next(value.number for value in field.enum_type.values if value.number)
    if field.type == FieldDescriptor.TYPE_STRING:
        return text_of(rules.string)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"x" * max(rules.bytes.min_len, rules.bytes.len, 1)
    return allowed[0] if allowed else max(getattr(rule, "gte", 0), getattr(rule, "gt", 0) + 1, 1)


def text_of(rule: Any, needed: bool = True) -> str:
    """A text that the rule accepts, fresh where it can be, as names are unique; empty if it may be and need not."""
    fresh = uuid.uuid4()
    well_known = rule.WhichOneof("well_known")
    allowed = list(getattr(rule, "in"))
    if rule.const or allowed:
        return str(rule.const or allowed[0])
    if well_known:
        formats = {"email": f"{fresh.hex}@example.org", "uuid": str(fresh), "uri": f"https://example.org/{fresh.hex}"}
        return formats.get(well_known, "127.0.0.1")
    if rule.pattern and (needed or not re.search(rule.pattern, "")):
        return next((text for text in (*EXAMPLES, fresh.hex) if re.search(rule.pattern, text)), "?")
    least = max(rule.len, rule.min_len, rule.min_bytes, rule.len_bytes)
    if not (needed or least):
        return ""
    most = rule.len or rule.max_len or 32
    return f"{rule.prefix}{fresh.hex}{'x' * least}"[: max(least, min(most, 32))]
