"""Retention: legal holds, and what became of partitions that were removed.

Versions before this one ignore the tables.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
oldest_workers = "0006"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE legal_holds (
    id uuid PRIMARY KEY,
    reason text NOT NULL,
    start_at timestamptz,
    end_at timestamptz,
    email text,
    added_at timestamptz NOT NULL DEFAULT now(),
    added_by text NOT NULL,
    CONSTRAINT legal_holds_something CHECK (num_nonnulls(start_at, end_at, email) > 0),
    CONSTRAINT legal_holds_order CHECK (start_at < end_at)
);

CREATE TABLE removed_partitions (
    partition oid PRIMARY KEY,
    name text NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    cause text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    detached_at timestamptz,
    removed_at timestamptz
);

CREATE TABLE retention_state (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    days integer,
    disk_budget bigint,
    ran_at timestamptz,
    is_settled boolean NOT NULL DEFAULT false,
    is_braked boolean NOT NULL DEFAULT false,
    due integer NOT NULL DEFAULT 0,
    held integer NOT NULL DEFAULT 0,
    excess_bytes bigint NOT NULL DEFAULT 0,
    horizon timestamptz,
    partitions_removed bigint NOT NULL DEFAULT 0,
    rows_removed bigint NOT NULL DEFAULT 0
);
INSERT INTO retention_state DEFAULT VALUES;
"""
_DOWN = "DROP TABLE legal_holds, removed_partitions, retention_state"


def upgrade() -> None:
    """Create the tables."""
    op.execute(_UP)


def downgrade() -> None:
    """Drop the tables. What they say is lost, and no hold is in force any more."""
    op.execute(_DOWN)
