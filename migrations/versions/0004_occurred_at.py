"""When events happened. Quick on large tables: maintenance makes the index of each partition later.

Upgrade workers before API processes: a worker of an earlier version would not store `occurred_at`.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A column without a default changes no row. But it needs a lock that waits for every running query,
# and all later ones would wait behind it. So wait briefly, let them pass, and try again.
_LOCK = """
DO $$
BEGIN
    FOR attempt IN 1..200 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '1s', true);
            LOCK TABLE events IN ACCESS EXCLUSIVE MODE;
            PERFORM set_config('lock_timeout', '0', true);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.5 + random());
        END;
    END LOOP;
    RAISE EXCEPTION 'the table events is in use: a transaction does not end (see pg_stat_activity)'
        USING ERRCODE = 'lock_not_available';
END $$
"""
# ONLY: maintenance makes the index of each existing partition, without blocking writers.
_UP = """
ALTER TABLE events ADD COLUMN occurred_at timestamptz;
CREATE INDEX events_occurred ON ONLY events USING brin (COALESCE(occurred_at, created_at));
"""
_DOWN = """
DROP INDEX events_occurred;
ALTER TABLE events DROP COLUMN occurred_at;
"""


def upgrade() -> None:
    """Add the column and its index."""
    op.execute(_LOCK)
    op.execute(_UP)


def downgrade() -> None:
    """Drop both. What producers said of the time of their events is lost."""
    op.execute(_LOCK)
    op.execute(_DOWN)
