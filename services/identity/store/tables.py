"""The tables, and which refusal each constraint is."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from libs.common.db import Refusals, tables
from libs.common.errors import AlreadyExists
from libs.common.tables import Time, Word, entity_table, unique_while_living
from services.identity.domain.group import Client, Group, Platform, Studio, TaskGate
from services.identity.domain.membership import Role
from services.identity.domain.nouns import CLIENT, GROUPS, PLATFORM, STUDIO

METADATA = tables("identity")

user = entity_table(
    "user",
    METADATA,
    Column("ext_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("system_admin", Boolean, nullable=False),
    Column("banned_at", Time),
    Column("ban_reason", Text, nullable=False, server_default=""),
)
Index(
    "user_ext_id_key", user.c.ext_id, unique=True, postgresql_where=user.c.deleted_at.is_(None) & (user.c.ext_id != "")
)
unique_while_living("user_email_key", user.c.email)

client = entity_table(
    "client",
    METADATA,
    Column("name", Text, nullable=False),
    Column("contact_person", Text, nullable=False),
    Column("contact_email", Text, nullable=False),
)
studio = entity_table(
    "studio",
    METADATA,
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("operational_day_start", Text, nullable=False),
    Column("task_gate", Word(TaskGate), nullable=False),
    Column("client_approval", Boolean, nullable=False, server_default="false"),
)
platform = entity_table(
    "platform",
    METADATA,
    Column("name", Text, nullable=False),
    Column("settings", JSONB, nullable=False, server_default="{}"),
    Column("api_config_set_at", Time),
)
for group in (client, studio, platform):
    unique_while_living(f"{group.name}_name_key", group.c.name)

api_config = Table(
    "api_config",
    METADATA,
    Column("platform_id", BigInteger, ForeignKey(platform.c.id), primary_key=True, autoincrement=False),
    Column("key_id", Text, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Index("api_config_key_id_idx", "key_id"),
)

membership = entity_table(
    "membership",
    METADATA,
    Column("user_id", BigInteger, ForeignKey(user.c.id), nullable=False),
    Column("client_id", BigInteger, ForeignKey(client.c.id)),
    Column("studio_id", BigInteger, ForeignKey(studio.c.id)),
    Column("platform_id", BigInteger, ForeignKey(platform.c.id)),
    Column("role", Word(Role), nullable=False),
    Column("starts_at", Time),
    Column("ends_at", Time),
    CheckConstraint("num_nonnulls(client_id, studio_id, platform_id) = 1", name="one_group"),
    CheckConstraint("starts_at < ends_at", name="period"),
)
for key in (membership.c.client_id, membership.c.studio_id, membership.c.platform_id):
    unique_while_living(f"membership_{key.name}_key", membership.c.user_id, key)
    Index(f"membership_{key.name}_idx", key)

KINDS: dict[str, tuple[Table, type[Group]]] = {
    CLIENT: (client, Client),
    STUDIO: (studio, Studio),
    PLATFORM: (platform, Platform),
}

audit = Table(
    "audit",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_uid", UUID(as_uuid=False), nullable=False, unique=True),
    Column("occurred_at", Time, nullable=False),
    Column("service", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False),
    Column("person", Text, Computed("CASE WHEN on_behalf_of = '' THEN actor ELSE on_behalf_of END", persisted=True)),
    Column("entity_uid", Text, nullable=False),
    Column("entity_version", BigInteger, nullable=False),
    Column("studio_uid", Text, nullable=False),
    Column("client_uid", Text, nullable=False),
    Column("platform_uid", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("old_values", JSONB, nullable=False),
    Column("new_values", JSONB, nullable=False),
    comment="append-only",
)
Index("audit_time_idx", audit.c.occurred_at, audit.c.event_uid)
for name in ("entity_uid", "person", "action", "actor"):
    Index(f"audit_{name}_idx", audit.c[name], audit.c.occurred_at, audit.c.event_uid)
for name in ("studio_uid", "client_uid", "platform_uid"):
    of_some = audit.c[name] != ""
    Index(f"audit_{name}_idx", audit.c[name], audit.c.occurred_at, audit.c.event_uid, postgresql_where=of_some)

dependant = Table(
    "dependant",
    METADATA,
    Column("entity_uid", Text, primary_key=True),
    Column("noun", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("groups", JSONB, nullable=False),
)
Index("dependant_groups_idx", dependant.c.groups, postgresql_using="gin")

REFUSALS: Refusals = {
    "user_ext_id_key": lambda: AlreadyExists("EXT_ID_TAKEN", "a user with this ext_id is there already"),
    "user_email_key": lambda: AlreadyExists("EMAIL_TAKEN", "a user with this e-mail is there already"),
    **{
        f"{noun}_name_key": lambda noun=noun: AlreadyExists(  # type: ignore[misc]
            f"{noun.upper()}_NAME_TAKEN", f"a {noun} with this name is there already"
        )
        for noun in GROUPS
    },
    **{
        f"membership_{noun}_id_key": lambda: AlreadyExists(
            "MEMBERSHIP_EXISTS", "the user is a member of this group already"
        )
        for noun in GROUPS
    },
}
