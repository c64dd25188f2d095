"""What every proto keeps to: buf lint knows the usual rules, these are the house's own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from eridu.common.v1 import access_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet, MethodOptions

CLONE = Path(__file__).resolve().parents[2]
PROTOS = CLONE / "protos"

MESSAGES, ENUMS, SERVICES = 4, 5, 6  # numbers of a FileDescriptorProto's fields: paths of comments are made of them
FIELDS, NESTED, NESTED_ENUMS = 2, 3, 4  # of a DescriptorProto's
PARTS = 2  # an enum's values, a service's methods


@cache
def files() -> list[Any]:
    """Every file of ours, with its comments."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "all.pb"
        names = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "eridu").rglob("*.proto"))
        protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{PROTOS}/third_party"]
        subprocess.run([*protoc, f"--descriptor_set_out={out}", "--include_source_info", *names], check=True)
        return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def methods() -> Iterator[tuple[str, Any]]:
    """Every RPC: its path and itself."""
    for file in files():
        for service in file.service:
            for method in service.method:
                yield f"{file.package}.{service.name}/{method.name}", method


def request_of(method: Any) -> DescriptorProto:
    """The message that an RPC takes."""
    known = {f".{file.package}.{message.name}": message for file in files() for message in file.message_type}
    return cast(DescriptorProto, known[method.input_type])


def mutates(method: Any) -> bool:
    """Whether an RPC changes something, and again when it is repeated."""
    return bool(method.options.idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN)


def commented(file: Any) -> set[tuple[int, ...]]:
    """The paths of all that has a comment."""
    return {tuple(place.path) for place in file.source_code_info.location if place.leading_comments.strip()}


def messages(found: Any, path: tuple[int, ...], number: int) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Messages, those inside of messages too; not the entries of maps."""
    for index, message in enumerate(found):
        here = (*path, number, index)
        if not message.options.map_entry:
            yield message, here
            yield from messages(message.nested_type, here, NESTED)


def parts(file: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """All that needs a comment: services, RPCs, messages, fields, enums and their values except UNSPECIFIED."""
    enums: list[tuple[Any, tuple[int, ...]]] = [(enum, (ENUMS, index)) for index, enum in enumerate(file.enum_type)]
    for message, path in messages(file.message_type, (), MESSAGES):
        yield message.name, path
        enums += [(enum, (*path, NESTED_ENUMS, index)) for index, enum in enumerate(message.enum_type)]
        for index, field in enumerate(message.field):
            yield f"{message.name}.{field.name}", (*path, FIELDS, index)
    for enum, path in enums:
        yield enum.name, path
        for index, value in enumerate(enum.value):
            if not value.name.endswith("_UNSPECIFIED"):
                yield value.name, (*path, PARTS, index)
    for number, service in enumerate(file.service):
        yield service.name, (SERVICES, number)
        for index, method in enumerate(service.method):
            yield f"{service.name}.{method.name}", (SERVICES, number, PARTS, index)


def test_all_is_explained():
    silent = [f"{file.name}: {name}" for file in files() for name, path in parts(file) if path not in commented(file)]
    assert silent == []


def test_every_rpc_declares_who_may_call_it():
    undeclared = [
        name
        for name, method in methods()
        if method.options.Extensions[access_pb2.access].who == access_pb2.Access.WHO_UNSPECIFIED
    ]
    assert undeclared == []


def test_members_are_named_with_group_and_role_and_only_they():
    for name, method in methods():
        access = method.options.Extensions[access_pb2.access]
        assert bool(access.any_of) == (access.who == access_pb2.Access.WHO_MEMBER), name
        assert all(grant.group and grant.min_role for grant in access.any_of), name


def test_every_change_takes_a_request_id_unless_it_may_be_repeated_as_it_is():
    without = [
        name
        for name, method in methods()
        if mutates(method) and "request_id" not in {field.name for field in request_of(method).field}
    ]
    assert without == []


def test_every_list_comes_in_pages():
    for name, method in methods():
        if re.match(r"List", method.name):
            fields = {field.name for field in request_of(method).field}
            assert {"page_size", "page_token"} <= fields, name
