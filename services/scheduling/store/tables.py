"""The tables of scheduling, and what their constraints mean to callers."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint

from libs.common.db import Refusals, tables
from libs.common.errors import AlreadyExists
from libs.common.tables import Time, Word, entity_table, unique_while_living
from services.scheduling.domain.hold import HoldState
from services.scheduling.domain.resource import ResourceKind
from services.scheduling.domain.schedule import ScheduleStatus
from services.scheduling.domain.version import Cause

METADATA = tables("scheduling")

# Rooms and MCs draw their keys from one sequence, so that one constraint over `resource_id` serves both.
resource_key = Sequence("resource_key", metadata=METADATA, schema="scheduling")

room = entity_table(
    "room",
    METADATA,
    Column("studio_uid", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("capabilities", ARRAY(Text, as_tuple=True), nullable=False),
    Column("turnaround_before", Integer, nullable=False),
    Column("turnaround_after", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("equipment", ARRAY(Text, as_tuple=True), nullable=False, server_default=text("'{}'")),
    key=Column("id", BigInteger, resource_key, server_default=resource_key.next_value(), primary_key=True),
)
mc = entity_table(
    "mc",
    METADATA,
    Column("studio_uid", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("user_uid", Text, nullable=False),
    Column("profile", Text, nullable=False, server_default=""),
    Column("banned_at", Time),
    Column("ban_reason", Text, nullable=False, server_default=""),
    key=Column("id", BigInteger, resource_key, server_default=resource_key.next_value(), primary_key=True),
)
unique_while_living("room_name_key", room.c.studio_uid, room.c.name)
unique_while_living("mc_name_key", mc.c.studio_uid, mc.c.name)

schedule = entity_table(
    "schedule",
    METADATA,
    Column("studio_uid", Text, nullable=False),
    Column("client_uid", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("starts_at", Time, nullable=False),
    Column("ends_at", Time, nullable=False),
    Column("status", Word(ScheduleStatus), nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("plan_version", Integer, nullable=False),
    Column("confirmed_version", Integer, nullable=False),
    Column("approved_version", Integer, nullable=False, server_default="0"),
    Column("approved_by", Text, nullable=False, server_default=""),
    Column("approved_at", Time),
)
unique_while_living("schedule_name_key", schedule.c.studio_uid, schedule.c.client_uid, schedule.c.name)
Index("schedule_studio_idx", schedule.c.studio_uid, schedule.c.created_at, schedule.c.uid)
Index("schedule_client_idx", schedule.c.client_uid, schedule.c.created_at, schedule.c.uid)


def planned_columns() -> list[Column[object]]:
    """What a plan says about one show: in the plan, and as it was booked."""
    return [
        Column("external_id", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("room_uid", Text, nullable=False),
        Column("mc_uids", ARRAY(Text, as_tuple=True), nullable=False),
        Column("platform_uids", ARRAY(Text, as_tuple=True), nullable=False),
        Column("type", Text, nullable=False),
        Column("standard", Text, nullable=False),
        Column("starts_at", Time, nullable=False),
        Column("ends_at", Time, nullable=False),
    ]


planned_show = Table(
    "planned_show",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("show_uid", Text, nullable=False, unique=True),
    Column("schedule_uid", Text, ForeignKey(schedule.c.uid), nullable=False),
    *planned_columns(),
    Column("cancelled", Boolean, nullable=False),
    Column("started", Boolean, nullable=False),
    Column("removed_at", Time),
    Column("version", BigInteger, nullable=False),
    Index("planned_show_external_id_key", "schedule_uid", "external_id", unique=True),
    Index("planned_show_start_idx", "schedule_uid", "starts_at", "uid"),
)

plan_version = Table(
    "plan_version",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("schedule_uid", Text, ForeignKey(schedule.c.uid), nullable=False),
    Column("number", Integer, nullable=False),
    Column("cause", Word(Cause), nullable=False),
    Column("actor", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("restored_number", Integer, nullable=False),
    Column("show_count", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    Index("plan_version_number_key", "schedule_uid", "number", unique=True),
    comment="append-only",
)

# A row of a plan as of the version that changed it: version N of a plan is each row's newest state up to N.
plan_version_row = Table(
    "plan_version_row",
    METADATA,
    Column("schedule_uid", Text, primary_key=True),
    Column("show_uid", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("uid", Text, nullable=False),
    *planned_columns(),
    Column("cancelled", Boolean, nullable=False),
    Column("started", Boolean, nullable=False),
    Column("removed_at", Time),
    Column("version", BigInteger, nullable=False),
    ForeignKeyConstraint(["schedule_uid", "number"], [plan_version.c.schedule_uid, plan_version.c.number]),
    Index("plan_version_row_number_idx", "schedule_uid", "number"),
    comment="append-only",
)

show_booking = Table(
    "show_booking",
    METADATA,
    Column("show_uid", Text, primary_key=True),
    Column("confirmation", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("in_force", Boolean, nullable=False),
    Column("studio_uid", Text, nullable=False),
    Column("client_uid", Text, nullable=False),
    Column("schedule_uid", Text, nullable=False),
    *planned_columns(),
)
for name in ("studio_uid", "client_uid"):  # snapshots for those who watch
    Index(
        f"show_booking_{name}_idx",
        show_booking.c[name],
        show_booking.c.ends_at,
        show_booking.c.show_uid,
        postgresql_where=show_booking.c.in_force,
    )
Index("show_booking_schedule_idx", show_booking.c.schedule_uid, postgresql_where=show_booking.c.in_force)
Index("show_booking_client_idx", show_booking.c.client_uid, show_booking.c.studio_uid)

booking = Table(
    "booking",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("show_uid", Text, ForeignKey(show_booking.c.show_uid), nullable=False),
    Column("confirmation", Integer, nullable=False),
    Column("studio_uid", Text, nullable=False),
    Column("client_uid", Text, nullable=False),
    Column("kind", Word(ResourceKind), nullable=False),
    Column("resource_id", BigInteger, nullable=False),
    Column("resource_uid", Text, nullable=False),
    Column("period", TSTZRANGE, nullable=False),  # turnaround included; half-open
    Column("released_at", Time),  # in force while this is empty
    Column("created_at", Time, nullable=False),
    CheckConstraint(
        "NOT isempty(period) AND lower_inc(period) AND NOT upper_inc(period)"
        " AND NOT lower_inf(period) AND NOT upper_inf(period)"
        " AND isfinite(lower(period)) AND isfinite(upper(period))"
        " AND upper(period) - lower(period) <= interval '5 days'",
        name="period",
    ),
)
booking.append_constraint(
    ExcludeConstraint(
        (text("int8range(resource_id, resource_id, '[]')"), "&&"),
        (booking.c.period, "&&"),
        name="booking_no_double_booking",
        using="gist",
        where="released_at IS NULL",
    )
)
Index("booking_show_idx", booking.c.show_uid)
# All that a list by start asks of the time and the state of a booking is in the index: only what is listed is read.
for name, owner in (("studio", "studio_uid"), ("client", "client_uid"), ("resource", "resource_uid")):
    of_time = (text("lower(period)"), booking.c.id, text("upper(period)"), booking.c.released_at)
    Index(f"booking_{name}_idx", booking.c[owner], *of_time)

blackout = entity_table(
    "blackout",
    METADATA,
    Column("studio_uid", Text, nullable=False),
    Column("kind", Word(ResourceKind), nullable=False),
    Column("resource_id", BigInteger, nullable=False),
    Column("resource_uid", Text, nullable=False),
    Column("starts_at", Time, nullable=False),
    Column("ends_at", Time, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("isfinite(starts_at) AND isfinite(ends_at) AND starts_at < ends_at", name="period"),
)
Index(
    "blackout_period_idx",
    text("int8range(resource_id, resource_id, '[]')"),
    func.tstzrange(blackout.c.starts_at, blackout.c.ends_at),
    postgresql_using="gist",
    postgresql_where=blackout.c.deleted_at.is_(None),
)
Index("blackout_studio_idx", blackout.c.studio_uid, blackout.c.starts_at, blackout.c.uid)

hold = entity_table(
    "hold",
    METADATA,
    Column("studio_uid", Text, nullable=False),
    Column("client_uid", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("room_uid", Text, nullable=False),
    Column("mc_uids", ARRAY(Text, as_tuple=True), nullable=False),
    Column("starts_at", Time, nullable=False),
    Column("ends_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
    Column("state", Word(HoldState), nullable=False),
    Column("rank", Integer, nullable=False),  # as last told; reads count anew
    Column("show_uid", Text, nullable=False),
    Column("ended_at", Time),
)
Index("hold_studio_idx", hold.c.studio_uid, hold.c.starts_at, hold.c.uid)
Index("hold_client_idx", hold.c.client_uid, hold.c.starts_at, hold.c.uid)
Index("hold_expiry_idx", hold.c.expires_at, postgresql_where=hold.c.state == "held")

hold_slot = Table(
    "hold_slot",
    METADATA,
    Column("hold_id", BigInteger, ForeignKey(hold.c.id), primary_key=True),  # grows: the older hold has the lower one
    Column("kind", Word(ResourceKind), nullable=False),
    Column("resource_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resource_uid", Text, nullable=False),
    Column("period", TSTZRANGE, nullable=False),  # turnaround included; half-open
    Column("expires_at", Time, nullable=False),
    Column("held", Boolean, nullable=False),
    CheckConstraint(
        "NOT isempty(period) AND lower_inc(period) AND NOT upper_inc(period)"
        " AND NOT lower_inf(period) AND NOT upper_inf(period)"
        " AND isfinite(lower(period)) AND isfinite(upper(period))"
        " AND upper(period) - lower(period) <= interval '5 days'",
        name="period",
    ),
)
Index(
    "hold_slot_held_idx",
    text("int8range(resource_id, resource_id, '[]')"),
    hold_slot.c.period,
    postgresql_using="gist",
    postgresql_where=hold_slot.c.held,
)
Index("hold_slot_resource_idx", hold_slot.c.resource_uid)

REFUSALS: Refusals = {
    "room_name_key": lambda: AlreadyExists("ROOM_NAME_TAKEN", "the studio has a room with this name already"),
    "mc_name_key": lambda: AlreadyExists("MC_NAME_TAKEN", "the studio has an MC with this name already"),
    "schedule_name_key": lambda: AlreadyExists(
        "SCHEDULE_NAME_TAKEN", "the client has a schedule with this name in the studio already"
    ),
}
