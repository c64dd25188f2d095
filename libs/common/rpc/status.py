"""Refusals as gRPC statuses, and back: `google.rpc.Status` with exactly one ErrorInfo."""

from __future__ import annotations

import logging

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from libs.common import errors
from libs.common.errors import DomainError

log = logging.getLogger(__name__)

DETAILS = "grpc-status-details-bin"
LONGEST = 200  # characters of a text in a status: all of it travels in trailers, which clients bound at 8 KiB
MOST_VIOLATIONS = 10

CODES: dict[type[DomainError], grpc.StatusCode] = {
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.Refused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Stale: grpc.StatusCode.ABORTED,
    errors.Denied: grpc.StatusCode.PERMISSION_DENIED,
    errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
KINDS = {code: kind for kind, code in CODES.items()}

# Serialization failure, deadlock, lock not had in time: repeat the transaction.
CONFLICTS = {"40001", "40P01", "55P03"}

# What only the database refused, although a rule before it should have. Constraints that store.py names never get here.
VALUE_REFUSED = (errors.Invalid, "VALUE_REFUSED", "a value of this request cannot be stored")
STATE_REFUSED = (errors.Refused, "STATE_REFUSED", "what is stored does not allow this")
REFUSED: dict[str, tuple[type[DomainError], str, str]] = {
    "23502": VALUE_REFUSED,  # not null
    "23514": VALUE_REFUSED,  # check
    "23503": STATE_REFUSED,  # foreign key
    "23P01": STATE_REFUSED,  # exclusion
    "23505": (errors.AlreadyExists, "ALREADY_THERE", "something like this is there already"),
}


def refusal_of(error: BaseException) -> DomainError | None:
    """The refusal that an error means to the caller; None for a bug."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, PoolTimeout):
        return errors.Unavailable("DATABASE_BUSY", "the database is busy: try again")
    return of_database(error) if isinstance(error, DBAPIError) else None


def of_database(error: DBAPIError) -> DomainError | None:
    """What an error of the database means to the caller; None for a bug of ours. The driver's text never leaves."""
    state = sqlstate(error)
    if state in CONFLICTS:
        return errors.Stale("CONFLICT", "other changes were in the way: try again")
    if state == "57014":
        return errors.Unavailable("TOO_SLOW", "this took too long: try again")
    if state == "53100":
        return errors.Overloaded("DATABASE_FULL", "the database has no room left")
    lost = error.connection_invalidated or (not state and isinstance(error, OperationalError))
    if lost or state[:2] in {"08", "53", "57"} or state in {"25006", "25P03", "25P04"}:
        return errors.Unavailable("DATABASE_UNAVAILABLE", "the database does not answer: try again")
    if state in REFUSED or state[:2] == "22" or isinstance(error, DataError):
        log.error("a rule in a proto or in the domain is missing: the database refused a value (SQLSTATE %s)", state)
        kind, reason, message = REFUSED.get(state, VALUE_REFUSED)
        return kind(reason, message)
    return None


def sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's own code of an error; empty when the driver raised it."""
    return getattr(error.orig, "sqlstate", None) or ""


def is_conflict(error: DBAPIError) -> bool:
    """Whether repeating the whole transaction can help."""
    return sqlstate(error) in CONFLICTS


def to_status(error: DomainError, domain: str) -> status_pb2.Status:
    """A refusal as `google.rpc.Status`."""
    facts = {name: short(value) for name, value in error.facts.items()}
    details = [pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=error.domain or domain, metadata=facts))]
    if isinstance(error, errors.Invalid) and error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations[:MOST_VIOLATIONS]:
            bad.field_violations.add(field=short(violation.field), description=short(violation.description))
        details.append(pack(bad))
    if isinstance(error, (errors.Unavailable, errors.Overloaded)):
        details.append(pack(error_details_pb2.RetryInfo(retry_delay=Duration(nanos=200_000_000))))
    code: int = CODES[type(error)].value[0]
    return status_pb2.Status(code=code, message=short(error.message), details=details)


def short(text: str) -> str:
    """A text that fits into a status."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def from_error(error: grpc.aio.AioRpcError) -> DomainError:
    """The refusal that another service answered with, its reason and domain kept.

    What is no refusal of ours (no ErrorInfo) is an outage of the neighbour to the caller.
    """
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS and error.code() in KINDS:
            status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
            info = error_details_pb2.ErrorInfo()
            if status.details and status.details[0].Unpack(info):
                refusal = KINDS[error.code()](info.reason, status.message)
                refusal.facts, refusal.domain = dict(info.metadata), info.domain
                return refusal
    return errors.Unavailable("NEIGHBOUR_UNAVAILABLE", "a service that this one needs does not answer: try again")


def pack(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> AnyMessage:
    """A detail in its envelope."""
    envelope = AnyMessage()
    envelope.Pack(message)
    return envelope
