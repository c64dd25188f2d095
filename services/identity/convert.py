"""Between identity's domain and its messages, and what the ledger says of its changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from eridu.common.v1 import access_pb2
from eridu.common.v1.access_pb2 import Access
from eridu.common.v1.change_pb2 import Change
from eridu.identity.v1 import (
    access_service_pb2,
    audit_pb2,
    client_pb2,
    events_pb2,
    membership_pb2,
    platform_pb2,
    studio_pb2,
    user_pb2,
)
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from libs.common.access import Principal
from libs.common.ledger import Entry, entry
from libs.common.messages import set_time, stamp, time_of
from libs.common.rpc import catalog
from services.identity.domain.access import Declaration, Question, Reason, Rights, Who
from services.identity.domain.group import DAY_START, Client, Group, Platform, Studio, TaskGate
from services.identity.domain.membership import Membership, Role
from services.identity.domain.nouns import CLIENT, PLATFORM, STUDIO, noun_of, scope_of
from services.identity.domain.trail import Audit, Dependant, dependant
from services.identity.domain.user import User

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

WHO_OF = {
    Access.WHO_SIGNED_IN: Who.SIGNED_IN,
    Access.WHO_MEMBER: Who.MEMBER,
    Access.WHO_SYSTEM_ADMIN: Who.SYSTEM_ADMIN,
    Access.WHO_SERVICE: Who.SERVICE,
}
NOUNS = {
    access_pb2.GROUP_KIND_CLIENT: CLIENT,
    access_pb2.GROUP_KIND_STUDIO: STUDIO,
    access_pb2.GROUP_KIND_PLATFORM: PLATFORM,
}
REASONS = {reason: access_service_pb2.AccessReason.Value(f"ACCESS_REASON_{reason.name}") for reason in Reason}


def user(entity: User) -> user_pb2.User:
    """A user as a message."""
    message = user_pb2.User(
        uid=entity.uid,
        ext_id=entity.ext_id,
        email=entity.email,
        name=entity.name,
        system_admin=entity.system_admin,
        ban_reason=entity.ban_reason,
    )
    set_time(message.banned_at, entity.banned_at)
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
        client_approval=entity.client_approval,
    )
    stamp(message, entity)
    return message


def platform(entity: Platform) -> platform_pb2.Platform:
    """A platform as a message."""
    message = platform_pb2.Platform(uid=entity.uid, name=entity.name)
    if entity.settings:
        message.settings.update(entity.settings)
    set_time(message.api_config_set_at, entity.api_config_set_at)
    stamp(message, entity)
    return message


def group(entity: Group) -> Message:
    """A group of any kind as its message."""
    made: dict[str, Callable[[Any], Message]] = {CLIENT: client, STUDIO: studio, PLATFORM: platform}
    return made[noun_of(entity.uid)](entity)


def membership(entity: Membership) -> membership_pb2.Membership:
    """A membership as a message."""
    message = membership_pb2.Membership(
        uid=entity.uid, user_uid=entity.user_uid, group_uid=entity.group_uid, role=ROLES[entity.role]
    )
    set_time(message.starts_at, entity.starts_at)
    set_time(message.ends_at, entity.ends_at)
    stamp(message, entity)
    return message


def event_of(noun: str, verb: str) -> Any:
    """The event that says what was done: `PlatformApiConfigSet` for `platform` and `api_config_set`."""
    return getattr(events_pb2, noun.capitalize() + verb.title().replace("_", ""))


def said_of_user(verb: str, before: User | None, after: User, reason: str = "") -> Entry:
    """The ledger entry of a changed user."""
    event = event_of("user", verb)(user=user(after))
    return entry(f"identity.user.{verb}", event, before, after, reason=reason)


def said_of_group(verb: str, before: Group | None, after: Group, reason: str = "") -> Entry:
    """The ledger entry of a changed group: it lies in itself."""
    noun = noun_of(after.uid)
    event = event_of(noun, verb)(**{noun: group(after)})
    return entry(f"identity.{noun}.{verb}", event, before, after, reason=reason, **scope_of(after.uid))


def said_of_membership(verb: str, before: Membership | None, after: Membership, ext_id: str, reason: str) -> Entry:
    """The ledger entry of a changed membership: it lies in its group."""
    event = event_of("membership", verb)(membership=membership(after), ext_id=ext_id)
    return entry(f"identity.membership.{verb}", event, before, after, reason=reason, **scope_of(after.group_uid))


def principal(rights: Rights) -> access_service_pb2.Principal:
    """A caller's rights as a message."""
    message = access_service_pb2.Principal(
        user_uid=rights.user_uid,
        system_admin=rights.system_admin,
        roles=[access_service_pb2.GroupRole(group_uid=uid, role=ROLES[role]) for uid, role in rights.roles.items()],
        banned=rights.banned,
    )
    set_time(message.valid_until, rights.valid_until)
    return message


def known_principal(rights: Rights) -> Principal:
    """A caller's rights as identity's own interceptors take them."""
    roles = {uid: ROLES[role] for uid, role in rights.roles.items()}
    more = {} if rights.valid_until is None else {"valid_until": rights.valid_until.timestamp()}
    return Principal(rights.user_uid, rights.system_admin, roles, rights.banned, **more)


def question(asked: access_service_pb2.AccessQuestion, caller_uid: str) -> Question:
    """A question of access; one that names a method is about its declaration."""
    if asked.method:
        method = catalog.methods().get(asked.method)
        declared = declaration(catalog.access_of(method)) if method is not None else None
    else:
        declared = Declaration(Who.MEMBER, dict.fromkeys(NOUNS.values(), ROLE_OF[asked.min_role]))
    return Question(asked.user_uid or caller_uid, declared, tuple(asked.group_uids))


def declaration(access: Access) -> Declaration:
    """What an RPC's proto declares."""
    return Declaration(WHO_OF[access.who], {NOUNS[one.group]: ROLE_OF[one.min_role] for one in access.any_of})


def access_answer(reason: Reason) -> access_service_pb2.AccessAnswer:
    """An answer of access as a message."""
    return access_service_pb2.AccessAnswer(allowed=reason.allows, reason=REASONS[reason])


def audited(service: str, change: Change) -> Audit:
    """The audit part of an event of some service."""
    return Audit(
        event_uid=change.event_uid,
        occurred_at=time_of(change.occurred_at),
        service=service,
        action=change.action,
        actor=change.actor,
        on_behalf_of=change.on_behalf_of,
        entity_uid=change.entity_uid,
        entity_version=change.entity_version,
        studio_uid=change.studio_uid,
        client_uid=change.client_uid,
        platform_uid=change.platform_uid,
        reason=change.reason,
        request_id=change.request_id,
        trace_id=change.trace_id,
        old_values=json.loads(change.old_values or "{}"),
        new_values=json.loads(change.new_values or "{}"),
    )


def dependant_of(audit: Audit, event: Any) -> Dependant | None:
    """What an event says about the groups of its entity; a show tells its platforms."""
    platforms = [one.platform_uid for one in event.show.platforms] if audit.action.startswith("show.") else []
    return dependant(audit, platforms)


def audit(entity: Audit) -> audit_pb2.Audit:
    """A change of the trail as a message."""
    names = [field.name for field in audit_pb2.Audit.DESCRIPTOR.fields]
    plain = {name: getattr(entity, name) for name in names if name not in {"uid", "occurred_at", *VALUES}}
    message = audit_pb2.Audit(uid=entity.event_uid, **plain)
    set_time(message.occurred_at, entity.occurred_at)
    for name in VALUES:
        if getattr(entity, name):
            getattr(message, name).update(getattr(entity, name))
    return message


VALUES = ("old_values", "new_values")


def moment(message: Any, field: str) -> datetime | None:
    """A time that a request may leave out."""
    stamp: Timestamp = getattr(message, field)
    return time_of(stamp) if message.HasField(field) else None
