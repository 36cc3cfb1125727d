"""The events table, which is the template of its partitions, the ledger and the dead letters."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_UP = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE events (
    created_at timestamptz(3) NOT NULL,
    id uuid NOT NULL,
    component text NOT NULL,
    environment text NOT NULL,
    message text NOT NULL,
    email text,
    data jsonb,
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);

CREATE INDEX events_component ON events (component, created_at DESC, id DESC);
CREATE INDEX events_environment ON events (environment, created_at DESC, id DESC);
CREATE INDEX events_email ON events (lower(email COLLATE "C"), created_at DESC, id DESC);
CREATE INDEX events_message ON events USING gin (message gin_trgm_ops);
CREATE INDEX events_data ON events USING gin (data jsonb_path_ops);

CREATE TABLE drain_ledger (
    shard integer PRIMARY KEY,
    fence bigint NOT NULL,
    entry text NOT NULL DEFAULT '0-0',
    stored bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    since timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE dead_letters (
    created_at timestamptz(3) NOT NULL,
    id uuid NOT NULL,
    event bytea NOT NULL,
    reason text NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (created_at, id)
);
"""

# The extension stays: other tables of the same database may use it.
_DOWN = "DROP TABLE dead_letters, drain_ledger, events"


def upgrade() -> None:
    """Create the tables."""
    op.execute(_UP)


def downgrade() -> None:
    """Drop the tables."""
    op.execute(_DOWN)
