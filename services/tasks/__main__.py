"""The tasks service, put together."""

from __future__ import annotations

from pathlib import Path

from eridu.tasks.v1.task_service_pb2_grpc import add_TaskServiceServicer_to_server
from eridu.tasks.v1.template_service_pb2_grpc import add_TemplateServiceServicer_to_server

from libs.common.clock import now
from libs.common.config import Config
from libs.common.process import Process, main
from services.tasks import consumers, servicers
from services.tasks.neighbours import Identity
from services.tasks.store.tables import REFUSALS


def compose(config: Config) -> Process:
    """Every part of the service, in the order of the path of a request."""
    process = Process(config, "tasks", REFUSALS)
    db, server = process.db, process.server
    identity = Identity(process.neighbours)
    server.add(add_TemplateServiceServicer_to_server, servicers.Templates(db, identity, now))
    server.add(add_TaskServiceServicer_to_server, servicers.Tasks(db, identity, now))
    process.hear("production", consumers.from_production(db, now))
    return process


if __name__ == "__main__":
    main("tasks", compose, Path(__file__).parent / "migrations")
