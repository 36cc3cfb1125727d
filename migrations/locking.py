"""Lock tables for a change of their definition, while the service uses them.

Such a lock waits for every running query, and all later ones would wait behind it. So each
statement of a migration waits at most WAIT_AT_MOST for a lock; then let the others pass, and try
again. Name the tables of a migration in `lock` first, which tries again by itself. After any other
statement the whole migration is rolled back and begins anew (`migrations/env.py`).
"""

import sqlalchemy as sa
from alembic import op

from storage.server_errors import sqlstate

WAIT_AT_MOST = "1s"
PAUSE_SECONDS = 0.75
TRY_FOR_SECONDS = 300.0
_LOCKED = {"55P03", "40P01"}  # lock_not_available, deadlock_detected

_LOCK = """
DO $$
BEGIN
    FOR attempt IN 1..200 LOOP
        BEGIN
            LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.5 + random());
        END;
    END LOOP;
    RAISE EXCEPTION
        'the table {last} is in use: a transaction does not end (see pg_stat_activity)'
        USING ERRCODE = 'lock_not_available';
END $$
"""


def is_locked(error: sa.exc.DBAPIError) -> bool:
    """Return whether a statement failed because another session holds a lock."""
    return sqlstate(error) in _LOCKED


def lock(*tables: str) -> None:
    """Lock the tables until the migration ends: name them in the order in which a drain does."""
    op.execute(_LOCK.format(tables=", ".join(tables), last=tables[-1]))
