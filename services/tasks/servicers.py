"""Tasks' RPCs: read the request, make the change or the read, render the answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from eridu.tasks.v1 import (
    task_pb2,
    task_service_pb2,
    task_service_pb2_grpc,
    template_pb2,
    template_service_pb2,
    template_service_pb2_grpc,
)

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.messages import metadata_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.tasks import convert, queries
from services.tasks.commands import shows, tasks, templates
from services.tasks.neighbours import Identity

BY_NAME = (str, str)  # the sort keys of the lists
BY_DUE = (datetime, str)


class Templates(template_service_pb2_grpc.TemplateServiceServicer):
    """What is to be done for shows."""

    def __init__(self, db: Database, identity: Identity, clock: Clock) -> None:
        self.db, self.identity, self.clock = db, identity, clock

    async def CreateTemplate(
        self, request: template_service_pb2.CreateTemplateRequest, context: Any
    ) -> template_pb2.Template:
        """Make a template."""
        template = await templates.create_template(
            self.db,
            self.identity,
            caller(),
            self.clock,
            studio_uid=request.studio_uid,
            name=request.name,
            client_uid=request.client_uid,
            show_type=request.show_type,
            show_standard=request.show_standard,
            items=convert.items_of(request.items),
            metadata=metadata_of(request.metadata),
        )
        return convert.template(template)

    async def GetTemplate(
        self, request: template_service_pb2.GetTemplateRequest, context: Any
    ) -> template_pb2.Template:
        """Read a template."""
        return convert.template(await queries.get_template(self.db, caller(), request.uid))

    async def ListTemplates(
        self, request: template_service_pb2.ListTemplatesRequest, context: Any
    ) -> template_service_pb2.ListTemplatesResponse:
        """List a studio's templates."""
        page = await queries.list_templates(self.db, caller(), request.studio_uid, PageQuery.of(request, *BY_NAME))
        return template_service_pb2.ListTemplatesResponse(
            templates=[convert.template(row) for row in page.rows], next_page_token=page.next_token
        )

    async def ActivateTemplate(
        self, request: template_service_pb2.ActivateTemplateRequest, context: Any
    ) -> template_pb2.Template:
        """Use a template from now on."""
        return convert.template(
            await templates.activate_template(self.db, caller(), self.clock, request.uid, request.etag, request.reason)
        )

    async def DeactivateTemplate(
        self, request: template_service_pb2.DeactivateTemplateRequest, context: Any
    ) -> template_pb2.Template:
        """Use a template no longer."""
        return convert.template(
            await templates.deactivate_template(
                self.db, caller(), self.clock, request.uid, request.etag, request.reason
            )
        )


class Tasks(task_service_pb2_grpc.TaskServiceServicer):
    """What people do around shows."""

    def __init__(self, db: Database, identity: Identity, clock: Clock) -> None:
        self.db, self.identity, self.clock = db, identity, clock

    async def GetTask(self, request: task_service_pb2.GetTaskRequest, context: Any) -> task_pb2.Task:
        """Read a task."""
        return convert.task(await queries.get_task(self.db, caller(), request.uid))

    async def ListTasks(
        self, request: task_service_pb2.ListTasksRequest, context: Any
    ) -> task_service_pb2.ListTasksResponse:
        """List tasks."""
        page = await queries.list_tasks(
            self.db,
            caller(),
            studio_uid=request.studio_uid,
            show_uid=request.show_uid,
            assignee_uid=request.assignee_uid,
            statuses=[convert.STATUS_OF[status] for status in request.statuses],
            type_=convert.TYPE_OF.get(request.type),
            page=PageQuery.of(request, *BY_DUE),
        )
        return task_service_pb2.ListTasksResponse(
            tasks=[convert.task(row) for row in page.rows], next_page_token=page.next_token
        )

    async def AssignTask(self, request: task_service_pb2.AssignTaskRequest, context: Any) -> task_pb2.Task:
        """Give a task to somebody."""
        return convert.task(
            await tasks.assign_task(
                self.db,
                self.identity,
                caller(),
                self.clock,
                request.uid,
                request.assignee_uid,
                request.etag,
                request.reason,
            )
        )

    async def StartTask(self, request: task_service_pb2.StartTaskRequest, context: Any) -> task_pb2.Task:
        """Begin a task."""
        return convert.task(
            await tasks.start_task(self.db, caller(), self.clock, request.uid, request.etag, request.reason)
        )

    async def SubmitTask(self, request: task_service_pb2.SubmitTaskRequest, context: Any) -> task_pb2.Task:
        """Ask for a look at a task."""
        return convert.task(
            await tasks.submit_task(self.db, caller(), self.clock, request.uid, request.etag, request.reason)
        )

    async def ApproveTask(self, request: task_service_pb2.ApproveTaskRequest, context: Any) -> task_pb2.Task:
        """Be content with a task."""
        return convert.task(
            await tasks.approve_task(self.db, caller(), self.clock, request.uid, request.etag, request.reason)
        )

    async def ReturnTask(self, request: task_service_pb2.ReturnTaskRequest, context: Any) -> task_pb2.Task:
        """Not be content with a task."""
        return convert.task(
            await tasks.return_task(self.db, caller(), self.clock, request.uid, request.etag, request.reason)
        )

    async def CompleteTask(self, request: task_service_pb2.CompleteTaskRequest, context: Any) -> task_pb2.Task:
        """Be done with a task."""
        return convert.task(
            await tasks.complete_task(self.db, caller(), self.clock, request.uid, request.etag, request.reason)
        )

    async def GenerateTasks(
        self, request: task_service_pb2.GenerateTasksRequest, context: Any
    ) -> task_service_pb2.GenerateTasksResponse:
        """Make a show's tasks that are missing."""
        made = await shows.generate_tasks(self.db, caller(), self.clock, request.show_uid)
        return task_service_pb2.GenerateTasksResponse(tasks=[convert.task(one) for one in made])

    async def CheckGate(
        self, request: task_service_pb2.CheckGateRequest, context: Any
    ) -> task_service_pb2.CheckGateResponse:
        """Whether a show may move on."""
        phase = convert.TYPE_OF[request.phase]
        gate = await queries.check_gate(self.db, caller(), request.show_uid, request.confirmation, phase)
        return convert.gate(gate, request.confirmation)
