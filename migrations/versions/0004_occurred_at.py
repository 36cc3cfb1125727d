"""When events happened. Quick on large tables: maintenance makes the index of each partition later.

Upgrade workers before API processes: a worker of an earlier version would not store `occurred_at`.
"""

from alembic import op

from migrations.locking import lock

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

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
    lock("events")
    op.execute(_UP)


def downgrade() -> None:
    """Drop both. What producers said of the time of their events is lost."""
    lock("events")
    op.execute(_DOWN)
