"""Engines for PostgreSQL with explicit limits, and the one way to run a transaction."""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import sqlalchemy as sa
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, set_wait_callback

from storage.errors import DatabaseUnavailable
from storage.postgres.connector import CONNECT_SECONDS, Connector, is_answered, patience
from storage.postgres.session import SessionStart
from storage.server_errors import database_errors, sqlstate

WAIT_FOR_CONNECTION_SECONDS = 3
ANSWER_SECONDS = 12.0  # the API waits so long: longer than the server lets a query run
READ_LIMIT_MS = 10_000  # longer than any page should take
READ_GRACE_MS = 1_000  # more for a transaction: the limit of its statement must come first
_MIN_CHANGE_MS = 50  # a limit is not sent again for a smaller change
WRITE_LIMIT_MS = 30_000  # of one batch; then the drain starts over
INSPECTION_LIMIT_MS = 5_000
IDLE_LIMIT_MS = 5_000  # a paused drain's transaction must not hold its shard
_READ_ONLY = "25006"
_USED = "used"  # key in a pool's connection record: the connection was lent before


def reading_engine(url: str, pool: int) -> sa.Engine:
    """Make an engine for queries: read-only snapshots, cancelled after READ_LIMIT_MS."""
    return _reading_engine(url, pool, "activity-api")


COUNTING_CONNECTIONS = 2
"""Connections of an API process for what `counting_engine` reads."""


def counting_engine(url: str, pool: int = COUNTING_CONNECTIONS) -> sa.Engine:
    """Make an engine for reads of much of the history, which are no pages: one core for each.

    With two workers more, most counts took longer, and they would take the cores of the rest.
    """
    name = "activity-statistics"
    return _reading_engine(url, pool, name, max_parallel_workers_per_gather=0)


FEED_CONNECTIONS = 3
"""Connections of an API process for readers of the feed."""

ADMIN_CONNECTIONS = 2
"""Connections of an API process for the acts of administrators."""

WITNESS_CONNECTIONS = 1
"""Connections of an API process for what it witnesses of the queue."""

BESIDE_POOL = COUNTING_CONNECTIONS + FEED_CONNECTIONS + ADMIN_CONNECTIONS + WITNESS_CONNECTIONS
"""Connections of an API process beside those of `ACTIVITY_DATABASE_POOL`."""


def feed_engine(url: str) -> sa.Engine:
    """Make an engine for readers of the feed, each of which may go on without end."""
    name = "activity-feed"
    return _reading_engine(url, FEED_CONNECTIONS, name, max_parallel_workers_per_gather=0)


def _reading_engine(url: str, pool: int, name: str, **settings: str | int) -> sa.Engine:
    return _engine(
        url,
        pool,
        name,
        statement_timeout=READ_LIMIT_MS,
        # At this limit the server closes the connection, and the reason is lost.
        transaction_timeout=READ_LIMIT_MS + READ_GRACE_MS,
        # Pages are fetched through a cursor. By default PostgreSQL would plan for a tenth of the
        # page: it would rather walk all of time to the first of a few rare rows than find them by
        # their index.
        cursor_tuple_fraction=1,
        # The bitmap of a million rows in a table of 5 GB fits. A larger one becomes lossy, and
        # PostgreSQL checks every row of its pages. Only bitmaps use so much, at most one for each
        # connection.
        work_mem="64MB",
        default_transaction_read_only="on",
        default_transaction_isolation="repeatable read",
        idle_in_transaction_session_timeout=IDLE_LIMIT_MS,
        jit="off",
        **settings,
    )


def writing_engine(url: str) -> sa.Engine:
    """Make an engine for one drain at a time. A commit is on disk (`synchronous_commit`)."""
    return _engine(
        url,
        1,
        "activity-drain",
        statement_timeout=WRITE_LIMIT_MS,
        transaction_timeout=WRITE_LIMIT_MS,
        idle_in_transaction_session_timeout=IDLE_LIMIT_MS,
        synchronous_commit="on",
        work_mem="16MB",  # triggers see the rows of a batch in memory, not in a file
        jit="off",
    )


def plain_engine(url: str, pool: int = 1) -> sa.Engine:
    """Make an engine for migrations and maintenance, with no limits but the connection's."""
    return _engine(url, pool, "activity-maintenance")


def inspecting_engine(url: str, name: str = "activity-doctor") -> sa.Engine:
    """Make an engine for one reader that asks about the server, each answer within a time limit."""
    return _engine(
        url,
        1,
        name,
        statement_timeout=INSPECTION_LIMIT_MS,
        default_transaction_read_only="on",
        idle_in_transaction_session_timeout=IDLE_LIMIT_MS,
        jit="off",
    )


def admin_engine(url: str) -> sa.Engine:
    """Make an engine for the acts of administrators over HTTP, each statement within a limit.

    A commit is on disk.
    """
    return _recording_engine(url, ADMIN_CONNECTIONS, "activity-admin")


def witness_engine(url: str) -> sa.Engine:
    """Make an engine like that of administrators, for what a process witnesses of the queue."""
    return _recording_engine(url, WITNESS_CONNECTIONS, "activity-witness")


def _recording_engine(url: str, pool: int, name: str) -> sa.Engine:
    return _engine(
        url,
        pool,
        name,
        statement_timeout=READ_LIMIT_MS,
        idle_in_transaction_session_timeout=IDLE_LIMIT_MS,
        synchronous_commit="on",
        jit="off",
    )


@contextmanager
def short_engine(url: str, pool: int = 1) -> Iterator[sa.Engine]:
    """Lend a `plain_engine`, and close its connections after the block."""
    engine = plain_engine(url, pool)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Run one unit of work: commit at its end, roll back on any exception. Nothing else commits.

    Raises DatabaseUnavailable if PostgreSQL can't be reached or can't write, DatabaseMismatch if it
    is not migrated or can't be used.
    """
    with database_errors(), engine.begin() as connection:
        try:
            yield connection
        except sa.exc.DBAPIError as error:
            # A session that began while the server was read-only (a failover) stays read-only.
            if sqlstate(error) == _READ_ONLY:
                connection.invalidate(error)
            raise


@contextmanager
def outside_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Lend a connection on which each statement commits: for what no transaction block may hold.

    Raises what `transaction` raises.
    """
    with database_errors(), engine.connect() as connection, autocommit(connection):
        yield connection


@contextmanager
def autocommit(connection: sa.Connection) -> Iterator[None]:
    """Let each statement commit in the block. Raises DBAPIError.

    With SQLAlchemy's own option for it, a session that ends in the block takes its place in the
    pool with it for good: the pool sets the option back, fails, and has not yet taken it back.
    """
    driver: Any = connection.connection.driver_connection
    try:
        driver.autocommit = True
        try:
            yield
        finally:
            if not connection.invalidated:
                driver.autocommit = False
    except psycopg2.Error as error:
        connection.invalidate(error)
        raise sa.exc.DBAPIError(None, None, error, connection_invalidated=True) from error


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Run one unit of work whose statements all see the same state. Raises what `transaction` does.

    Not by SQLAlchemy's option, for the reason that `autocommit` gives.
    """
    with transaction(engine) as connection:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield connection


class TimeLeft:
    """The time limit of a page: `limit_ms` from now on, for all its statements together."""

    def __init__(self, limit_ms: int = READ_LIMIT_MS) -> None:
        self._allowed = READ_LIMIT_MS  # the session's setting
        self._end = time.monotonic() + limit_ms / 1000

    def allow(self, connection: sa.Connection) -> None:
        """Limit the next statement to the time left; at least 1 ms, for an error of its own."""
        left = max(1, int((self._end - time.monotonic()) * 1000))
        if left < self._allowed - _MIN_CHANGE_MS:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {left}")
            self._allowed = left


@contextmanager
def driver_connection(connection: sa.Connection) -> Iterator[Any]:
    """Lend psycopg2's own connection, for COPY, and turn its errors into SQLAlchemy's.

    Raises DBAPIError. A lost connection is not used again.
    """
    driver: Any = connection.connection.driver_connection
    try:
        yield driver
    except psycopg2.Error as error:
        lost = bool(driver.closed)
        if lost:
            connection.invalidate(error)
        raise sa.exc.DBAPIError(None, None, error, connection_invalidated=lost) from error


def bound_waiting(seconds: float) -> None:
    """Limit how long this whole process waits for each answer of PostgreSQL.

    The server's own limits have no effect if the server hangs. A wait that takes too long raises
    OperationalError. COPY can't be used in such a process.
    """

    def wait(connection: Any) -> None:
        ready = {POLL_READ: ([connection], []), POLL_WRITE: ([], [connection])}
        while (state := connection.poll()) != POLL_OK:
            allowed = patience(seconds)
            if not is_answered(*ready[state], allowed):
                raise psycopg2.OperationalError(f"no answer within {allowed:g} s")

    set_wait_callback(wait)


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Limit the waits of this process (`bound_waiting`) for the block."""
    bound_waiting(seconds)
    try:
        yield
    finally:
        set_wait_callback(None)


def require_suitable(url: str) -> None:
    """Check the server if it can be reached. Raises DatabaseUnsuitable if it can't be used."""
    with suppress(DatabaseUnavailable), short_engine(url) as engine, transaction(engine):
        pass


def _engine(url: str, pool: int, name: str, **settings: str | int) -> sa.Engine:
    # Not the server's default: a writer's statement after its insert must see the present.
    settings.setdefault("default_transaction_isolation", "read committed")
    options = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": name,
        "client_encoding": "utf8",  # COPY sends bytes, which nothing converts
        "options": "",  # overrides PGOPTIONS
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    address = _with_driver(url)
    connect = Connector(address, options).connect
    engine = sa.create_engine(
        address,
        pool_size=pool,
        max_overflow=0,
        hide_parameters=True,  # they are events, which must not be logged
        pool_timeout=WAIT_FOR_CONNECTION_SECONDS,
        creator=connect,
    )
    start = SessionStart({"timezone": "UTC", **settings}, connect)
    sa.event.listen(engine, "connect", lambda driver, _: start.prepare(driver), insert=True)
    sa.event.listen(engine, "checkout", _replace_if_lost)
    return engine


def _with_driver(url: str) -> sa.URL:
    """Name psycopg2 in an address that names no driver: SQLAlchemy's default is psycopg."""
    parsed = sa.make_url(url)
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg2")
    return parsed


def _replace_if_lost(driver: Any, record: Any, _: object) -> None:
    """Let the pool replace a connection whose server has ended the session.

    To an idle session, a server sends nothing but its end. So checking for readable bytes tells as
    much as a ping, which would cost a round trip per transaction.
    """
    if driver.closed or _readable(driver):
        if _USED in record.info:
            raise sa.exc.InvalidatePoolError
        # After several InvalidatePoolErrors in a row the pool would blame its caller.
        raise psycopg2.OperationalError("the server ended the session as soon as it began")
    record.info[_USED] = True


def _readable(driver: Any) -> bool:
    answers = select.poll()
    answers.register(driver, select.POLLIN)
    return bool(answers.poll(0))
