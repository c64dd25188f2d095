"""What production asks of its neighbours. Asked before a transaction opens, never inside one."""

from __future__ import annotations

from datetime import datetime

from eridu.identity.v1.client_service_pb2 import GetClientRequest
from eridu.identity.v1.client_service_pb2_grpc import ClientServiceStub
from eridu.identity.v1.studio_service_pb2 import GetStudioRequest
from eridu.identity.v1.studio_service_pb2_grpc import StudioServiceStub
from eridu.scheduling.v1.booking_service_pb2 import ReleaseShowRequest
from eridu.scheduling.v1.booking_service_pb2_grpc import BookingServiceStub
from eridu.tasks.v1.task_service_pb2 import CheckGateRequest
from eridu.tasks.v1.task_service_pb2_grpc import TaskServiceStub

from libs.common.moves import Move
from libs.common.rpc.neighbours import Neighbours
from services.production import convert
from services.production.domain.following import Booked
from services.production.domain.gate import Gate, Policy
from services.production.domain.show import Show, ShowStatus


class Others:
    """Questions to identity, scheduling and tasks."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.ask = neighbours.ask
        self.studios = StudioServiceStub(neighbours.channel("identity"))
        self.clients = ClientServiceStub(neighbours.channel("identity"))
        self.bookings = BookingServiceStub(neighbours.channel("scheduling"))
        self.tasks = TaskServiceStub(neighbours.channel("tasks"))

    async def require_studio(self, uid: str) -> None:
        """NotFound (STUDIO_NOT_FOUND) unless the studio is among the living, and the caller may know of it."""
        await self.ask(self.studios.GetStudio, GetStudioRequest(uid=uid))

    async def require_client(self, uid: str) -> None:
        """NotFound (CLIENT_NOT_FOUND) unless the client is among the living."""
        await self.ask(self.clients.GetClient, GetClientRequest(uid=uid), own_name=True)

    async def gate(self, show: Show, move: Move[ShowStatus]) -> Gate:
        """Whether the studio's rules and the show's tasks let it make a move."""
        studio = await self.ask(self.studios.GetStudio, GetStudioRequest(uid=show.studio_uid), own_name=True)
        policy = convert.POLICY_OF[studio.task_gate]
        if policy is Policy.OFF:
            return Gate(policy)
        phase = convert.PHASES[move.verb]
        question = CheckGateRequest(show_uid=show.uid, confirmation=show.confirmation, phase=phase)
        return convert.gate(policy, await self.ask(self.tasks.CheckGate, question, own_name=True))

    async def book(self, show: Show, confirmation: int, now: datetime) -> Booked:
        """Book the show's room and MCs under this number. Repeated, it answers the same."""
        return convert.booked(await self.ask(self.bookings.BookShow, convert.booking(show, confirmation)), now)

    async def release(self, show: Show, confirmation: int, reason: str) -> None:
        """Give back what was booked under this number, and have it never booked again."""
        question = ReleaseShowRequest(show_uid=show.uid, confirmation=confirmation, reason=reason)
        await self.ask(self.bookings.ReleaseShow, question)
