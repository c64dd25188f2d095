from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from libs.common.errors import Invalid
from libs.common.messages import METADATA_BYTES, METADATA_DEPTH, metadata_of, time_of


def struct(values: dict[str, Any]) -> Struct:
    made = Struct()
    made.update(values)
    return made


def nested(levels: int, kind: str) -> dict[str, Any]:
    """An object with so many levels, objects or lists all the way down."""
    value: Any = 1
    for _ in range(levels - 1):
        value = {"a": value} if kind == "objects" else [value]
    return {"a": value}


def test_free_json_comes_through_as_it_was():
    values = {"a": 1.5, "b": [True, None, "ü", {"c": []}], "d": {}}
    assert metadata_of(struct(values)) == values
    assert metadata_of(Struct()) == {}


@pytest.mark.parametrize("kind", ["objects", "lists"])
def test_free_json_has_a_greatest_depth(kind: str):
    assert metadata_of(struct(nested(METADATA_DEPTH, kind)))
    with pytest.raises(Invalid) as refused:
        metadata_of(struct(nested(METADATA_DEPTH + 1, kind)))
    assert (refused.value.reason, refused.value.violations[0].field) == ("METADATA_INVALID", "metadata")


def test_the_size_of_free_json_is_counted_in_bytes_of_utf8():
    room = METADATA_BYTES - len('{"a": ""}')
    assert metadata_of(struct({"a": "x" * room}))
    assert metadata_of(struct({"a": "ü" * (room // 2)}))
    for long in ("x" * (room + 1), "ü" * (room // 2 + 1)):
        with pytest.raises(Invalid):
            metadata_of(struct({"a": long}))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_write_is_refused_wherever_it_hides(number: float):
    for values in ({"a": number}, {"a": [number]}, {"a": [[{"b": number}]]}):
        with pytest.raises(Invalid):
            metadata_of(struct(values))


def test_a_value_without_a_kind_is_null():
    made = Struct()
    made.fields["a"].SetInParent()
    assert metadata_of(made) == {"a": None}


def test_times_are_read_to_the_microsecond():
    assert time_of(Timestamp(seconds=1, nanos=2999)) == datetime(1970, 1, 1, 0, 0, 1, 2, UTC)


@pytest.mark.parametrize(("seconds", "nanos"), [(2**40, 0), (-(2**40), 0), (0, -1), (0, 10**9)])
def test_a_time_outside_the_calendar_is_refused(seconds: int, nanos: int):
    with pytest.raises(Invalid) as refused:
        time_of(Timestamp(seconds=seconds, nanos=nanos))
    assert refused.value.reason == "TIME_INVALID"
