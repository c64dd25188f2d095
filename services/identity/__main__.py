"""The identity service, put together."""

from __future__ import annotations

from pathlib import Path

from eridu.identity.v1.access_service_pb2_grpc import add_AccessServiceServicer_to_server
from eridu.identity.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from eridu.identity.v1.client_service_pb2_grpc import add_ClientServiceServicer_to_server
from eridu.identity.v1.membership_service_pb2_grpc import add_MembershipServiceServicer_to_server
from eridu.identity.v1.platform_service_pb2_grpc import add_PlatformServiceServicer_to_server
from eridu.identity.v1.studio_service_pb2_grpc import add_StudioServiceServicer_to_server
from eridu.identity.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server

from libs.common.access import Principal
from libs.common.clock import now
from libs.common.config import Config
from libs.common.db import Database
from libs.common.process import Process, main
from libs.common.tokens import Claims
from services.identity import consumers, convert, queries
from services.identity.commands import secrets, users
from services.identity.keyring import Keyring
from services.identity.servicers.access import Access, Audits
from services.identity.servicers.groups import Clients, Platforms, Studios
from services.identity.servicers.memberships import Memberships
from services.identity.servicers.users import Users
from services.identity.store.tables import REFUSALS

STREAMS = ("identity", "scheduling", "production", "tasks")


def compose(config: Config) -> Process:
    """Every part of the service, in the order of the path of a request."""

    async def lookup(claims: Claims) -> Principal:
        return convert.known_principal(await queries.get_principal(process.db, now, claims))

    async def make_admin() -> None:
        if config.admin_ext_id:
            await users.ensure_admin(process.db, now, config.admin_ext_id)

    process = Process(config, "identity", REFUSALS, lookup)
    db, server = process.db, process.server
    server.add(add_UserServiceServicer_to_server, Users(db, now))
    server.add(add_ClientServiceServicer_to_server, Clients(db, now))
    server.add(add_StudioServiceServicer_to_server, Studios(db, now))
    server.add(add_PlatformServiceServicer_to_server, Platforms(db, now, keyring_of(config)))
    server.add(add_MembershipServiceServicer_to_server, Memberships(db, now))
    server.add(add_AccessServiceServicer_to_server, Access(db, now))
    server.add(add_AuditServiceServicer_to_server, Audits(db))
    for stream in STREAMS:
        process.hear(stream, consumers.of(stream, db))
    process.before_serving = make_admin
    return process


def keyring_of(config: Config) -> Keyring:
    """The keys that platforms' secrets are sealed with."""
    return Keyring.of(config.secret_keys.get_secret_value())


async def rewrap(config: Config) -> None:
    """`python -m services.identity rewrap`: after a new key was put in front of the ring."""
    db = Database(config, "identity", REFUSALS)
    print(f"{await secrets.rewrap_api_configs(db, keyring_of(config))} secrets are under another key now")
    await db.close()


if __name__ == "__main__":
    main("identity", compose, Path(__file__).parent / "migrations", rewrap=rewrap)
