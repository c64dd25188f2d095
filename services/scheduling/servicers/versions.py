"""RPCs of the versions of a plan."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from eridu.scheduling.v1 import version_pb2

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.pages import PageQuery, cut
from libs.common.rpc.call import caller
from services.scheduling.commands import versions as commands
from services.scheduling.convert import schedules as convert_schedules
from services.scheduling.convert import versions as convert
from services.scheduling.domain.version import Cause, counted
from services.scheduling.queries import schedules as queries
from services.scheduling.servicers.requests import why

BY_START = (datetime, str)  # the sort keys of the lists
BY_NUMBER = (int,)
BY_EXTERNAL_ID = (str,)


class Versions:
    """What became of a plan, change by change."""

    db: Database
    clock: Clock

    async def ListVersions(
        self, request: version_pb2.ListVersionsRequest, context: Any
    ) -> version_pb2.ListVersionsResponse:
        """List a plan's versions, newest first."""
        query = PageQuery.of(request, *BY_NUMBER)
        page = await queries.list_versions(self.db, caller(), request.schedule_uid, query)
        return version_pb2.ListVersionsResponse(
            versions=[convert.version(one) for one in page.rows], next_page_token=page.next_token
        )

    async def GetVersion(self, request: version_pb2.GetVersionRequest, context: Any) -> version_pb2.GetVersionResponse:
        """Read a version with its plan."""
        version, page = await queries.get_version(
            self.db, caller(), request.schedule_uid, request.number, PageQuery.of(request, *BY_START)
        )
        return version_pb2.GetVersionResponse(
            version=convert.version(version),
            planned_shows=[convert_schedules.planned_show(row) for row in page.rows],
            next_page_token=page.next_token,
        )

    async def DiffVersions(
        self, request: version_pb2.DiffVersionsRequest, context: Any
    ) -> version_pb2.DiffVersionsResponse:
        """How two versions differ."""
        query = PageQuery.of(request, *BY_EXTERNAL_ID)
        changes = await queries.diff_versions(self.db, caller(), request.schedule_uid, request.before, request.after)
        rest = [one for one in changes if not query.after or one.external_id > query.after[0]]
        page = cut(rest, query, "external_id")
        return version_pb2.DiffVersionsResponse(
            changes=[convert.show_change(one) for one in page.rows],
            next_page_token=page.next_token,
            **counted(changes),
        )

    async def RestoreVersion(
        self, request: version_pb2.RestoreVersionRequest, context: Any
    ) -> version_pb2.RestoreVersionResponse:
        """Bring an earlier version back."""
        restored = await commands.restore_version(
            self.db,
            caller(),
            self.clock,
            request.uid,
            request.number,
            request.validate_only,
            request.etag,
            why(request, Cause.RESTORED),
        )
        return version_pb2.RestoreVersionResponse(
            schedule=convert_schedules.schedule(restored.schedule),
            saved=restored.saved,
            rows=[convert_schedules.row_result(row) for row in restored.rows],
        )
