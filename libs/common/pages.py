"""Pages of lists: keyset pagination. A token says where the last page ended and is bound to its query.

A token carries no rights: every page is checked like the first one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from libs.common.errors import FieldViolation, Invalid

DEFAULT_SIZE = 50
LARGEST_SIZE = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageQuery:
    """How many rows to read, and after which key."""

    size: int
    after: tuple[Any, ...] | None
    query: str

    @classmethod
    def of(cls, request: Message, *kinds: type) -> PageQuery:
        """The page that a List request asks for; `kinds` are the types of the sort key (str, int, datetime)."""
        size = min(request.page_size or DEFAULT_SIZE, LARGEST_SIZE)  # type: ignore[attr-defined]
        token = request.page_token  # type: ignore[attr-defined]
        query = fingerprint(request)
        return cls(size, read_token(token, query, kinds) if token else None, query)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of rows and the token of the next."""

    rows: Sequence[T]
    next_token: str


def cut(rows: Sequence[T], page: PageQuery, *key: str) -> Page[T]:
    """A page from up to `size + 1` rows in order; `key` names the attributes of the sort key."""
    shown = rows[: page.size]
    if len(rows) <= page.size:
        return Page(shown, "")
    return Page(shown, write_token([getattr(shown[-1], name) for name in key], page.query))


def fingerprint(request: Message) -> str:
    """What the query asks for, without the page: a token of another query does not fit."""
    query = type(request)()
    query.CopyFrom(request)
    query.ClearField("page_size")
    query.ClearField("page_token")
    name = request.DESCRIPTOR.full_name.encode()
    return hashlib.blake2s(name + query.SerializeToString(deterministic=True), digest_size=8).hexdigest()


def write_token(key: Sequence[Any], query: str) -> str:
    """The token that continues after `key`."""
    values = [value.isoformat() if isinstance(value, datetime) else value for value in key]
    return base64.urlsafe_b64encode(json.dumps([query, *values]).encode()).decode()


def read_token(token: str, query: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    """The key in a token; Invalid (`PAGE_TOKEN_INVALID`) for anything but a token of this very query."""
    try:
        bound, *values = json.loads(base64.urlsafe_b64decode(token.encode()))
        key = tuple(
            datetime.fromisoformat(value) if kind is datetime else value
            for kind, value in zip(kinds, values, strict=True)
        )
        if bound != query or not all(isinstance(value, kind) for kind, value in zip(kinds, key, strict=True)):
            raise ValueError
        for value in key:
            require_storable(value)
        return key
    except (ValueError, TypeError, RecursionError) as error:
        message = "this page_token does not belong to this query"
        raise Invalid("PAGE_TOKEN_INVALID", message, [FieldViolation("page_token", message)]) from error


def require_storable(value: Any) -> None:
    """ValueError for what PostgreSQL could not take: NUL, half a character, a number beyond 64 bits."""
    if isinstance(value, str) and b"\0" in value.encode():
        raise ValueError
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError
