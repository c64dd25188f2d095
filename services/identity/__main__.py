"""The identity service, put together."""

from __future__ import annotations

from pathlib import Path

from eridu.identity.v1.access_service_pb2_grpc import add_AccessServiceServicer_to_server
from eridu.identity.v1.client_service_pb2_grpc import add_ClientServiceServicer_to_server
from eridu.identity.v1.membership_service_pb2_grpc import add_MembershipServiceServicer_to_server
from eridu.identity.v1.platform_service_pb2_grpc import add_PlatformServiceServicer_to_server
from eridu.identity.v1.studio_service_pb2_grpc import add_StudioServiceServicer_to_server
from eridu.identity.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server

from libs.common.access import Principal
from libs.common.clock import now
from libs.common.config import Config
from libs.common.process import Process, main
from services.identity import commands, queries, servicers, store


def compose(config: Config) -> Process:
    """Every part of the service, in the order of the path of a request."""

    async def lookup(ext_id: str) -> Principal:
        return await queries.get_principal(process.db, ext_id)

    async def make_admin() -> None:
        if config.admin_ext_id:
            await commands.ensure_admin(process.db, now, config.admin_ext_id)

    process = Process(config, "identity", store.REFUSALS, lookup)
    db, server = process.db, process.server
    server.add(add_UserServiceServicer_to_server, servicers.Users(db, now))
    server.add(add_ClientServiceServicer_to_server, servicers.Clients(db, now))
    server.add(add_StudioServiceServicer_to_server, servicers.Studios(db, now))
    server.add(add_PlatformServiceServicer_to_server, servicers.Platforms(db, now))
    server.add(add_MembershipServiceServicer_to_server, servicers.Memberships(db, now))
    server.add(add_AccessServiceServicer_to_server, servicers.Access(db))
    process.before_serving = make_admin
    return process


if __name__ == "__main__":
    main("identity", compose, Path(__file__).parent / "migrations")
