"""Counts of events by hour."""

from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE event_hours (
    hour timestamptz,
    component text,
    environment text,
    shard integer,
    n bigint NOT NULL,
    minutes integer[] NOT NULL,
    PRIMARY KEY (hour, component, environment, shard)
) WITH (fillfactor = 50);
"""
_DOWN = "DROP TABLE event_hours"


def upgrade() -> None:
    """Create the table of counts."""
    op.execute(_UP)


def downgrade() -> None:
    """Drop the table of counts."""
    op.execute(_DOWN)
