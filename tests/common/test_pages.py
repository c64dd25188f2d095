from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from eridu.identity.v1.client_service_pb2 import ListClientsRequest
from eridu.identity.v1.studio_service_pb2 import ListStudiosRequest
from eridu.identity.v1.user_service_pb2 import ListUsersRequest

from libs.common.errors import Invalid
from libs.common.pages import LARGEST_SIZE, PageQuery, cut, fingerprint

KEY = (str, str)


@dataclass
class Row:
    name: str
    uid: str


ROWS = [Row(f"name {number}", f"uid {number}") for number in range(10)]


def token_of(request: ListClientsRequest, size: int = 3) -> str:
    """A sound token: where the first page of a query ends."""
    request.page_size = size
    return cut(ROWS[: size + 1], PageQuery.of(request, *KEY), "name", "uid").next_token


def forged(*values: object, request: ListClientsRequest | None = None) -> str:
    """A token that somebody wrote by hand."""
    query = fingerprint(request or ListClientsRequest())
    return base64.urlsafe_b64encode(json.dumps([query, *values]).encode()).decode()


def test_a_token_continues_after_the_last_row_shown():
    token = token_of(ListClientsRequest())
    assert PageQuery.of(ListClientsRequest(page_token=token), *KEY).after == ("name 2", "uid 2")


def test_the_last_page_has_no_token():
    page = cut(ROWS[:3], PageQuery.of(ListClientsRequest(page_size=3), *KEY), "name", "uid")
    assert (len(page.rows), page.next_token) == (3, "")


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (1, 1), (500, 500), (501, LARGEST_SIZE), (2**31 - 1, 500)])
def test_a_page_size_has_a_default_and_a_bound(asked: int, given: int):
    assert PageQuery.of(ListClientsRequest(page_size=asked), *KEY).size == given


def test_the_page_size_may_change_between_pages():
    token = token_of(ListClientsRequest(names=["a"]), 3)
    assert PageQuery.of(ListClientsRequest(names=["a"], page_size=7, page_token=token), *KEY).size == 7


def test_times_survive_the_token():
    at = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)

    @dataclass
    class Aged:
        created_at: datetime
        uid: str

    page = PageQuery.of(ListUsersRequest(page_size=1), datetime, str)
    token = cut([Aged(at, "a"), Aged(at, "b")], page, "created_at", "uid").next_token
    assert PageQuery.of(ListUsersRequest(page_token=token), datetime, str).after == (at, "a")


SOUND = token_of(ListClientsRequest())


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "äöü",
        "%%%",
        SOUND[:-8],
        SOUND[4:],
        SOUND[::-1],
        forged(),
        forged("a"),
        forged("a", 1),
        forged("a", None),
        forged("a", ["b"]),
        forged("a", "b", "c"),
        forged("a\0", "b"),
        forged("a", "\ud800"),
        base64.urlsafe_b64encode(b"[" * 900).decode(),
        base64.urlsafe_b64encode(b"17").decode(),
        base64.urlsafe_b64encode(b'{"a": 1}').decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_a_forged_or_broken_token_is_refused(token: str):
    with pytest.raises(Invalid) as refused:
        PageQuery.of(ListClientsRequest(page_token=token), *KEY)
    assert refused.value.reason == "PAGE_TOKEN_INVALID"
    assert [violation.field for violation in refused.value.violations] == ["page_token"]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "7", 7.5])
def test_a_number_in_a_token_must_be_one_that_the_database_knows(value: object):
    with pytest.raises(Invalid):
        PageQuery.of(ListClientsRequest(page_token=forged(value)), int)


def test_a_token_of_another_query_is_refused():
    token = token_of(ListClientsRequest(names=["a"]))
    for other in (ListClientsRequest(names=["b"]), ListClientsRequest(uids=["a"]), ListStudiosRequest(names=["a"])):
        other.page_token = token
        with pytest.raises(Invalid):
            PageQuery.of(other, *KEY)
