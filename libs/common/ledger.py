"""The ledger: one append-only table per service, whose rows are the audit entries and the events.

A trigger puts each new row's id into the `outbox` queue in the same transaction; the relay publishes from there.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from eridu.common.v1.change_pb2 import Change
from google.protobuf.message import Message
from sqlalchemy import TextClause, text

from libs.common import uids
from libs.common.bus import MAX_MESSAGE
from libs.common.clock import now
from libs.common.db import Tx
from libs.common.entities import Entity, differ

PARTITIONS = 16  # of the outbox: a partition belongs to one relay at a time, so the events of one entity leave in order

COLUMNS = (
    "event_uid",
    "occurred_at",
    "actor",
    "on_behalf_of",
    "request_id",
    "trace_id",
    "action",
    "entity_uid",
    "entity_version",
    "studio_uid",
    "client_uid",
    "platform_uid",
    "old_values",
    "new_values",
    "reason",
    "event_type",
    "subject",
    "payload",
    "partition",
)


@cache
def insert_one_into(schema: str) -> TextClause:
    """The statement for a single entry: one round trip, where COPY needs several."""
    values = ", ".join(f":{name}" for name in COLUMNS)
    return text(f"INSERT INTO {schema}.ledger ({', '.join(COLUMNS)}) VALUES ({values})")


SILENT = {"id", "version", "updated_at", "created_at"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of one aggregate.

    `event` is the message to publish, its `change` part still empty; `subject` its subject without `eridu.`
    (`production.show.started`), whose last two words are the action.
    """

    subject: str
    event: Message
    uid: str
    version: int
    studio_uid: str = ""
    client_uid: str = ""
    reason: str = ""
    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)
    platform_uid: str = ""


async def record(tx: Tx, *entries: Entry) -> None:
    """Write the entries to the ledger of the transaction's service: one by INSERT, many by COPY."""
    if not entries:
        return
    at = now()
    rows = [tuple(row_of(tx, one, at).values()) for one in entries]
    if len(rows) == 1:
        await tx.keep(insert_one_into(tx.db.schema), dict(zip(COLUMNS, rows[0], strict=True)))
    else:
        await tx.copy(f"{tx.db.schema}.ledger ({', '.join(COLUMNS)})", rows)
    tx.recorded += len(rows)


def row_of(tx: Tx, entry: Entry, at: datetime) -> dict[str, Any]:
    """The ledger row of an entry; fills the event's `change` part from the very same values."""
    change: Change = entry.event.change  # type: ignore[attr-defined]
    change.event_uid = uids.new_uuid()
    change.occurred_at.FromDatetime(at)
    change.actor = tx.caller.actor
    change.on_behalf_of = tx.caller.on_behalf_of
    change.request_id = tx.caller.request_id
    change.trace_id = tx.caller.trace_id
    change.action = entry.subject.partition(".")[2]
    change.entity_uid = entry.uid
    change.entity_version = entry.version
    change.studio_uid = entry.studio_uid
    change.client_uid = entry.client_uid
    change.platform_uid = entry.platform_uid
    change.reason = entry.reason
    change.old_values = json.dumps(entry.old, default=as_json, ensure_ascii=False)
    change.new_values = json.dumps(entry.new, default=as_json, ensure_ascii=False)
    payload = entry.event.SerializeToString()
    if len(payload) > MAX_MESSAGE:  # the stream would never take it, nor anything of this entity after it
        raise RuntimeError(
            f"{entry.subject}: an event of {len(payload)} bytes is too large: cut it into several entries"
        )
    return {
        "event_uid": change.event_uid,
        "occurred_at": at,
        "actor": change.actor,
        "on_behalf_of": change.on_behalf_of,
        "request_id": change.request_id,
        "trace_id": change.trace_id,
        "action": change.action,
        "entity_uid": entry.uid,
        "entity_version": entry.version,
        "studio_uid": entry.studio_uid,
        "client_uid": entry.client_uid,
        "platform_uid": entry.platform_uid,
        "old_values": change.old_values,
        "new_values": change.new_values,
        "reason": entry.reason,
        "event_type": entry.event.DESCRIPTOR.full_name,
        "subject": f"eridu.{entry.subject}",
        "payload": payload,
        "partition": zlib.crc32(entry.uid.encode()) % PARTITIONS,
    }


def entry(
    subject: str,
    event: Message,
    before: Entity | None,
    after: Entity,
    *,
    studio_uid: str = "",
    client_uid: str = "",
    platform_uid: str = "",
    reason: str = "",
) -> Entry:
    """The ledger entry of an entity that changed from `before` (None for something new) to `after`.

    Internal keys (`id`) and what every change touches (`version`, `updated_at`) say nothing and stay out.
    """
    names = [f.name for f in fields(after) if f.name not in SILENT]
    differing = [name for name in names if before is None or differ(getattr(before, name), getattr(after, name))]
    return Entry(
        subject,
        event,
        after.uid,
        after.version,
        studio_uid,
        client_uid,
        reason,
        {} if before is None else {name: getattr(before, name) for name in differing},
        {name: getattr(after, name) for name in differing},
        platform_uid,
    )


def as_json(value: Any) -> Any:
    """What JSON has no word for: times as ISO 8601, enums by value, dataclasses as objects."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset, Sequence)):
        return list(value)
    return {f.name: getattr(value, f.name) for f in fields(value)}
