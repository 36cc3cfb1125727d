"""API keys and the audit log. Versions before this one ignore both."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE api_keys (
    id text COLLATE "C" PRIMARY KEY,
    digest bytea NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    components text[] NOT NULL DEFAULT '{}',
    environments text[] NOT NULL DEFAULT '{}',
    events_per_second bigint,
    events_per_day bigint,
    origins text[] NOT NULL DEFAULT '{}',
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_keys_created_at
        CHECK (created_at BETWEEN '1970-01-01Z' AND '9999-01-01Z'),
    CONSTRAINT api_keys_expires_at
        CHECK (expires_at BETWEEN '1970-01-01Z' AND '9999-01-01Z'),
    CONSTRAINT api_keys_revoked_at
        CHECK (revoked_at BETWEEN '1970-01-01Z' AND '9999-01-01Z'),
    CONSTRAINT api_keys_last_used_at
        CHECK (last_used_at BETWEEN '1970-01-01Z' AND '9999-01-01Z')
);

CREATE TABLE audit_log (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    result text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT audit_log_at_is_readable CHECK (at BETWEEN '1970-01-01Z' AND '9999-01-01Z')
);
CREATE INDEX audit_log_at ON audit_log (at DESC, id DESC);
"""
_DOWN = "DROP TABLE audit_log, api_keys"


def upgrade() -> None:
    """Create the tables."""
    op.execute(_UP)


def downgrade() -> None:
    """Drop the tables. The queue keeps its copy of the keys, and without the table they count."""
    op.execute(_DOWN)
