"""What scheduling asks of its neighbour identity: about studios, clients and platforms."""

from __future__ import annotations

from collections.abc import Collection
from datetime import time
from zoneinfo import ZoneInfo

from eridu.identity.v1.client_service_pb2 import GetClientRequest
from eridu.identity.v1.client_service_pb2_grpc import ClientServiceStub
from eridu.identity.v1.platform_service_pb2 import ListPlatformsRequest
from eridu.identity.v1.platform_service_pb2_grpc import PlatformServiceStub
from eridu.identity.v1.studio_pb2 import Studio
from eridu.identity.v1.studio_service_pb2 import GetStudioRequest
from eridu.identity.v1.studio_service_pb2_grpc import StudioServiceStub

from libs.common.pages import LARGEST_SIZE
from libs.common.rpc.neighbours import Neighbours
from services.scheduling.domain.day import StudioClock


class Identity:
    """Questions to identity. Asked before a transaction opens, never inside one."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.neighbours = neighbours
        channel = neighbours.channel("identity")
        self.studios = StudioServiceStub(channel)
        self.clients = ClientServiceStub(channel)
        self.platforms = PlatformServiceStub(channel)

    async def studio(self, uid: str) -> Studio:
        """A living studio; NotFound (STUDIO_NOT_FOUND) when there is none."""
        return await self.neighbours.ask(self.studios.GetStudio, GetStudioRequest(uid=uid), own_name=True)

    async def clock(self, studio_uid: str) -> StudioClock:
        """The clock of a living studio; NotFound (STUDIO_NOT_FOUND) when there is none."""
        studio = await self.studio(studio_uid)
        return StudioClock(ZoneInfo(studio.time_zone), time.fromisoformat(studio.operational_day_start))

    async def require_client(self, uid: str) -> None:
        """NotFound (CLIENT_NOT_FOUND) unless the client is among the living."""
        await self.neighbours.ask(self.clients.GetClient, GetClientRequest(uid=uid), own_name=True)

    async def platforms_by_word(self, words: Collection[str]) -> dict[str, str]:
        """uids of the living platforms that have one of these uids or names, by the uid and by the name."""
        found: dict[str, str] = {}
        wanted = sorted(words)
        for start in range(0, len(wanted), LARGEST_SIZE):
            part = wanted[start : start + LARGEST_SIZE]
            for request in (ListPlatformsRequest(names=part), ListPlatformsRequest(uids=part)):
                request.page_size = LARGEST_SIZE
                answer = await self.neighbours.ask(self.platforms.ListPlatforms, request, own_name=True)
                for platform in answer.platforms:
                    found |= {platform.uid: platform.uid, platform.name: platform.uid}
        return found
