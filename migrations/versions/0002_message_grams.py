"""N-grams of the messages of past spans.

Stop all workers of earlier versions first: they do not flag spans in which an event comes late.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE message_spans (
    start_at timestamptz PRIMARY KEY,
    end_at timestamptz NOT NULL,
    build uuid NOT NULL DEFAULT gen_random_uuid(),
    lengths smallint[],
    late timestamptz
);

CREATE TABLE message_grams (
    gram text COLLATE "C",
    span timestamptz,
    PRIMARY KEY (gram, span)
);
"""
_DOWN = "DROP TABLE message_grams, message_spans"


def upgrade() -> None:
    """Create the tables of n-grams."""
    op.execute(_UP)


def downgrade() -> None:
    """Drop the tables of n-grams."""
    op.execute(_DOWN)
