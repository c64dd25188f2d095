"""Refusals as gRPC statuses, and back: `google.rpc.Status` with exactly one ErrorInfo."""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from libs.common import errors
from libs.common.errors import DomainError

DETAILS = "grpc-status-details-bin"

CODES: dict[type[DomainError], grpc.StatusCode] = {
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.Refused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Stale: grpc.StatusCode.ABORTED,
    errors.Denied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
KINDS = {code: kind for kind, code in CODES.items()}

CONFLICTS = {
    "40001",
    "40P01",
    "55P03",
}  # serialization failure, deadlock, lock not had in time: repeat the transaction


def of_database(error: DBAPIError | PoolTimeout) -> DomainError | None:
    """What an error of the database means to the caller; None for a bug of ours. The driver's text never leaves."""
    if isinstance(error, PoolTimeout):
        return errors.Unavailable("DATABASE_BUSY", "the database is busy: try again")
    state = getattr(error.orig, "sqlstate", None)
    if state in CONFLICTS:
        return errors.Stale("CONFLICT", "other changes were in the way: try again")
    if state == "57014":
        return errors.Unavailable("TOO_SLOW", "this took too long: try again")
    lost = error.connection_invalidated or (state is None and isinstance(error, OperationalError))
    if lost or str(state)[:2] in {"08", "53", "57"} or state in {"25006", "25P03", "25P04"}:
        return errors.Unavailable("DATABASE_UNAVAILABLE", "the database does not answer: try again")
    return None


def is_conflict(error: DBAPIError) -> bool:
    """Whether repeating the whole transaction can help."""
    return getattr(error.orig, "sqlstate", None) in CONFLICTS


def to_status(error: DomainError, domain: str) -> status_pb2.Status:
    """A refusal as `google.rpc.Status`."""
    details = [
        pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=error.domain or domain, metadata=error.facts))
    ]
    if isinstance(error, errors.Invalid) and error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=violation.field, description=violation.description)
        details.append(pack(bad))
    if isinstance(error, (errors.Unavailable, errors.Overloaded)):
        details.append(pack(error_details_pb2.RetryInfo(retry_delay=Duration(nanos=200_000_000))))
    code: int = CODES[type(error)].value[0]
    return status_pb2.Status(code=code, message=error.message, details=details)


def from_error(error: grpc.aio.AioRpcError) -> DomainError:
    """The refusal that another service answered with, its reason and domain kept.

    What is no refusal of ours (no ErrorInfo) is an outage of the neighbour to the caller.
    """
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS and error.code() in KINDS:
            status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
            info = error_details_pb2.ErrorInfo()
            if status.details and status.details[0].Unpack(info):
                refusal = KINDS[error.code()](info.reason, status.message, **dict(info.metadata))
                refusal.domain = info.domain
                return refusal
    return errors.Unavailable("NEIGHBOUR_UNAVAILABLE", "a service that this one needs does not answer: try again")


def pack(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> AnyMessage:
    """A detail in its envelope."""
    envelope = AnyMessage()
    envelope.Pack(message)
    return envelope
