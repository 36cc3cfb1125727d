"""The tables for SQLAlchemy. Migrations create them; a test checks that both agree."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE, JSONB, OID, TIMESTAMP, UUID

from storage.postgres.instants import FIRST, LAST

metadata = MetaData()

# As PostgreSQL writes it: a test compares the texts.
_FEED_NUMBER = text(
    "COALESCE((NULLIF(current_setting('activity.feed'::text, true), ''::text))::bigint, "
    "claim_feed_number())"
)

events = Table(
    "events",
    metadata,
    Column("created_at", TIMESTAMP(timezone=True, precision=3), primary_key=True),
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("component", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("email", Text),
    Column("data", JSONB(none_as_null=True)),
    Column("occurred_at", TIMESTAMP(timezone=True)),
    # No NOT NULL: a copy of the columns, such as a temporary table, need not fill it.
    Column("feed", BigInteger, server_default=_FEED_NUMBER),
    CheckConstraint("feed IS NOT NULL", "events_feed_is_given"),
    postgresql_partition_by="RANGE (created_at)",
)
"""One row per event, partitioned by its time, which is also its ID's time. `feed`: the number of
the batch that stored it (`storage.events.feed_numbers`), 0 before there were numbers."""


def lower_email_of(columns: Any) -> ColumnElement[str]:
    """Return the email with ASCII letters in lower case, as in the cache's tags.

    `columns`: those of the events, or of a subquery that has it. No database's locale matters.
    """
    return func.lower(columns.email.collate("C"))


lower_email = lower_email_of(events.c)
"""The very expression of the index `events_email`."""


def occurred_of(columns: Any) -> ColumnElement[datetime]:
    """Return when an event happened: `occurred_at`, or `created_at` of an event without one.

    `columns`: those of the events, or of a subquery that has both.
    """
    return func.coalesce(columns.occurred_at, columns.created_at)


occurred = occurred_of(events.c)
"""The very expression of the index `events_occurred`: any other form would not use it."""

Index("events_component", events.c.component, events.c.created_at.desc(), events.c.id.desc())
Index("events_environment", events.c.environment, events.c.created_at.desc(), events.c.id.desc())
Index("events_email", lower_email, events.c.created_at.desc(), events.c.id.desc())
Index(
    "events_message",
    events.c.message,
    postgresql_using="gin",
    postgresql_ops={"message": "gin_trgm_ops"},
)
Index(
    "events_data",
    events.c.data,
    postgresql_using="gin",
    postgresql_ops={"data": "jsonb_path_ops"},
)
Index("events_occurred", occurred, postgresql_using="brin")
Index("events_feed", events.c.feed, postgresql_where=events.c.feed > 0)

drain_ledger = Table(
    "drain_ledger",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("fence", BigInteger, nullable=False),
    Column("entry", Text, nullable=False, server_default="0-0"),
    Column("stored", BigInteger, nullable=False, server_default=text("0")),
    Column("duplicates", BigInteger, nullable=False, server_default=text("0")),
    Column("dead", BigInteger, nullable=False, server_default=text("0")),
    Column("since", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
    Column("batches", BigInteger, nullable=False, server_default=text("0")),
    Column("recent_after", BigInteger, nullable=False, server_default=text("0")),
    Column("recent_from", TIMESTAMP(timezone=True)),
    Column("erased", BigInteger, nullable=False, server_default=text("0")),
)
"""For each shard, counts of what became of its entries up to `entry`, each counted once, and the
highest fence that has written for it: a drain with a lower one can't commit. Other writers of
events have rows behind the shards. `batches`: the writer's transactions that were committed. The
events of batches above `recent_after` were created at `recent_from` or later; NULL if unknown."""

queue_witness = Table(
    "queue_witness",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("accepted", BigInteger, nullable=False),
    Column("trimmed", BigInteger, nullable=False),
    Column("gaps", INT8MULTIRANGE, nullable=False, server_default="{}"),
)
"""For each shard, the highest counts that API processes were told by the queue, and the `gaps`: the
events, by their place in the count of accepted ones, that the queue knew and knows no more."""

feed_identity = Table(
    "feed_identity",
    metadata,
    Column("one_row", Boolean, primary_key=True, server_default=text("true")),
    Column("feed_id", UUID(as_uuid=True), nullable=False, server_default=text("gen_random_uuid()")),
    Column("last_unnumbered", TIMESTAMP(timezone=True)),
    CheckConstraint("one_row", "feed_identity_one_row_check"),
)
"""One row: which feed the numbers belong to, and the latest `created_at` of events with number 0,
NULL if there were none."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("created_at", TIMESTAMP(timezone=True, precision=3), primary_key=True),
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("event", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("refused_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
)
"""Accepted events that PostgreSQL refuses: their original bytes, and why."""

message_spans = Table(
    "message_spans",
    metadata,
    Column("start_at", TIMESTAMP(timezone=True), primary_key=True),
    Column("end_at", TIMESTAMP(timezone=True), nullable=False),
    Column("build", UUID(as_uuid=True), nullable=False, server_default=text("gen_random_uuid()")),
    Column("lengths", ARRAY(SmallInteger)),
    Column("late", TIMESTAMP(timezone=True)),
)
"""Spans whose messages' n-grams of these `lengths` are recorded. `lengths` is NULL while `build` is
reading the span. `late` is set once an event was stored after that; then the record is invalid."""

message_grams = Table(
    "message_grams",
    metadata,
    Column("gram", Text(collation="C"), primary_key=True),
    Column("span", TIMESTAMP(timezone=True), primary_key=True),
)
"""Every n-gram that is in a message of the span that begins at `span`."""

event_hours = Table(
    "event_hours",
    metadata,
    Column("hour", TIMESTAMP(timezone=True), primary_key=True),
    Column("component", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    Column("minutes", ARRAY(Integer), nullable=False),
    # Counts are changed in place: an updated row finds room in its own page.
    postgresql_with={"fillfactor": 50},
)
"""How many events of an hour are in `events`, by `component` and `environment`: `n` in all, and
`minutes[1]` to `minutes[60]` of each minute. Triggers count, in the transaction of the change. The
count of a group is the sum over its shards, and may be 0. Two transactions that run at the same
time write different shards. `storage.events.hour_counts` says where the counts are exact."""

counted_partitions = Table(
    "counted_partitions",
    metadata,
    Column("partition", OID, primary_key=True),
    Column("state", Text, nullable=False),
    Column("counted_from", TIMESTAMP(timezone=True), nullable=False),
)
"""Partitions whose hours from `counted_from` on are counted exactly in `event_hours`, as long as
the partition and the triggers are in this `state`."""


erasures = Table(
    "erasures",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("before", TIMESTAMP(timezone=True, precision=3), nullable=False),
    Column("actor", Text, nullable=False),
    Column("rewrite", Boolean, nullable=False),
    Column("step", Text, nullable=False),
    Column("started_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
    Column("finished_at", TIMESTAMP(timezone=True)),
    Column("place_at", TIMESTAMP(timezone=True)),
    Column("place_id", UUID(as_uuid=True)),
    Column("deleted", BigInteger, nullable=False, server_default=text("0")),
    Column("redacted", BigInteger, nullable=False, server_default=text("0")),
    Column("letters", BigInteger, nullable=False, server_default=text("0")),
    Column("waits_for", Text),
    Column("remains", ARRAY(Text), nullable=False, server_default=text("'{}'")),
)
"""Requests to erase a person (`storage.erasure`). Never the address: `digest` is its hash with
`key`. It concerns what was created before `before`. `step`, and `place_at` and `place_id` in a scan
of the events: how far it came. `letters`: dead letters that were deleted or redacted. `waits_for`
and `remains`: what it waits for, and what could not be done, in words."""

erasure_hours = Table(
    "erasure_hours",
    metadata,
    Column("hour", TIMESTAMP(timezone=True), primary_key=True),
    Column("erasure", UUID(as_uuid=True), primary_key=True),
)
"""Hours of which an erasure has changed events: the files of their partitions may still hold the
bytes, until the partitions are rewritten."""

erased_events = Table(
    "erased_events",
    metadata,
    Column("feed", BigInteger, primary_key=True, autoincrement=False),
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("component", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("is_deleted", Boolean, nullable=False),
)
"""Which stored events an erasure deleted (else it redacted them), for readers of the feed. `feed`:
the number of the transaction that did it."""


def _storable(column: str) -> str:
    """Return the condition for instants that Python can read: no infinity."""
    return f"{column} BETWEEN '{FIRST:%Y-%m-%d}Z' AND '{LAST:%Y-%m-%d}Z'"


api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    Column("components", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("environments", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("events_per_second", BigInteger),
    Column("events_per_day", BigInteger),
    Column("origins", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("expires_at", TIMESTAMP(timezone=True)),
    Column("revoked_at", TIMESTAMP(timezone=True)),
    Column("last_used_at", TIMESTAMP(timezone=True)),
    *(
        CheckConstraint(_storable(name), f"api_keys_{name}")
        for name in ("created_at", "expires_at", "revoked_at", "last_used_at")
    ),
)
"""One of the two homes of API keys. Never a token: `digest` is the SHA-256 of one."""

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    CheckConstraint(_storable("at"), "audit_log_at_is_readable"),
)
"""Who did what, when, to what, with which result: every administrative act."""

Index("audit_log_at", audit_log.c.at.desc(), audit_log.c.id.desc())

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("start_at", TIMESTAMP(timezone=True)),
    Column("end_at", TIMESTAMP(timezone=True)),
    Column("email", Text),
    Column("added_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
    Column("added_by", Text, nullable=False),
    CheckConstraint("num_nonnulls(start_at, end_at, email) > 0", "legal_holds_something"),
    CheckConstraint("start_at < end_at", "legal_holds_order"),
)
"""What must neither be removed by retention nor erased: events from `start_at` until before
`end_at` (NULL: no bound), only those of `email` where it is given, ASCII letters in lower case."""

removed_partitions = Table(
    "removed_partitions",
    metadata,
    Column("partition", OID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("start_at", TIMESTAMP(timezone=True), nullable=False),
    Column("end_at", TIMESTAMP(timezone=True), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("begun_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
    Column("detached_at", TIMESTAMP(timezone=True)),
    Column("removed_at", TIMESTAMP(timezone=True)),
)
"""Partitions that retention removes, or has removed once `removed_at` is set. A row is committed
before its partition is detached, so that a later run can go on. `rows` is an estimate."""

retention_state = Table(
    "retention_state",
    metadata,
    Column("one_row", Boolean, primary_key=True, server_default=text("true")),
    Column("days", Integer),
    Column("disk_budget", BigInteger),
    Column("ran_at", TIMESTAMP(timezone=True)),
    Column("is_settled", Boolean, nullable=False, server_default=text("false")),
    Column("is_braked", Boolean, nullable=False, server_default=text("false")),
    Column("due", Integer, nullable=False, server_default=text("0")),
    Column("held", Integer, nullable=False, server_default=text("0")),
    Column("excess_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("horizon", TIMESTAMP(timezone=True)),
    Column("partitions_removed", BigInteger, nullable=False, server_default=text("0")),
    Column("rows_removed", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("one_row", "retention_state_one_row_check"),
)
"""One row: what the last run found under its settings (`days`, `disk_budget`), and what all runs
have removed. `horizon`: the end of the latest partition that was removed, NULL if none was."""
