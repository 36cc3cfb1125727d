"""Prepare a session of PostgreSQL before its first use: check version and pooler, set it up.

The settings are not sent in the session's startup message: a pooler such as PgBouncer refuses them
there, or silently drops them if it is configured to.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from storage.errors import DatabaseUnsuitable

MIN_VERSION = 17  # transaction_timeout
_TRIES = 3

_SHARED = (
    "the pooler in front of PostgreSQL shares sessions between clients "
    "(PgBouncer: pool_mode=transaction or statement), so the service's settings of a session are "
    "lost: use pool_mode=session, or PostgreSQL's own address in ACTIVITY_DATABASE_URL"
)


class SessionStart:
    """Prepares the sessions of one engine.

    `settings`: PostgreSQL's, by name. `connect`: opens another session.
    """

    def __init__(self, settings: Mapping[str, str | int], connect: Callable[[], Any]) -> None:
        self._values = {name: str(value) for name, value in settings.items()}
        calls = [f"set_config('{name}', %({name})s, false)" for name in self._values]
        self._query = f"SELECT {', '.join(['pg_backend_pid()', *calls])}"
        self._connect = connect
        self._lock = threading.Lock()
        self._pooler_is_fit = False

    def prepare(self, driver: Any) -> None:
        """Set the session up, in one round trip. It is closed if that fails.

        Raises DatabaseUnsuitable, and psycopg2.Error if PostgreSQL can't be reached.
        """
        try:
            require_version(driver.server_version)
            driver.autocommit = True  # the settings must outlive the transaction
            if self._set_up(driver) != driver.info.backend_pid:  # a pooler reports PIDs of its own
                self._require_fit_pooler(driver)
            driver.autocommit = False
        except BaseException:
            driver.close()
            raise

    def _set_up(self, driver: Any) -> int:
        with driver.cursor() as cursor:
            cursor.execute(self._query, self._values)
            return int(cursor.fetchone()[0])

    def _require_fit_pooler(self, driver: Any) -> None:
        with self._lock:
            if self._pooler_is_fit:
                return
            with closing(self._connect()) as other:
                if shares_sessions(driver, other):
                    raise DatabaseUnsuitable(_SHARED)
            self._pooler_is_fit = True


def require_version(number: int) -> None:
    """Check the version; `number` is 170002 for 17.2. Raises DatabaseUnsuitable if too old."""
    major, minor = divmod(number, 10_000)
    if major < MIN_VERSION:
        raise DatabaseUnsuitable(
            f"PostgreSQL {major}.{minor} is too old: the service needs {MIN_VERSION} or newer "
            "(ACTIVITY_DATABASE_URL)"
        )


def shares_sessions(idle: Any, other: Any) -> bool:
    """Return whether a pooler lends the server session of `idle` to others between transactions.

    Usually it lends that session to `other` at once. If not: while `other` is inside a transaction,
    a pooler that shares must give `idle` another session, or has lent its session to `other`.
    """
    other.autocommit = True
    if _pid(idle) == _pid(other):
        return True
    other.autocommit = False
    for _ in range(_TRIES):
        before, inside = _pid(idle), _pid(other)
        if inside == before or _pid(idle) != before:
            return True
        other.rollback()
    return False


def _pid(driver: Any) -> int:
    with driver.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
