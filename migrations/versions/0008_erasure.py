"""Erasing a person: records, what they touched, notices of the feed, and `erased` in the ledger.

Workers of earlier versions may go on: they count no erased events. A request to erase waits until
they have stored what waits, and then deletes it.
"""

from alembic import op

from migrations.locking import lock

revision = "0008"
down_revision = "0007"
oldest_workers = "0006"
branch_labels = None
depends_on = None

_UP = """
ALTER TABLE drain_ledger ADD COLUMN erased bigint NOT NULL DEFAULT 0;

CREATE TABLE erasures (
    id uuid PRIMARY KEY,
    key bytea NOT NULL,
    digest bytea NOT NULL,
    before timestamptz(3) NOT NULL,
    actor text NOT NULL,
    rewrite boolean NOT NULL,
    step text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    place_at timestamptz,
    place_id uuid,
    deleted bigint NOT NULL DEFAULT 0,
    redacted bigint NOT NULL DEFAULT 0,
    letters bigint NOT NULL DEFAULT 0,
    waits_for text,
    remains text[] NOT NULL DEFAULT '{}'
);

CREATE TABLE erasure_hours (
    hour timestamptz,
    erasure uuid,
    PRIMARY KEY (hour, erasure)
);

CREATE TABLE erased_events (
    feed bigint,
    id uuid,
    component text NOT NULL,
    environment text NOT NULL,
    is_deleted boolean NOT NULL,
    PRIMARY KEY (feed, id)
);
"""
_DOWN = """
DROP TABLE erased_events, erasure_hours, erasures;
ALTER TABLE drain_ledger DROP COLUMN erased;
"""


def upgrade() -> None:
    """Create the tables, and let the ledger count what is erased."""
    lock("drain_ledger")
    op.execute(_UP)


def downgrade() -> None:
    """Drop the records: restored events of erased persons would stay."""
    lock("drain_ledger")
    op.execute(_DOWN)
