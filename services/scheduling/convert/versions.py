"""Versions of plans, and edits of their rows, as messages."""

from __future__ import annotations

from collections.abc import Sequence

from eridu.scheduling.v1 import plan_pb2, planned_show_pb2, version_pb2

from libs.common.messages import set_time
from services.scheduling.convert import schedules as convert
from services.scheduling.domain import sheet
from services.scheduling.domain.planned_show import Edited
from services.scheduling.domain.sheet import SheetRow
from services.scheduling.domain.version import Cause, ChangeKind, PlanVersion, ShowChange

CAUSES = {cause: version_pb2.VersionCause.Value(f"VERSION_CAUSE_{cause.name}") for cause in Cause}
KINDS = {kind: version_pb2.ShowChangeKind.Value(f"SHOW_CHANGE_KIND_{kind.name}") for kind in ChangeKind}
CELLS = ("external_id", "name", "room", "type", "standard", "start", "end")


def version(one: PlanVersion) -> version_pb2.PlanVersion:
    """A version as a message."""
    message = version_pb2.PlanVersion(
        uid=one.uid,
        schedule_uid=one.schedule_uid,
        number=one.number,
        cause=CAUSES[one.cause],
        actor=one.actor,
        on_behalf_of=one.on_behalf_of,
        reason=one.reason,
        change_category=convert.category_value(one.category),
        restored_number=one.restored_number,
        show_count=one.show_count,
        added=one.added,
        changed=one.changed,
        removed=one.removed,
    )
    set_time(message.created_at, one.created_at)
    return message


def show_change(change: ShowChange) -> version_pb2.ShowChange:
    """How a show differs, as a message."""
    return version_pb2.ShowChange(
        kind=KINDS[change.kind],
        before=convert.planned_show(change.before) if change.before else None,
        after=convert.planned_show(change.after) if change.after else None,
        fields=change.fields,
    )


def plan_edit(edited: Edited) -> planned_show_pb2.PlanEdit:
    """What an edit of a row did."""
    return planned_show_pb2.PlanEdit(
        schedule=convert.schedule(edited.schedule),
        planned_show=convert.planned_show(edited.row),
        outcome=convert.ROW_OUTCOMES[edited.outcome],
    )


def sheet_rows(csv: str, rows: Sequence[plan_pb2.PlanRow]) -> list[SheetRow]:
    """The rows of a sheet, as text or as messages."""
    if csv:
        return sheet.rows_of(csv)
    sheet.require_size(len(rows))
    return [
        sheet.row_of(
            number,
            {name: getattr(row, name) for name in CELLS},
            {"mcs": list(row.mcs), "platforms": list(row.platforms)},
        )
        for number, row in enumerate(rows, 1)
    ]
