"""The database of one service: a pool that writes in transactions, and a pool that can only read.

`Database.begin` is the only way to write. It joins three promises in one transaction: the change and its ledger rows
(a change without one does not commit), the caller's rights (a change that nobody checked does not commit), and
"once" (a request id or an event that was seen before does not run again).
"""

from __future__ import annotations

import select
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from psycopg import OperationalError
from sqlalchemy import CursorResult, Executable, MetaData, TextClause, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.dml import UpdateBase

from libs.common.access import Caller
from libs.common.config import Config
from libs.common.errors import DomainError, Unavailable

NAMING = {  # so that every constraint has a name that store.py can turn into a refusal
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}

Refusals = Mapping[str, Callable[[], DomainError]]


class Reader(Protocol):
    """Something that runs statements: a transaction or a reading connection."""

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement."""
        ...


def tables(schema: str) -> MetaData:
    """The MetaData that a service's tables belong to."""
    return MetaData(schema=schema, naming_convention=NAMING)


class Tx:
    """A writing transaction. Knows who writes, and whether what was written is in the ledger."""

    def __init__(self, db: Database, conn: AsyncConnection, caller: Caller) -> None:
        self.db = db
        self.conn = conn
        self.caller = caller
        self.wrote = False
        self.recorded = 0

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement; what a constraint refuses is raised as the service's own refusal."""
        self.wrote = self.wrote or writes(statement)
        try:
            return await self.conn.execute(statement, parameters)
        except IntegrityError as error:
            raise self.db.named(error) from error.orig

    async def keep(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run a statement of the house's own books (ledger, inbox, request ids), which is no change of an entity."""
        return await self.conn.execute(statement, parameters)

    async def copy(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Write many rows of the house's own books with COPY, the fastest way in; `table` is `name (column, …)`."""
        driver = (await self.conn.get_raw_connection()).driver_connection
        assert driver is not None
        async with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                await copy.write_row(row)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """A savepoint: what is done inside is undone if it raises."""
        wrote, recorded = self.wrote, self.recorded
        try:
            async with self.conn.begin_nested():
                yield
        except BaseException:
            self.wrote, self.recorded = wrote, recorded
            raise

    def ready_to_commit(self) -> None:
        """Refuse to commit a change without its ledger row, or one whose caller was never checked."""
        self.caller.require_checked()
        if self.wrote and not self.recorded:
            raise RuntimeError("a change cannot commit without its ledger row: call ledger.record")

    async def commit(self) -> None:
        """Commit. If the answer is lost, nobody knows whether it happened: safe to repeat with the same request id."""
        try:
            await self.conn.commit()
        except IntegrityError as error:  # of a constraint that is checked only now: it surely did not happen
            raise self.db.named(error) from error.orig
        except DBAPIError as error:
            raise Unavailable(
                "OUTCOME_UNKNOWN", "the answer to COMMIT was lost: repeat with the same request_id"
            ) from error
        finally:
            await self.close()
        self.caller.committed = True
        if self.recorded:
            self.db.committed()

    async def close(self) -> None:
        """Give the connection back; what was not committed is rolled back."""
        self.caller.tx = None
        await self.conn.close()


class Database:
    """Both pools of one service."""

    def __init__(self, config: Config, schema: str, refusals: Refusals | None = None) -> None:
        self.schema = schema
        self.refusals: Refusals = refusals or {}
        self.committed: Callable[[], None] = lambda: None
        self.writer = engine(config, schema, config.pool_size)
        # Autocommit: a read is one round trip. Read-only: PostgreSQL itself refuses a write that strays in here.
        self.reader = engine(
            config,
            schema,
            config.pool_size,
            "-c default_transaction_read_only=on",
            isolation_level="AUTOCOMMIT",
        )

    def named(self, error: IntegrityError) -> Exception:
        """The service's own refusal for what one of its constraints refused; the error itself where it has none."""
        name = str(getattr(getattr(error.orig, "diag", None), "constraint_name", ""))
        return self.refusals[name]() if name in self.refusals else error

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[Tx]:
        """The caller's writing transaction.

        A call with a request id has exactly one: it stays open until the interceptor has the answer, and commits
        together with it, so that a repeated call gets the very same answer. All others commit at the end of the block.
        """
        if caller.tx is not None:
            yield caller.tx
            caller.tx.ready_to_commit()
            return
        tx = Tx(self, await self.writer.connect().start(), caller)
        try:
            await tx.conn.begin()
            if caller.once is not None:
                await caller.once.claim(tx)
            yield tx
            tx.ready_to_commit()
        except BaseException:
            await tx.close()
            raise
        if caller.once is not None and caller.once.keeps_answer:
            caller.tx = tx
        else:
            await tx.commit()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that can only read, one statement a transaction."""
        async with self.reader.connect() as connection:
            yield connection

    async def ping(self) -> None:
        """Raise unless the database answers."""
        async with self.reader.connect() as connection:
            await connection.exec_driver_sql("SELECT 1")

    async def close(self) -> None:
        """Close both pools."""
        await self.writer.dispose()
        await self.reader.dispose()


def writes(statement: Executable) -> bool:
    """Whether a statement changes rows: SQL written out counts unless it begins with SELECT."""
    if isinstance(statement, TextClause):
        return not statement.text.lstrip().upper().startswith("SELECT")
    return isinstance(statement, UpdateBase)


def engine(
    config: Config, schema: str, size: int, options: str = "", isolation_level: Any = "READ COMMITTED"
) -> AsyncEngine:
    """A pool of connections for one purpose. Lost connections are noticed within half a minute, waiting is bounded."""
    made = create_async_engine(
        make_url(config.database_url).set(drivername="postgresql+psycopg"),
        isolation_level=isolation_level,
        hide_parameters=True,  # an error that is logged in full must not carry what people wrote
        pool_size=size,
        max_overflow=0,
        pool_timeout=5,
        pool_use_lifo=True,
        pool_recycle=900,
        connect_args={
            "application_name": f"eridu.{schema}",
            "connect_timeout": 3,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "options": f"-c search_path={schema} -c timezone=UTC -c statement_timeout=30s -c lock_timeout=5s "
            f"-c idle_in_transaction_session_timeout=30s {options}",
        },
    )
    event.listen(made.sync_engine, "checkout", refuse_lost)
    return made


def refuse_lost(connection: Any, *_: Any) -> None:
    """Make the pool replace a connection that the server has closed, before anybody relies on it.

    Nothing is ever waiting to be read on an idle connection, unless it is the server's goodbye: one look at the socket
    tells, without a round trip.
    """
    socket = select.poll()
    try:
        socket.register(connection.driver_connection.pgconn.socket, select.POLLIN)
    except OperationalError as error:
        raise InvalidatePoolError from error
    if socket.poll(0):
        raise InvalidatePoolError
