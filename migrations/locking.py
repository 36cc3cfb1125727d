"""Lock tables for a change of their definition, while the service uses them."""

from alembic import op

# Such a lock waits for every running query, and all later ones would wait behind it. So wait
# briefly, let them pass, and try again.
_LOCK = """
DO $$
BEGIN
    FOR attempt IN 1..200 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '1s', true);
            LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;
            PERFORM set_config('lock_timeout', '0', true);
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


def lock(*tables: str) -> None:
    """Lock the tables until the migration ends: name them in the order in which a drain does."""
    op.execute(_LOCK.format(tables=", ".join(tables), last=tables[-1]))
