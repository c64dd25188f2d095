"""RPCs of schedules and their plans."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import (
    confirmation_pb2,
    plan_pb2,
    schedule_pb2,
    schedule_request_pb2,
    schedule_service_pb2_grpc,
)

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.messages import metadata_of, time_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.scheduling.commands import confirmations, plans
from services.scheduling.commands import schedules as commands
from services.scheduling.convert import bookings as convert_bookings
from services.scheduling.convert import schedules as convert
from services.scheduling.convert import versions as convert_versions
from services.scheduling.domain.schedule import Schedule
from services.scheduling.domain.version import Cause
from services.scheduling.neighbours import Identity
from services.scheduling.queries import conflicts as conflicts_queries
from services.scheduling.queries import schedules as schedules_queries
from services.scheduling.servicers.editing import Editing
from services.scheduling.servicers.requests import why
from services.scheduling.servicers.versions import Versions

BY_AGE = BY_START = (datetime, str)  # the sort keys of the lists


class Schedules(Editing, Versions, schedule_service_pb2_grpc.ScheduleServiceServicer):
    """Plans of shows, from the first import to confirmed bookings."""

    def __init__(self, db: Database, clock: Clock, identity: Identity) -> None:
        self.db, self.clock, self.identity = db, clock, identity

    async def CreateSchedule(
        self, request: schedule_request_pb2.CreateScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """Make an empty draft."""
        given = {
            "name": request.name,
            "starts_at": time_of(request.starts_at),
            "ends_at": time_of(request.ends_at),
            "metadata": metadata_of(request.metadata),
        }
        schedule = await commands.create_schedule(
            self.db, caller(), self.clock, self.identity, request.studio_uid, request.client_uid, given
        )
        return convert.schedule(schedule)

    async def GetSchedule(
        self, request: schedule_request_pb2.GetScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """Read a schedule."""
        return convert.schedule(await schedules_queries.get_schedule(self.db, caller(), request.uid))

    async def ListSchedules(
        self, request: schedule_request_pb2.ListSchedulesRequest, context: Any
    ) -> schedule_request_pb2.ListSchedulesResponse:
        """List schedules."""
        statuses = [convert.STATUS_OF[status] for status in request.statuses]
        page = await schedules_queries.list_schedules(
            self.db,
            caller(),
            request.studio_uid,
            request.client_uid,
            statuses,
            PageQuery.of(request, *BY_AGE),
            request.show_deleted,
        )
        return schedule_request_pb2.ListSchedulesResponse(
            schedules=[convert.schedule(schedule) for schedule in page.rows], next_page_token=page.next_token
        )

    async def ImportPlan(self, request: plan_pb2.ImportPlanRequest, context: Any) -> plan_pb2.ImportPlanResponse:
        """Replace the plan of a draft by a sheet."""
        return await self.import_plan(request, request.csv)

    async def StreamPlan(self, request: Any, context: Any) -> plan_pb2.ImportPlanResponse:
        """Replace the plan of a draft by a sheet that came in parts; they are put together by now."""
        return await self.import_plan(request, "".join(request.csv_parts))

    async def import_plan(self, request: Any, csv: str) -> plan_pb2.ImportPlanResponse:
        """One sheet, however it came."""
        imported = await plans.import_plan(
            self.db,
            caller(),
            self.clock,
            self.identity,
            uid=request.uid,
            rows=convert_versions.sheet_rows(csv, request.rows),
            all_or_nothing=request.all_or_nothing,
            validate_only=request.validate_only,
            etag=request.etag,
            why=why(request, Cause.IMPORTED),
        )
        return plan_pb2.ImportPlanResponse(
            schedule=convert.schedule(imported.schedule),
            saved=imported.saved,
            rows=[convert.row_result(row) for row in imported.rows],
        )

    async def ListPlannedShows(
        self, request: plan_pb2.ListPlannedShowsRequest, context: Any
    ) -> plan_pb2.ListPlannedShowsResponse:
        """List a plan."""
        page = await schedules_queries.list_planned_shows(
            self.db, caller(), request.schedule_uid, request.show_removed, PageQuery.of(request, *BY_START)
        )
        return plan_pb2.ListPlannedShowsResponse(
            planned_shows=[convert.planned_show(row) for row in page.rows], next_page_token=page.next_token
        )

    async def ValidateSchedule(
        self, request: confirmation_pb2.ValidateScheduleRequest, context: Any
    ) -> confirmation_pb2.ValidateScheduleResponse:
        """Every problem that a confirmation would meet."""
        found = await conflicts_queries.validate_schedule(self.db, caller(), request.uid, self.clock())
        return confirmation_pb2.ValidateScheduleResponse(
            plan_version=found.schedule.plan_version,
            show_count=found.show_count,
            problems=convert_bookings.problems(found.problems, caller()),
        )

    async def ProposeSchedule(
        self, request: schedule_request_pb2.ProposeScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """DRAFT to PROPOSED."""
        return await self.move(request, Schedule.propose, "proposed")

    async def WithdrawSchedule(
        self, request: schedule_request_pb2.WithdrawScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """PROPOSED back to DRAFT."""
        return await self.move(request, Schedule.withdraw, "withdrawn")

    async def ReviseSchedule(
        self, request: schedule_request_pb2.ReviseScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """CONFIRMED back to DRAFT, its bookings in force."""
        return await self.move(request, Schedule.revise, "revised")

    async def ArchiveSchedule(
        self, request: schedule_request_pb2.ArchiveScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """CONFIRMED to ARCHIVED."""
        return await self.move(request, Schedule.archive, "archived")

    async def move(self, request: Any, move: Callable[[Schedule], Schedule], done: str) -> schedule_pb2.Schedule:
        """The four moves that change nothing but the status."""
        schedule = await commands.move_schedule(
            self.db, caller(), self.clock, request.uid, request.etag, request.reason, move, done
        )
        return convert.schedule(schedule)

    async def ConfirmSchedule(
        self, request: confirmation_pb2.ConfirmScheduleRequest, context: Any
    ) -> confirmation_pb2.ConfirmScheduleResponse:
        """Bring the plan's bookings into force."""
        answer = await confirmations.confirm_schedule(
            self.db,
            caller(),
            self.clock,
            self.identity,
            request.uid,
            request.plan_version,
            convert_bookings.MODES[request.mode],
            request.etag,
            request.reason,
        )
        return convert_bookings.confirmation(answer, caller())

    async def CancelSchedule(
        self, request: schedule_request_pb2.CancelScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        """Give the schedule up."""
        schedule = await commands.cancel_schedule(
            self.db, caller(), self.clock, request.uid, request.etag, request.reason
        )
        return convert.schedule(schedule)
