"""RPCs of clients, studios and platforms: one shape, three nouns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eridu.identity.v1 import (
    client_service_pb2,
    client_service_pb2_grpc,
    platform_pb2,
    platform_service_pb2,
    platform_service_pb2_grpc,
    studio_service_pb2,
    studio_service_pb2_grpc,
)

from libs.common.clock import Clock
from libs.common.db import Database
from libs.common.masks import written
from libs.common.messages import metadata_of
from libs.common.pages import PageQuery
from libs.common.rpc.call import caller
from services.identity import convert, queries
from services.identity.commands import groups as commands
from services.identity.commands import secrets
from services.identity.domain.group import DAY_START
from services.identity.domain.nouns import CLIENT, PLATFORM, STUDIO
from services.identity.keyring import Keyring
from services.identity.servicers.requests import BY_NAME, target


class Groups:
    """What the three have in common: `noun` and the messages differ, the five hops do not."""

    noun: str

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def create(self, given: Mapping[str, Any]) -> Any:
        """Make a group."""
        return convert.group(await commands.create_group(self.db, caller(), self.clock, self.noun, given))

    async def get(self, request: Any) -> Any:
        """Read a group."""
        return convert.group(await queries.get_group(self.db, caller(), self.noun, request.uid))

    async def batch_get(self, request: Any) -> dict[str, Any]:
        """Read many groups."""
        found, missing = await queries.batch_get_groups(self.db, caller(), self.noun, request.uids)
        return {f"{self.noun}s": [convert.group(group) for group in found], "missing_uids": missing}

    async def list(self, request: Any) -> dict[str, Any]:
        """List groups."""
        page = await queries.list_groups(
            self.db,
            caller(),
            self.noun,
            PageQuery.of(request, *BY_NAME),
            request.names,
            request.uids,
            request.name_part,
            request.show_deleted,
        )
        return {f"{self.noun}s": [convert.group(group) for group in page.rows], "next_page_token": page.next_token}

    async def update(self, request: Any, given: Mapping[str, Any]) -> Any:
        """Change a group."""
        changed = await commands.update_group(self.db, caller(), self.clock, self.noun, *target(request), given)
        return convert.group(changed)

    async def delete(self, request: Any) -> Any:
        """Delete a group."""
        return convert.group(await commands.delete_group(self.db, caller(), self.clock, self.noun, *target(request)))

    async def undelete(self, request: Any) -> Any:
        """Bring a deleted group back."""
        return convert.group(await commands.undelete_group(self.db, caller(), self.clock, self.noun, *target(request)))


class Clients(Groups, client_service_pb2_grpc.ClientServiceServicer):
    """Who books shows."""

    noun = CLIENT

    async def CreateClient(self, request: client_service_pb2.CreateClientRequest, context: Any) -> Any:
        """Make a client."""
        return await self.create(
            {
                "name": request.name,
                "contact_person": request.contact_person,
                "contact_email": request.contact_email,
                "metadata": metadata_of(request.metadata),
            }
        )

    async def GetClient(self, request: client_service_pb2.GetClientRequest, context: Any) -> Any:
        """Read a client."""
        return await self.get(request)

    async def BatchGetClients(
        self, request: client_service_pb2.BatchGetClientsRequest, context: Any
    ) -> client_service_pb2.BatchGetClientsResponse:
        """Read many clients."""
        return client_service_pb2.BatchGetClientsResponse(**await self.batch_get(request))

    async def ListClients(
        self, request: client_service_pb2.ListClientsRequest, context: Any
    ) -> client_service_pb2.ListClientsResponse:
        """List clients."""
        return client_service_pb2.ListClientsResponse(**await self.list(request))

    async def UpdateClient(self, request: client_service_pb2.UpdateClientRequest, context: Any) -> Any:
        """Change a client."""
        return await self.update(request, plain(written(request)))

    async def DeleteClient(self, request: client_service_pb2.DeleteClientRequest, context: Any) -> Any:
        """Delete a client."""
        return await self.delete(request)

    async def UndeleteClient(self, request: client_service_pb2.UndeleteClientRequest, context: Any) -> Any:
        """Bring a deleted client back."""
        return await self.undelete(request)


class Studios(Groups, studio_service_pb2_grpc.StudioServiceServicer):
    """Who owns rooms, hosts and the work around shows."""

    noun = STUDIO

    async def CreateStudio(self, request: studio_service_pb2.CreateStudioRequest, context: Any) -> Any:
        """Make a studio."""
        return await self.create(
            {
                "name": request.name,
                "address": request.address,
                "time_zone": request.time_zone,
                "operational_day_start": request.operational_day_start or DAY_START,
                "task_gate": convert.GATE_OF[request.task_gate],
                "client_approval": request.client_approval,
                "metadata": metadata_of(request.metadata),
            }
        )

    async def GetStudio(self, request: studio_service_pb2.GetStudioRequest, context: Any) -> Any:
        """Read a studio."""
        return await self.get(request)

    async def BatchGetStudios(
        self, request: studio_service_pb2.BatchGetStudiosRequest, context: Any
    ) -> studio_service_pb2.BatchGetStudiosResponse:
        """Read many studios."""
        return studio_service_pb2.BatchGetStudiosResponse(**await self.batch_get(request))

    async def ListStudios(
        self, request: studio_service_pb2.ListStudiosRequest, context: Any
    ) -> studio_service_pb2.ListStudiosResponse:
        """List studios."""
        return studio_service_pb2.ListStudiosResponse(**await self.list(request))

    async def UpdateStudio(self, request: studio_service_pb2.UpdateStudioRequest, context: Any) -> Any:
        """Change a studio."""
        given = plain(written(request))
        if "task_gate" in given:
            given["task_gate"] = convert.GATE_OF[request.task_gate]
        if "operational_day_start" in given:
            given["operational_day_start"] = request.operational_day_start or DAY_START
        return await self.update(request, given)

    async def DeleteStudio(self, request: studio_service_pb2.DeleteStudioRequest, context: Any) -> Any:
        """Delete a studio."""
        return await self.delete(request)

    async def UndeleteStudio(self, request: studio_service_pb2.UndeleteStudioRequest, context: Any) -> Any:
        """Bring a deleted studio back."""
        return await self.undelete(request)


class Platforms(Groups, platform_service_pb2_grpc.PlatformServiceServicer):
    """Who broadcasts shows."""

    noun = PLATFORM

    def __init__(self, db: Database, clock: Clock, keyring: Keyring) -> None:
        super().__init__(db, clock)
        self.keyring = keyring

    async def CreatePlatform(self, request: platform_service_pb2.CreatePlatformRequest, context: Any) -> Any:
        """Make a platform."""
        return await self.create(
            {
                "name": request.name,
                "settings": metadata_of(request.settings, "settings"),
                "metadata": metadata_of(request.metadata),
            }
        )

    async def GetPlatform(self, request: platform_service_pb2.GetPlatformRequest, context: Any) -> Any:
        """Read a platform."""
        return await self.get(request)

    async def BatchGetPlatforms(
        self, request: platform_service_pb2.BatchGetPlatformsRequest, context: Any
    ) -> platform_service_pb2.BatchGetPlatformsResponse:
        """Read many platforms."""
        return platform_service_pb2.BatchGetPlatformsResponse(**await self.batch_get(request))

    async def ListPlatforms(
        self, request: platform_service_pb2.ListPlatformsRequest, context: Any
    ) -> platform_service_pb2.ListPlatformsResponse:
        """List platforms."""
        return platform_service_pb2.ListPlatformsResponse(**await self.list(request))

    async def UpdatePlatform(self, request: platform_service_pb2.UpdatePlatformRequest, context: Any) -> Any:
        """Change a platform."""
        return await self.update(request, plain(written(request)))

    async def DeletePlatform(self, request: platform_service_pb2.DeletePlatformRequest, context: Any) -> Any:
        """Delete a platform."""
        return await self.delete(request)

    async def UndeletePlatform(self, request: platform_service_pb2.UndeletePlatformRequest, context: Any) -> Any:
        """Bring a deleted platform back."""
        return await self.undelete(request)

    async def SetApiConfig(
        self, request: platform_service_pb2.SetApiConfigRequest, context: Any
    ) -> platform_pb2.Platform:
        """Keep the secrets of a platform."""
        config = metadata_of(request.config, "config")
        platform = await secrets.set_api_config(self.db, caller(), self.clock, self.keyring, *target(request), config)
        return convert.platform(platform)

    async def RevealApiConfig(
        self, request: platform_service_pb2.RevealApiConfigRequest, context: Any
    ) -> platform_service_pb2.RevealApiConfigResponse:
        """Read the secrets of a platform."""
        opened = await secrets.reveal_api_config(self.db, caller(), self.keyring, request.uid, request.reason)
        answer = platform_service_pb2.RevealApiConfigResponse()
        answer.config.update(opened)
        return answer


def plain(given: dict[str, Any]) -> dict[str, Any]:
    """Written fields with free JSON as Python values."""
    return {
        name: metadata_of(value, name) if name in ("metadata", "settings") else value for name, value in given.items()
    }
