"""The door to PostgreSQL: engines with every limit said, and the one way to run a transaction."""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import sqlalchemy as sa
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, set_wait_callback

from storage.errors import DatabaseUnavailable, database_errors, sqlstate
from storage.postgres.session import SessionStart

CONNECT_SECONDS = 3
WAIT_FOR_CONNECTION_SECONDS = 3
ANSWER_SECONDS = 12.0  # that the API waits: past what the server allows a query
READ_LIMIT_MS = 10_000  # longer than any page should take; a runaway query ends here
READ_GRACE_MS = 1_000  # on top, for a transaction: its statements must be what ends first
_LITTLE_MS = 50  # too little time to tell the server of
WRITE_LIMIT_MS = 30_000  # one batch; then the drain starts over
IDLE_LIMIT_MS = 5_000  # a paused drain's transaction must not hold its shard
_READ_ONLY = "25006"
_USED = "used"  # in what the pool remembers of a connection: it was lent before


def reading_engine(url: str, pool: int) -> sa.Engine:
    """For queries: read-only transactions that see one moment, cancelled after READ_LIMIT_MS."""
    return _engine(
        url,
        pool,
        "activity-api",
        statement_timeout=READ_LIMIT_MS,
        # A transaction at its limit loses its connection, and with it the reason.
        transaction_timeout=READ_LIMIT_MS + READ_GRACE_MS,
        # Pages are fetched through a cursor. Without the fraction PostgreSQL would plan for a
        # tenth of the page, and rather walk all of time for the first of a few rare rows than
        # find them by their index.
        cursor_tuple_fraction=1,
        # A bitmap of a million rows in a table of 5 GB fits. One that does not forgets which rows
        # it means, and every row of its pages is looked at. Of memory this is only the bitmap's
        # size, and no more at once than the process has connections.
        work_mem="64MB",
        default_transaction_read_only="on",
        default_transaction_isolation="repeatable read",
        idle_in_transaction_session_timeout=IDLE_LIMIT_MS,
        jit="off",
    )


def writing_engine(url: str) -> sa.Engine:
    """For one drain at a time; with `synchronous_commit`, so that a commit is on disk."""
    return _engine(
        url,
        1,
        "activity-drain",
        statement_timeout=WRITE_LIMIT_MS,
        transaction_timeout=WRITE_LIMIT_MS,
        idle_in_transaction_session_timeout=IDLE_LIMIT_MS,
        synchronous_commit="on",
        jit="off",
    )


def plain_engine(url: str, pool: int = 1) -> sa.Engine:
    """For migrations and maintenance: no limits but the connection's."""
    return _engine(url, pool, "activity-maintenance")


@contextmanager
def short_engine(url: str) -> Iterator[sa.Engine]:
    """Lend a `plain_engine`, and close its connection after the block."""
    engine = plain_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One unit of work: commits at the end, rolls back on any exception; nothing else commits.

    Raises DatabaseUnavailable where PostgreSQL is away, or can't write at present.
    """
    with database_errors(), engine.begin() as connection:
        try:
            yield connection
        except sa.exc.DBAPIError as error:
            # A session that began while the server was read-only (a failover) stays so for good.
            if sqlstate(error) == _READ_ONLY:
                connection.invalidate(error)
            raise


class TimeLeft:
    """READ_LIMIT_MS from now on, for all the statements of a page together."""

    def __init__(self) -> None:
        self._allowed = READ_LIMIT_MS  # as the connection begins
        self._end = time.monotonic() + READ_LIMIT_MS / 1000

    def allow(self, connection: sa.Connection) -> None:
        """Let the next statement have what is left; at least a little, so that it says so."""
        left = max(1, int((self._end - time.monotonic()) * 1000))
        if left < self._allowed - _LITTLE_MS:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {left}")
            self._allowed = left


@contextmanager
def driver_connection(connection: sa.Connection) -> Iterator[Any]:
    """psycopg2's own connection, for COPY; its errors become SQLAlchemy's, which alone don't.

    Raises DBAPIError, after which a connection that is lost is never used again.
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
    """Let no answer of PostgreSQL be awaited longer than this, in this whole process.

    The server's own limits end nothing when the server stands still. Raises OperationalError
    where one is awaited too long. COPY can't be used in such a process.
    """

    def wait(connection: Any) -> None:
        ready = {POLL_READ: ([connection], []), POLL_WRITE: ([], [connection])}
        while (state := connection.poll()) != POLL_OK:
            if not any(select.select(*ready[state], [], seconds)):
                raise psycopg2.OperationalError(f"no answer within {seconds:g} s")

    set_wait_callback(wait)


def require_suitable(url: str) -> None:
    """Raises DatabaseUnsuitable for a server that can't be used; nothing where it is away."""
    with suppress(DatabaseUnavailable), short_engine(url) as engine, transaction(engine):
        pass


def _engine(url: str, pool: int, name: str, **settings: str | int) -> sa.Engine:
    # Whatever the server's default: what a writer asks behind its insert must see the present.
    settings.setdefault("default_transaction_isolation", "read committed")
    options = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": name,
        "client_encoding": "utf8",  # COPY sends bytes, which nobody else would convert
        "options": "",  # nor what PGOPTIONS says
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    engine = sa.create_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        hide_parameters=True,  # an error that is logged says nothing of events
        pool_timeout=WAIT_FOR_CONNECTION_SECONDS,
        connect_args=options,
    )
    start = SessionStart({"timezone": "UTC", **settings}, lambda: _connect(engine, options))
    sa.event.listen(engine, "connect", lambda driver, _: start.prepare(driver), insert=True)
    sa.event.listen(engine, "checkout", _replace_if_lost)
    return engine


def _connect(engine: sa.Engine, options: dict[str, Any]) -> Any:
    """A session beside the engine's pool."""
    arguments, more = engine.dialect.create_connect_args(engine.url)
    return engine.dialect.connect(*arguments, **{**more, **options})


def _replace_if_lost(driver: Any, record: Any, _: object) -> None:
    """A server that ends an idle session says so, and nothing else unasked: so what can be read
    tells as much as a ping would, which costs a round trip for each transaction."""
    if driver.closed or _readable(driver):
        if _USED in record.info:
            raise sa.exc.InvalidatePoolError
        # Of several in turn the pool would say that the caller used it wrongly.
        raise psycopg2.OperationalError("the server ended the session as soon as it began")
    record.info[_USED] = True


def _readable(driver: Any) -> bool:
    answers = select.poll()
    answers.register(driver, select.POLLIN)
    return bool(answers.poll(0))
