"""The production service, put together."""

from __future__ import annotations

from pathlib import Path

from eridu.production.v1.show_service_pb2_grpc import add_ShowServiceServicer_to_server

from libs.common.clock import now
from libs.common.config import Config
from libs.common.process import Process, main
from services.production import servicers, store
from services.production.consumers import from_scheduling
from services.production.neighbours import Others


def compose(config: Config) -> Process:
    """Every part of the service, in the order of the path of a request."""
    process = Process(config, "production", store.REFUSALS)
    db = process.db
    process.server.add(add_ShowServiceServicer_to_server, servicers.Shows(db, now, Others(process.neighbours)))
    process.hear("scheduling", from_scheduling(db, now))
    return process


if __name__ == "__main__":
    main("production", compose, Path(__file__).parent / "migrations")
