"""Counts of events by hour.

The triggers count whatever any program writes, so workers of earlier versions may go on. To make
the triggers, the migration waits for the transactions that write into `events` at that moment. What
was stored before is counted by maintenance.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE event_hours (
    hour timestamptz,
    component text,
    environment text,
    shard integer,
    n bigint NOT NULL,
    minutes integer[] NOT NULL,
    PRIMARY KEY (hour, component, environment, shard)
) WITH (fillfactor = 50);

CREATE TABLE counted_partitions (
    partition oid PRIMARY KEY,
    state text NOT NULL,
    counted_from timestamptz NOT NULL
);
"""

# The lock is held to the end of the transaction. So until then nobody else has this number.
_SHARD = """
CREATE FUNCTION free_event_hours_shard() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    shard integer := 0;
BEGIN
    WHILE NOT pg_try_advisory_xact_lock(hashtext('activity event hours'), shard) LOOP
        shard := shard + 1;
    END LOOP;
    RETURN shard;
END $$;
"""

# It may write counts whoever writes events.
_COUNT = """
CREATE FUNCTION count_events() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = {schema}, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first timestamptz;
    last timestamptz;
    shard integer;
    place integer;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT date_trunc('minute', min(created_at)), date_trunc('minute', max(created_at))
            INTO first, last FROM added;
        IF first IS NULL THEN
            RETURN NULL;
        END IF;
        shard := free_event_hours_shard();
        IF first = last THEN  -- as nearly always; this takes a third of the other's time
            place := 1 + extract(minute FROM first);
            INSERT INTO event_hours AS h
            SELECT date_trunc('hour', first), component, environment, shard, count(*),
                array_fill(0, ARRAY[place - 1]) || count(*)::integer
                    || array_fill(0, ARRAY[60 - place])
            FROM added GROUP BY component, environment
            ON CONFLICT ON CONSTRAINT event_hours_pkey DO UPDATE
            SET n = h.n + excluded.n, minutes[place] = h.minutes[place] + excluded.n;
        ELSE
            {insert};
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        shard := free_event_hours_shard();
        {delete};
    ELSE
        shard := free_event_hours_shard();
        {update};
    END IF;
    RETURN NULL;
END $$;
"""
_CHANGE = """INSERT INTO event_hours AS h
        SELECT hour, component, environment, shard, sum(n), ARRAY[{of_minutes}] FROM (
            SELECT date_trunc('hour', minute) AS hour, extract(minute FROM minute) AS minute,
                component, environment, n
            FROM (
                SELECT date_trunc('minute', created_at) AS minute, component, environment,
                    sum(change)::integer AS n
                FROM ({changes}) AS change GROUP BY 1, 2, 3 HAVING sum(change) <> 0
            ) AS changed
        ) AS placed GROUP BY hour, component, environment
        ON CONFLICT ON CONSTRAINT event_hours_pkey DO UPDATE
        SET n = h.n + excluded.n, minutes = ARRAY[{sums}]"""
_TRIGGERS = """
CREATE TRIGGER count_added AFTER INSERT ON events
    REFERENCING NEW TABLE AS added EXECUTE FUNCTION count_events();
CREATE TRIGGER count_removed AFTER DELETE ON events
    REFERENCING OLD TABLE AS removed EXECUTE FUNCTION count_events();
CREATE TRIGGER count_changed AFTER UPDATE ON events
    REFERENCING OLD TABLE AS removed NEW TABLE AS added EXECUTE FUNCTION count_events();
"""
_ADDED = "SELECT created_at, component, environment, 1 AS change FROM added"
_REMOVED = "SELECT created_at, component, environment, -1 AS change FROM removed"

_DOWN = """
DROP FUNCTION count_events() CASCADE;
DROP FUNCTION free_event_hours_shard();
DROP TABLE counted_partitions, event_hours;
"""


def upgrade() -> None:
    """Create the tables of counts, and the triggers that count."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(_TABLES)
    op.execute(_SHARD)
    op.execute(
        _COUNT.format(
            schema=schema,
            insert=_change(_ADDED),
            delete=_change(_REMOVED),
            update=_change(f"{_ADDED} UNION ALL {_REMOVED}"),
        )
    )
    op.execute(_TRIGGERS)


def downgrade() -> None:
    """Drop the triggers and the tables of counts."""
    op.execute(_DOWN)


def _change(changes: str) -> str:
    """Return the statement that adds these changes to the counts, of any minutes."""
    places = range(1, 61)
    of_minutes = (f"coalesce(sum(n) FILTER (WHERE minute = {each - 1}), 0)" for each in places)
    sums = (f"h.minutes[{each}] + excluded.minutes[{each}]" for each in places)
    return _CHANGE.format(changes=changes, of_minutes=", ".join(of_minutes), sums=", ".join(sums))
