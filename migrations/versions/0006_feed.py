"""The feed: which transaction stored an event. Quick on large tables.

Workers of earlier versions may go on: what they store gets its number from the column's default.
Rows that are there already have number 0. Maintenance makes the index of each existing partition
later, without blocking writers; only then the feed can be read.
"""

import sqlalchemy as sa
from alembic import op

from migrations.locking import lock

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
oldest_workers = "0005"

_LEDGER = """
ALTER TABLE drain_ledger ADD COLUMN batches bigint NOT NULL DEFAULT 0,
    ADD COLUMN recent_after bigint NOT NULL DEFAULT 0, ADD COLUMN recent_from timestamptz;
"""
_IDENTITY = """
CREATE TABLE feed_identity (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    feed_id uuid NOT NULL DEFAULT gen_random_uuid(),
    last_unnumbered timestamptz
);
INSERT INTO feed_identity (last_unnumbered) SELECT max(created_at) FROM events;
"""

# The lock is held to the end of the transaction. So until then nobody else has this row, and no
# program waits for another. A transaction that can't change a row, because another one has changed
# it since the snapshot, takes the next row.
_CLAIM = """
CREATE FUNCTION claim_feed_number() RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    number bigint;
BEGIN
    FOR writer IN 16385..32767 LOOP
        BEGIN
            IF pg_try_advisory_xact_lock(hashtext('activity feed'), writer) THEN
                INSERT INTO drain_ledger AS ledger (shard, fence, batches) VALUES (writer, 0, 1)
                ON CONFLICT (shard) DO UPDATE SET batches = ledger.batches + 1
                RETURNING (shard::bigint << 48) | batches INTO number;
                PERFORM set_config('activity.feed', number::text, true);
                IF current_setting('synchronous_commit') = 'off' THEN
                    PERFORM set_config('synchronous_commit', 'on', true);
                END IF;
                RETURN number;
            END IF;
        EXCEPTION WHEN serialization_failure THEN
            CONTINUE;
        END;
    END LOOP;
    RAISE EXCEPTION 'too many transactions write into events at once'
        USING ERRCODE = 'too_many_connections';
END $$;
"""

# No NOT NULL: a worker of an earlier version copies the columns of `events` for a temporary table,
# and does not fill this one there.
_COLUMN = """
ALTER TABLE events ADD COLUMN feed bigint DEFAULT 0;
ALTER TABLE events ALTER COLUMN feed SET DEFAULT
    COALESCE((NULLIF(current_setting('activity.feed', true), ''))::bigint, claim_feed_number());
ALTER TABLE events ADD CONSTRAINT events_feed_is_given CHECK (feed IS NOT NULL) NOT VALID;
CREATE INDEX events_feed ON ONLY events (feed) WHERE feed > 0;
"""
# Of rows that are there already, PostgreSQL would look at each.
_VALIDATE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM events) THEN
        ALTER TABLE events VALIDATE CONSTRAINT events_feed_is_given;
    END IF;
END $$
"""
_DOWN = """
ALTER TABLE events DROP CONSTRAINT events_feed_is_given;
DROP INDEX events_feed;
ALTER TABLE events DROP COLUMN feed;
DROP FUNCTION claim_feed_number();
DROP TABLE feed_identity;
DELETE FROM drain_ledger WHERE shard >= 16384;
ALTER TABLE drain_ledger DROP COLUMN batches, DROP COLUMN recent_after, DROP COLUMN recent_from;
"""


def upgrade() -> None:
    """Give each event the number of the batch that stores it."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    lock("drain_ledger", "events")
    op.execute(_LEDGER)
    op.execute(_IDENTITY)
    op.execute(_CLAIM.format(schema=schema))
    op.execute(_COLUMN)
    op.execute(_VALIDATE)


def downgrade() -> None:
    """Drop the numbers. Every position in the feed becomes invalid."""
    lock("drain_ledger", "events")
    op.execute(_DOWN)
