"""The tables, and what their constraints refuse. With 10,000,000 tasks in mind: each index is for one question."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.dialects.postgresql import ARRAY

from libs.common.db import Refusals, tables
from libs.common.errors import AlreadyExists
from libs.common.tables import Time, Word, entity_table, unique_while_living
from services.tasks.domain.show import ShowStatus
from services.tasks.domain.task import DueAnchor, TaskStatus, TaskType

METADATA = tables("tasks")

template = entity_table(
    "template",
    METADATA,
    Column("studio_uid", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("client_uid", Text, nullable=False),
    Column("show_type", Text, nullable=False),
    Column("show_standard", Text, nullable=False),
    Column("active", Boolean, nullable=False),
)
unique_while_living("template_name_key", template.c.studio_uid, template.c.name)

template_item = Table(
    "template_item",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("template_uid", Text, ForeignKey(template.c.uid), nullable=False),
    Column("position", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("type", Word(TaskType), nullable=False),
    Column("required", Boolean, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("due_anchor", Word(DueAnchor), nullable=False),
    Column("due_offset_minutes", Integer, nullable=False),
    UniqueConstraint("template_uid", "position", name="template_item_position_key"),
)

# Production's shows as its events tell them. No entity of this service: kept up to date without a ledger row.
known_show = Table(
    "known_show",
    METADATA,
    Column("uid", Text, primary_key=True),
    Column("studio_uid", Text, nullable=False),
    Column("client_uid", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("standard", Text, nullable=False),
    Column("status", Word(ShowStatus), nullable=False),
    Column("confirmation", Integer, nullable=False),
    Column("starts_at", Time, nullable=False),
    Column("ends_at", Time, nullable=False),
    Column("targets", ARRAY(Text), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("generated", Integer, nullable=False),
    Column("generated_targets", ARRAY(Text), nullable=False),
)

task = entity_table(
    "task",
    METADATA,
    Column("studio_uid", Text, nullable=False),
    Column("client_uid", Text, nullable=False),
    Column("show_uid", Text, nullable=False),
    Column("confirmation", Integer, nullable=False),
    Column("target_uid", Text, nullable=False),
    # No foreign key: an item is copied into its tasks, and 50,000 checks of ten rows would only lock them.
    Column("template_item_uid", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("type", Word(TaskType), nullable=False),
    Column("required", Boolean, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("status", Word(TaskStatus), nullable=False),
    Column("assignee_uid", Text, nullable=False),
    Column("due_at", Time, nullable=False),
    Column("due_anchor", Word(DueAnchor), nullable=False),
    Column("due_offset_minutes", Integer, nullable=False),
    Column("due_edited", Boolean, nullable=False),
    Column("completed_at", Time),
    Column("completed_by", Text, nullable=False),
    # Exactly one task for each item and target of a confirmation; also the way to all tasks of a show.
    UniqueConstraint("show_uid", "confirmation", "target_uid", "template_item_uid", name="task_generation_key"),
)

GENERATION_KEY = (task.c.show_uid, task.c.confirmation, task.c.target_uid, task.c.template_item_uid)

# Written out, not bound: the planner takes a partial index only for words that it can read.
OPEN = literal_column("task.status NOT IN ('completed', 'closed')", Boolean)
SOMEBODYS = literal_column("task.assignee_uid <> ''", Boolean)

BY_DUE = (task.c.due_at, task.c.uid)
Index("task_studio_idx", task.c.studio_uid, *BY_DUE)
Index(
    "task_open_idx",  # what is to be done, without years of what was done
    task.c.studio_uid,
    *BY_DUE,
    postgresql_where=literal_column("status NOT IN ('completed', 'closed')"),
)
Index("task_assignee_idx", task.c.assignee_uid, *BY_DUE, postgresql_where=literal_column("assignee_uid <> ''"))
Index(
    "task_gate_idx",
    task.c.show_uid,
    task.c.confirmation,
    task.c.type,
    *BY_DUE,
    postgresql_where=literal_column("required AND status NOT IN ('completed', 'closed')"),
)

REFUSALS: Refusals = {
    "template_name_key": lambda: AlreadyExists(
        "TEMPLATE_NAME_TAKEN", "a template of this studio has this name already"
    ),
}
