"""Who may call what: a table of all RPCs of the suite, made from what their protos declare (`make access`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from eridu.common.v1 import access_pb2
from eridu.common.v1.access_pb2 import Access
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from libs.common.rpc import catalog

ORDER = ("identity", "scheduling", "production", "tasks")  # as everywhere; services unknown here come after them

WORDS = {
    Access.WHO_UNSPECIFIED: "nobody has declared it",
    Access.WHO_SIGNED_IN: "everybody signed in",
    Access.WHO_SYSTEM_ADMIN: "system admins",
    Access.WHO_SERVICE: "services only",
}

HEAD = """# Who may call what

Every RPC of the suite, as its proto declares it and the server enforces it. `make access` writes this page; a test
holds it against the protos, so that a change of rights is seen in the diff.

- A role is the least that is enough: a manager may all that a member may, an admin all that a manager may. It counts in
  the group in which the stored subject of the request lies; one of those named is enough.
- "Everybody signed in" says who may ask; what is answered is only what the caller may see.
- System admins may call all that users may.
- A service calls in its own name, or for a user whose token it passes on, who needs the right too. No other may call.
"""


def rpc_services() -> list[ServiceDescriptor]:
    """All gRPC services of the suite: by service of ours, then by name."""
    return sorted(catalog.services(), key=lambda one: (*place(owner(one)), one.name))


def rpcs() -> Iterator[MethodDescriptor]:
    """All RPCs of the suite, in the order of the table."""
    for service in rpc_services():
        yield from cast(Any, service.methods)


def owner(service: ServiceDescriptor) -> str:
    """The service of ours that answers: `identity`."""
    return str(service.file.package.split(".")[1])


def place(name: str) -> tuple[int, str]:
    """Where a service of ours stands among the others."""
    return (ORDER.index(name) if name in ORDER else len(ORDER)), name


def access_of(method: MethodDescriptor) -> Access:
    """What the RPC declares."""
    return method.GetOptions().Extensions[access_pb2.access]


def who(access: Access) -> str:
    """The callers in words: `member of the client / manager of the studio`."""
    if access.who == Access.WHO_MEMBER:
        return " / ".join(
            f"{word(access_pb2.Role.Name(grant.min_role))} of the {word(access_pb2.GroupKind.Name(grant.group))}"
            for grant in access.any_of
        )
    return WORDS[access.who]


def word(name: str) -> str:
    """The word in the name of an enum's value: `GROUP_KIND_CLIENT` is `client`."""
    return re.sub(r"^(ROLE|GROUP_KIND)_", "", name).lower()


def table() -> str:
    """The page."""
    lines: list[str] = [HEAD.rstrip()]
    section = ""
    for method in rpcs():
        service = method.containing_service
        if owner(service) != section:
            section = owner(service)
            lines += ["", f"## {section}", "", "| RPC | who | services |", "|---|---|---|"]
        access = access_of(method)
        lines.append(f"| {service.name}/{method.name} | {who(access)} | {', '.join(access.services) or '–'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
