"""RPCs about callers and what they did: access, and the audit trail."""

from __future__ import annotations

from typing import Any

from eridu.identity.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    audit_service_pb2,
    audit_service_pb2_grpc,
)

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from libs.common.tokens import Claims
from services.identity import convert, queries
from services.identity.domain.trail import AuditQuery
from services.identity.servicers.requests import BY_TIME


class Access(access_service_pb2_grpc.AccessServiceServicer):
    """What services and front ends ask about callers."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def CheckAccess(
        self, request: access_service_pb2.CheckAccessRequest, context: Any
    ) -> access_service_pb2.CheckAccessResponse:
        """Answer questions of access."""
        questions = [convert.question(question, caller().user_uid) for question in request.questions]
        reasons = await queries.check_access(self.db, caller(), self.clock, questions)
        return access_service_pb2.CheckAccessResponse(answers=[convert.access_answer(reason) for reason in reasons])

    async def GetPrincipal(
        self, request: access_service_pb2.GetPrincipalRequest, context: Any
    ) -> access_service_pb2.Principal:
        """The rights behind a token."""
        claims = Claims(request.ext_id, 0, email=request.email, email_verified=request.email_verified)
        return convert.principal(await queries.get_principal(self.db, self.clock, claims))


class Audits(audit_service_pb2_grpc.AuditServiceServicer):
    """Who did what, anywhere."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def ListAudits(
        self, request: audit_service_pb2.ListAuditsRequest, context: Any
    ) -> audit_service_pb2.ListAuditsResponse:
        """List changes."""
        wanted = AuditQuery(
            request.group_uid,
            request.entity_uid,
            request.actor,
            request.action,
            convert.moment(request, "occurred_from"),
            convert.moment(request, "occurred_until"),
        )
        page = await queries.list_audits(self.db, caller(), wanted, PageQuery.of(request, *BY_TIME))
        return audit_service_pb2.ListAuditsResponse(
            audits=[convert.audit(row) for row in page.rows], next_page_token=page.next_token
        )
