"""What identity hears: everything that happens in the suite, for the audit trail."""

from __future__ import annotations

from typing import Any

from eridu.common.v1.change_pb2 import AuditPart
from eridu.production.v1 import events_pb2

from libs.common.consumers import Heard, Hears
from libs.common.db import Database
from services.identity import convert
from services.identity.commands import trail as commands

# A show holds its platforms too, which only its whole state tells. All its events have it in the same place.
SHOW_VERBS = ("created", "updated", "deleted", "confirmed", "moved", "started", "completed", "cancelled")
SHOWS: dict[str, type[Any]] = {f"production.show.{verb}": events_pb2.ShowConfirmed for verb in SHOW_VERBS}


def of(service: str, db: Database) -> list[Hears[Any]]:
    """What is heard on the stream of a service."""

    async def gather_audits(heard: Heard[Any]) -> None:
        audits = [convert.audited(service, event.change) for event in heard.events]
        dependants = [
            found
            for audit, event in zip(audits, heard.events, strict=True)
            if (found := convert.dependant_of(audit, event)) is not None
        ]
        await commands.gather_audits(db, heard.caller, audits, dependants)

    shows = SHOWS if service == "production" else {}
    return [Hears({**shows, f"{service}.>": AuditPart}, gather_audits)]
