"""Between identity's domain and its messages."""

from __future__ import annotations

from eridu.common.v1 import access_pb2
from eridu.identity.v1 import (
    access_service_pb2,
    client_pb2,
    membership_pb2,
    platform_pb2,
    studio_pb2,
    user_pb2,
)

from libs.common.access import Principal
from libs.common.messages import stamp
from services.identity.domain import DAY_START, Client, Membership, Platform, Role, Studio, TaskGate, User

ROLES = {
    Role.MEMBER: access_pb2.ROLE_MEMBER,
    Role.MANAGER: access_pb2.ROLE_MANAGER,
    Role.ADMIN: access_pb2.ROLE_ADMIN,
}
ROLE_OF = {value: role for role, value in ROLES.items()}
LEAST_ROLE = access_pb2.ROLE_MEMBER

GATES = {
    TaskGate.BLOCK: studio_pb2.TASK_GATE_BLOCK,
    TaskGate.WARN: studio_pb2.TASK_GATE_WARN,
    TaskGate.OFF: studio_pb2.TASK_GATE_OFF,
}
GATE_OF = {value: gate for gate, value in GATES.items()} | {studio_pb2.TASK_GATE_UNSPECIFIED: TaskGate.BLOCK}


def user(entity: User) -> user_pb2.User:
    """A user as a message."""
    message = user_pb2.User(
        uid=entity.uid,
        ext_id=entity.ext_id,
        email=entity.email,
        name=entity.name,
        system_admin=entity.system_admin,
    )
    stamp(message, entity)
    return message


def client(entity: Client) -> client_pb2.Client:
    """A client as a message."""
    message = client_pb2.Client(
        uid=entity.uid,
        name=entity.name,
        contact_person=entity.contact_person,
        contact_email=entity.contact_email,
    )
    stamp(message, entity)
    return message


def studio(entity: Studio) -> studio_pb2.Studio:
    """A studio as a message."""
    message = studio_pb2.Studio(
        uid=entity.uid,
        name=entity.name,
        address=entity.address,
        time_zone=entity.time_zone,
        operational_day_start=entity.operational_day_start or DAY_START,
        task_gate=GATES[entity.task_gate],
    )
    stamp(message, entity)
    return message


def platform(entity: Platform) -> platform_pb2.Platform:
    """A platform as a message."""
    message = platform_pb2.Platform(uid=entity.uid, name=entity.name)
    stamp(message, entity)
    return message


def membership(entity: Membership) -> membership_pb2.Membership:
    """A membership as a message."""
    message = membership_pb2.Membership(
        uid=entity.uid, user_uid=entity.user_uid, group_uid=entity.group_uid, role=ROLES[entity.role]
    )
    stamp(message, entity)
    return message


def principal(known: Principal) -> access_service_pb2.Principal:
    """A caller's rights as a message."""
    return access_service_pb2.Principal(
        user_uid=known.user_uid,
        system_admin=known.system_admin,
        roles=[access_service_pb2.GroupRole(group_uid=group, role=role) for group, role in known.roles.items()],
    )
