"""Words for the tests of identity: people with tokens, the three kinds of group, and rights that change soon."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from eridu.common.v1 import access_pb2
from eridu.identity.v1 import client_service_pb2, platform_service_pb2, studio_pb2, studio_service_pb2
from eridu.identity.v1.membership_pb2 import Membership
from eridu.identity.v1.membership_service_pb2 import (
    ChangeMembershipRoleRequest,
    GrantMembershipRequest,
    ListMembershipsRequest,
    RevokeMembershipRequest,
)
from eridu.identity.v1.user_pb2 import User
from eridu.identity.v1.user_service_pb2 import CreateUserRequest, GetUserRequest, ListUsersRequest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.house import unique
from tests.support.suite import As, Refusal, Suite, until

MEMBER, MANAGER, ADMIN = access_pb2.ROLE_MEMBER, access_pb2.ROLE_MANAGER, access_pb2.ROLE_ADMIN
INVALID, NOT_FOUND, THERE, REFUSED, STALE, DENIED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.PERMISSION_DENIED,
)
SOON = 1.0  # seconds until other rights are in force: what the protos promise


def an_email() -> str:
    """An address that nobody else has."""
    return f"{uuid.uuid4().hex}@example.org"


@dataclass(frozen=True)
class Person:
    """Somebody with a token: a user, and the way to call as that user."""

    user: Any
    call: As

    @property
    def uid(self) -> str:
        """The user's uid."""
        return str(self.user.uid)

    async def __call__(self, request: Any) -> Any:
        """Call as this person."""
        return await self.call(request)


async def somebody(suite: Suite, group_uid: str = "", role: Any = MEMBER, **more: Any) -> Person:
    """A person whom nobody else knows, with a role in a group if one is named."""
    ext_id = uuid.uuid4().hex
    given = {"ext_id": ext_id, "email": an_email(), "name": unique("person")} | more
    person = Person(await suite.caller()(CreateUserRequest(**given)), suite.caller(given["ext_id"]))
    if group_uid:
        await grant(suite, person, group_uid, role)
    return person


async def user_of(suite: Suite, uid: str) -> User:
    """A user as system admins see it."""
    answer: User = await suite.caller()(GetUserRequest(uid=uid))
    return answer


def give(person: Person, group_uid: str, role: Any = MEMBER, **more: Any) -> GrantMembershipRequest:
    """A request to take a person into a group."""
    return GrantMembershipRequest(user_uid=person.uid, group_uid=group_uid, role=role, **more)


async def grant(suite: Suite, person: Person, group_uid: str, role: Any = MEMBER, **more: Any) -> Membership:
    """A membership, granted by the system admin."""
    answer: Membership = await suite.caller()(give(person, group_uid, role, **more))
    return answer


async def listed(who: Any, **query: Any) -> list[Membership]:
    """The memberships that a list has."""
    return list((await who(ListMembershipsRequest(**query))).memberships)


async def membership_of(suite: Suite, person: Person, group_uid: str) -> Membership:
    """The one membership of a person in a group."""
    [found] = await listed(suite.caller(), user_uid=person.uid, group_uid=group_uid)
    return found


def people_of(group_uid: str) -> ListUsersRequest:
    """What every member of a group may ask, and no other tenant."""
    return ListUsersRequest(group_uid=group_uid)


def in_seconds(seconds: float) -> Timestamp:
    """A time from now."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return stamp


@dataclass(frozen=True)
class Kind:
    """A kind of group: the module of its requests, what it has beside its name, and who may change it."""

    noun: str
    prefix: str
    api: Any
    fields: dict[str, Any]
    editor: Any

    @property
    def code(self) -> str:
        """How its reasons begin."""
        return self.noun.upper()

    def ask(self, verb: str, **given: Any) -> Any:
        """A request about one of them: `ask("Get", uid=…)`."""
        return getattr(self.api, f"{verb}{self.noun.capitalize()}Request")(**given)

    def ask_many(self, verb: str, **given: Any) -> Any:
        """A request about several of them: `ask_many("List")`."""
        return getattr(self.api, f"{verb}{self.noun.capitalize()}sRequest")(**given)

    def found(self, answer: Any) -> list[Any]:
        """Those in an answer."""
        return list(getattr(answer, f"{self.noun}s"))

    async def make(self, suite: Suite, name: str = "", **more: Any) -> Any:
        """A group of this kind."""
        given = {**self.fields, "name": name or unique(self.noun)} | more
        return await suite.caller()(self.ask("Create", **given))

    def __str__(self) -> str:
        return self.noun


CLIENTS = Kind(
    "client",
    "client",
    client_service_pb2,
    {"contact_person": "Ada", "contact_email": "ada@example.org", "metadata": {"tier": "gold"}},
    MANAGER,
)
STUDIOS = Kind(
    "studio",
    "studio",
    studio_service_pb2,
    {
        "address": "1 Ziggurat Road",
        "time_zone": "Europe/Brussels",
        "operational_day_start": "05:30",
        "task_gate": studio_pb2.TASK_GATE_WARN,
        "client_approval": True,
        "metadata": {"floors": [1, 2]},
    },
    ADMIN,
)
PLATFORMS = Kind(
    "platform",
    "plat",
    platform_service_pb2,
    {"settings": {"bitrate": 6000}, "metadata": {"region": "eu"}},
    MANAGER,
)

of_each_kind = pytest.mark.parametrize("kind", [CLIENTS, STUDIOS, PLATFORMS], ids=str)


Losing = Callable[[str], Any]  # a request that takes the role of an admin away, for the uid of a membership

of_each_loss = pytest.mark.parametrize(
    "losing",
    [lambda uid: RevokeMembershipRequest(uid=uid), lambda uid: ChangeMembershipRoleRequest(uid=uid, role=MANAGER)],
    ids=["revoke", "demote"],
)


async def refusal_of(call: Awaitable[Any]) -> Refusal | None:
    """The refusal of a call; None when it was answered."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return Refusal(error)
    return None


async def soon(who: Any, request: Any, reason: str = "") -> None:
    """Wait until a call is refused for this reason, or answered when none is named."""

    async def is_so() -> bool:
        refusal = await refusal_of(who(request))
        return (refusal.reason if refusal else "") == reason

    await until(is_so, within=SOON)


async def pages(who: Any, request: Any, field: str) -> list[list[Any]]:
    """All pages of a list."""
    found = []
    while True:
        page = await who(request)
        found.append(list(getattr(page, field)))
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found
