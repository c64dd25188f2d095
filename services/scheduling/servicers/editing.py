"""RPCs that edit a schedule and single rows of its plan, approve it, and confirm many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eridu.scheduling.v1 import bulk_pb2, plan_pb2, planned_show_pb2, schedule_change_pb2, schedule_pb2

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.masks import refused, written
from libs.common.messages import metadata_of, time_of
from libs.common.rpc.call import caller
from services.scheduling.commands import bulk, planned_shows
from services.scheduling.commands import schedules as commands
from services.scheduling.convert import bookings as convert_bookings
from services.scheduling.convert import schedules as convert
from services.scheduling.convert import versions as convert_versions
from services.scheduling.domain.planned_show import LISTS
from services.scheduling.domain.version import Cause
from services.scheduling.neighbours import Identity
from services.scheduling.queries import schedules as queries
from services.scheduling.servicers.requests import target, why

TIMES = ("starts_at", "ends_at")


class Editing:
    """What a planner and a client do to a plan beside importing it."""

    db: Database
    clock: Clock
    identity: Identity

    async def UpdateSchedule(
        self, request: schedule_change_pb2.UpdateScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """Change the name, period or metadata of a draft."""
        given = written(request)
        for name in TIMES:
            if name in given and not request.HasField(name):  # type: ignore[arg-type]
                raise refused("REQUEST_INVALID", name, "must not be empty")
        given |= {name: time_of(given[name]) for name in TIMES if name in given}
        if "metadata" in given:
            given["metadata"] = metadata_of(request.metadata)
        schedule = await commands.move_schedule(
            self.db, caller(), self.clock, *target(request), lambda one: one.change(given), "updated"
        )
        return convert.schedule(schedule)

    async def DeleteSchedule(
        self, request: schedule_change_pb2.DeleteScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """Delete a schedule."""
        return convert.schedule(await commands.delete_schedule(self.db, caller(), self.clock, *target(request)))

    async def UndeleteSchedule(
        self, request: schedule_change_pb2.UndeleteScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """Bring a deleted schedule back."""
        return convert.schedule(await commands.undelete_schedule(self.db, caller(), self.clock, *target(request)))

    async def ApproveSchedule(
        self, request: schedule_change_pb2.ApproveScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """The client says yes to a version of a plan."""
        who, now = caller().actor, self.clock()
        schedule = await commands.move_schedule(
            self.db,
            caller(),
            self.clock,
            *target(request),
            lambda one: one.approve(request.plan_version, who, now),
            "approved",
        )
        return convert.schedule(schedule)

    async def AddPlannedShow(
        self, request: planned_show_pb2.AddPlannedShowRequest, context: Any
    ) -> planned_show_pb2.PlanEdit:
        """Add one show to a plan."""
        cells, lists = cells_of({name: getattr(request, name) for name in (*convert_versions.CELLS, *LISTS)})
        edited = await planned_shows.add_planned_show(
            self.db,
            caller(),
            self.clock,
            self.identity,
            request.schedule_uid,
            request.etag,
            why(request, Cause.ADDED),
            cells,
            lists,
        )
        return convert_versions.plan_edit(edited)

    async def UpdatePlannedShow(
        self, request: planned_show_pb2.UpdatePlannedShowRequest, context: Any
    ) -> planned_show_pb2.PlanEdit:
        """Change one show in a plan."""
        cells, lists = cells_of(written(request, "change_category"))
        edited = await planned_shows.update_planned_show(
            self.db,
            caller(),
            self.clock,
            self.identity,
            request.uid,
            request.etag,
            why(request, Cause.UPDATED),
            cells,
            lists,
        )
        return convert_versions.plan_edit(edited)

    async def RemovePlannedShow(
        self, request: planned_show_pb2.RemovePlannedShowRequest, context: Any
    ) -> planned_show_pb2.PlanEdit:
        """Take one show out of a plan."""
        edited = await planned_shows.remove_planned_show(
            self.db, caller(), self.clock, request.uid, request.etag, why(request, Cause.REMOVED)
        )
        return convert_versions.plan_edit(edited)

    async def ExportPlan(self, request: plan_pb2.ExportPlanRequest, context: Any) -> plan_pb2.ExportPlanResponse:
        """Write a plan as a sheet."""
        export = await queries.export_plan(self.db, caller(), self.identity, request.uid)
        return plan_pb2.ExportPlanResponse(
            csv=export.csv, plan_version=export.plan_version, show_count=export.show_count
        )

    async def ConfirmSchedules(
        self, request: bulk_pb2.ConfirmSchedulesRequest, context: Any
    ) -> bulk_pb2.ConfirmSchedulesResponse:
        """Confirm many schedules, each on its own."""
        results = await bulk.confirm_schedules(
            self.db,
            caller(),
            self.clock,
            self.identity,
            [bulk.ToConfirm(one.uid, one.plan_version, one.etag) for one in request.schedules],
            convert_bookings.MODES[request.mode],
            request.reason,
        )
        return bulk_pb2.ConfirmSchedulesResponse(results=results)


def cells_of(given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Sequence[str]]]:
    """Given values as a sheet has them: cells, and those that take several."""
    return (
        {name: value for name, value in given.items() if name not in LISTS},
        {name: list(value) for name, value in given.items() if name in LISTS},
    )
