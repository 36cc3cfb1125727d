"""What a session of PostgreSQL must be before its first use: new enough, our own, and set up.

The settings are not sent with the start of the session: a pooler such as PgBouncer refuses them
there, or, where it is told to, drops them without a word.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from storage.errors import DatabaseUnsuitable

MIN_VERSION = 17  # transaction_timeout
_TRIES = 3

_SHARED = (
    "a pooler between the service and PostgreSQL gives a session to others after each transaction "
    "(PgBouncer: pool_mode=transaction or statement), and what the service has set in it is lost: "
    "use pool_mode=session, or PostgreSQL's own address, in ACTIVITY_DATABASE_URL"
)


class SessionStart:
    """Prepares the sessions of one engine.

    `settings` are PostgreSQL's, by name. `connect` opens another session beside the first.
    """

    def __init__(self, settings: Mapping[str, str | int], connect: Callable[[], Any]) -> None:
        self._values = {name: str(value) for name, value in settings.items()}
        calls = [f"set_config('{name}', %({name})s, false)" for name in self._values]
        self._query = f"SELECT {', '.join(['pg_backend_pid()', *calls])}"
        self._connect = connect
        self._lock = threading.Lock()
        self._pooler_is_fit = False

    def prepare(self, driver: Any) -> None:
        """Set the session up, in one round trip.

        Raises DatabaseUnsuitable, and psycopg2.Error when PostgreSQL is away. Then it is closed.
        """
        try:
            require_version(driver.server_version)
            driver.autocommit = True  # what is set is not to end with a transaction
            if self._set_up(driver) != driver.info.backend_pid:  # a pooler tells numbers of its own
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
    """Raises DatabaseUnsuitable for a server that is too old; `number` is as 170002 for 17.2."""
    major, minor = divmod(number, 10_000)
    if major < MIN_VERSION:
        raise DatabaseUnsuitable(
            f"PostgreSQL {major}.{minor} is too old: the service needs {MIN_VERSION} or newer "
            "(ACTIVITY_DATABASE_URL)"
        )


def shares_sessions(idle: Any, other: Any) -> bool:
    """Whether a pooler takes the session of `idle`, outside a transaction, away from it.

    Mostly the other one is given it at once. Where not: while `other` is inside a transaction, a
    pooler that shares must give `idle` another session, or has given its session to `other`.
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
