"""What API processes were told that the queue has accepted: a failover can set the queue back.

Workers of earlier versions may go on: they don't use the table.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
oldest_workers = "0006"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE queue_witness (
    shard integer PRIMARY KEY,
    accepted bigint NOT NULL,
    trimmed bigint NOT NULL,
    gaps int8multirange NOT NULL DEFAULT '{}'
)
"""
_DOWN = "DROP TABLE queue_witness"


def upgrade() -> None:
    """Create the table."""
    op.execute(_UP)


def downgrade() -> None:
    """Drop the table. What a failover has lost is not known any more."""
    op.execute(_DOWN)
