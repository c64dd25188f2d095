"""Once: a request id or an event has its effect exactly one time.

Both are claimed by the first statement of the transaction that has the effect, so the claim and the effect are there
together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import text

from libs.common.errors import Invalid, Stale

if TYPE_CHECKING:
    from libs.common.db import Reader, Tx


class Replayed(Exception):
    """This request was answered before: here is the answer."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("the request was answered before")
        self.answer = answer


class AlreadySeen(Exception):
    """Some of these events had their effect before."""

    def __init__(self, event_uids: set[str]) -> None:
        super().__init__("the events had their effect before")
        self.event_uids = event_uids


class Once(Protocol):
    """What makes a transaction happen one time."""

    keeps_answer: bool

    async def claim(self, tx: Tx) -> None:
        """Claim it in this transaction, or raise because it was claimed before."""
        ...


class RequestOnce:
    """A caller's request id: the same id again replays the answer, with another body it is refused.

    Ids belong to the caller and the method: another caller's same id is another request.
    """

    keeps_answer = True

    def __init__(self, actor: str, method: str, request_id: str, body_hash: bytes) -> None:
        self.key = {"actor": actor, "method": method, "request_id": request_id}
        self.body_hash = body_hash

    async def claim(self, tx: Tx) -> None:
        """Claim the id; a second call with the same id waits here until the first has ended."""
        schema = tx.db.schema
        claimed = await tx.keep(
            text(
                f"INSERT INTO {schema}.request (actor, method, request_id, body_hash)"
                " VALUES (:actor, :method, :request_id, :body_hash) ON CONFLICT DO NOTHING RETURNING true"
            ),
            {**self.key, "body_hash": self.body_hash},
        )
        if claimed.scalar():
            return
        await self.look(tx, schema)
        raise Stale("CONFLICT", "the first call with this request_id is no longer known: try again")

    async def look(self, reader: Reader, schema: str) -> None:
        """Raise the answer if there is one, and claim nothing: for calls that claim their id only at their end."""
        stored = await reader.execute(
            text(
                f"SELECT body_hash, answer FROM {schema}.request"
                " WHERE actor = :actor AND method = :method AND request_id = :request_id"
            ),
            self.key,
        )
        row = stored.one_or_none()
        if row is None:
            return
        if bytes(row.body_hash) != self.body_hash:
            raise Invalid("REQUEST_ID_REUSED", "this request_id was used with another request")
        raise Replayed(bytes(row.answer))

    async def answer(self, tx: Tx, answer: bytes) -> None:
        """Keep the answer beside the change, in the change's own transaction."""
        await tx.keep(
            text(
                f"UPDATE {tx.db.schema}.request SET answer = :answer"
                " WHERE actor = :actor AND method = :method AND request_id = :request_id"
            ),
            {**self.key, "answer": answer},
        )


class EventsOnce:
    """Events heard by a consumer: the inbox. All are new, or none is claimed and the seen ones are named."""

    keeps_answer = False

    def __init__(self, consumer: str, event_uids: Sequence[str]) -> None:
        self.consumer = consumer
        self.event_uids = event_uids

    async def claim(self, tx: Tx) -> None:
        """Claim all the events in one statement."""
        claimed = await tx.keep(
            text(
                f"INSERT INTO {tx.db.schema}.inbox (consumer, event_uid)"
                " SELECT :consumer, unnest(CAST(:event_uids AS uuid[])) ON CONFLICT DO NOTHING RETURNING event_uid"
            ),
            {"consumer": self.consumer, "event_uids": list(self.event_uids)},
        )
        new = {str(uid) for uid in claimed.scalars()}
        if len(new) < len(self.event_uids):
            raise AlreadySeen(set(self.event_uids) - new)
