"""What letters the messages of past spans hold. Workers of before must end first: they don't mark
the spans into which an event comes late."""

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
    op.execute(_UP)


def downgrade() -> None:
    op.execute(_DOWN)
