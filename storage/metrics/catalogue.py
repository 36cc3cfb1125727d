"""The catalogue: every metric of the service, with its type, unit, labels and one line of help.

Metrics of the *service* come from the queue, control and PostgreSQL, and are equal on every
instance: take `max` over the instances. Metrics of an *instance* are counted by the processes of
one supervisor, in its slot file: take `sum`. `labels.py` has the values of their labels.
"""

from dataclasses import dataclass
from typing import Literal

from storage.metrics.labels import (
    CODES,
    DRAIN_STEPS,
    EXPORT_ENDS,
    FEED_KINDS,
    METHODS,
    REASONS,
    ROLES,
    ROUTES,
    VERDICTS,
)

Kind = Literal["counter", "gauge", "histogram"]
Origin = Literal["service", "instance"]
Labels = tuple[tuple[str, tuple[str, ...]], ...]

_REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STEP_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
_EVENTS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 50_000)


@dataclass(frozen=True)
class Metric:
    """One metric. `labels`: each with its values; none are listed if they are known at run time.

    `buckets`: upper bounds of a histogram, in the metric's unit.
    """

    name: str
    kind: Kind
    origin: Origin
    help: str
    unit: str = ""
    labels: Labels = ()
    buckets: tuple[float, ...] = ()


REJECTED_EVENTS = Metric(
    "activity_rejected_events_total",
    "counter",
    "instance",
    "Events refused, by reason; a refused request whose events are not known counts as one.",
    "events",
    (("reason", REASONS),),
)
RATE_LIMITED_EVENTS = Metric(
    "activity_rate_limited_events_total",
    "counter",
    "instance",
    "Events refused because their key has used up its rate or quota.",
    "events",
)
HTTP_REQUESTS = Metric(
    "activity_http_requests_total",
    "counter",
    "instance",
    "HTTP requests answered, by method, route and status code.",
    "requests",
    (("method", METHODS), ("route", ROUTES), ("code", CODES)),
)
HTTP_REQUEST_DURATION = Metric(
    "activity_http_request_duration_seconds",
    "histogram",
    "instance",
    "Seconds from a request to its answer, by method and route.",
    "seconds",
    (("method", METHODS), ("route", ROUTES)),
    _REQUEST_SECONDS,
)
CACHE_REQUESTS = Metric(
    "activity_cache_requests_total",
    "counter",
    "instance",
    "Pages answered: from the cache (hit), from PostgreSQL (miss), or without asking the cache "
    "because control did not answer or events were asked for by ID (bypass).",
    "requests",
    (("verdict", VERDICTS),),
)
GROUP_COMMIT_EVENTS = Metric(
    "activity_group_commit_events",
    "histogram",
    "instance",
    "Events that went to the queue together, in one call.",
    "events",
    (),
    _EVENTS,
)
QUEUE_APPEND = Metric(
    "activity_queue_append_seconds",
    "histogram",
    "instance",
    "Seconds of one call to the queue that appends events, the fsync included.",
    "seconds",
    (),
    _REQUEST_SECONDS,
)
QUERY = Metric(
    "activity_query_seconds",
    "histogram",
    "instance",
    "Seconds of one query of PostgreSQL for a page.",
    "seconds",
    (),
    _REQUEST_SECONDS,
)
STATISTICS = Metric(
    "activity_statistics_seconds",
    "histogram",
    "instance",
    "Seconds of counting for one statistic, without the wait for a connection.",
    "seconds",
    (),
    _REQUEST_SECONDS,
)
DRAIN_BATCH_EVENTS = Metric(
    "activity_drain_batch_events",
    "histogram",
    "instance",
    "Entries of the batches that drains have stored.",
    "events",
    (),
    _EVENTS,
)
DRAIN = Metric(
    "activity_drain_seconds",
    "histogram",
    "instance",
    "Seconds of each step of a drain's batch.",
    "seconds",
    (("step", DRAIN_STEPS),),
    _STEP_SECONDS,
)

FEED_READERS = Metric(
    "activity_feed_readers",
    "gauge",
    "instance",
    "Readers of the feed: polls that wait (changes) and event streams (tail).",
    "readers",
    (("kind", FEED_KINDS),),
)
FEED_EVENTS = Metric(
    "activity_feed_events_total",
    "counter",
    "instance",
    "Events delivered to readers of the feed; each counts once for each reader.",
    "events",
    (("kind", FEED_KINDS),),
)
EXPORTS = Metric(
    "activity_exports_total",
    "counter",
    "instance",
    "Exports, by how they ended: whole, left by the client, broken off by an error, by the stop of "
    "the service or by the end of the key; or refused because too many were running.",
    "exports",
    (("end", EXPORT_ENDS),),
)
EXPORTED_EVENTS = Metric(
    "activity_exported_events_total",
    "counter",
    "instance",
    "Events read for exports; a client that has gone may not have got the last of them.",
    "events",
)

# In the order of their cells in a slot: `storage.metrics.layout`.
COUNTED = (
    REJECTED_EVENTS,
    RATE_LIMITED_EVENTS,
    HTTP_REQUESTS,
    HTTP_REQUEST_DURATION,
    CACHE_REQUESTS,
    GROUP_COMMIT_EVENTS,
    QUEUE_APPEND,
    QUERY,
    STATISTICS,
    DRAIN_BATCH_EVENTS,
    DRAIN,
    FEED_READERS,
    FEED_EVENTS,
    EXPORTS,
    EXPORTED_EVENTS,
)


PROCESS_RESIDENT = Metric(
    "activity_process_resident_bytes",
    "gauge",
    "instance",
    "Resident memory of the running processes, by role.",
    "bytes",
    (("role", ROLES),),
)
BUILD_INFO = Metric(
    "activity_build_info",
    "gauge",
    "instance",
    "1, with the version of the process that answers.",
    labels=(("version", ()),),
)


def _of_service(name: str, kind: Kind, help: str, unit: str = "", label: str = "") -> Metric:
    labels: Labels = ((label, SERVERS if label == "server" else ()),) if label else ()
    return Metric(f"activity_{name}", kind, "service", help, unit, labels)


SERVERS = ("queue", "control", "database")

ACCEPTED_EVENTS = _of_service(
    "accepted_events_total",
    "counter",
    "Events acknowledged to producers, as the queue has counted them, by shard.",
    "events",
    "shard",
)
STORED_EVENTS = _of_service(
    "stored_events_total",
    "counter",
    "Events that PostgreSQL has inserted, by shard.",
    "events",
    "shard",
)
DUPLICATE_EVENTS = _of_service(
    "duplicate_events_total",
    "counter",
    "Events that left the queue and were in PostgreSQL already.",
    "events",
)
DEAD_EVENTS = _of_service(
    "dead_events_total",
    "counter",
    "Events that PostgreSQL has refused, or that could not be read.",
    "events",
)
ERASED_EVENTS = _of_service(
    "erased_events_total", "counter", "Events dropped: their person was erased.", "events"
)
DEAD_LETTERS = _of_service(
    "dead_letters", "gauge", "Dead letters that wait for a decision.", "events"
)
BACKLOG_EVENTS = _of_service(
    "backlog_events", "gauge", "Events that wait to be stored, by shard.", "events", "shard"
)
BACKLOG_BYTES = _of_service(
    "backlog_bytes", "gauge", "Bytes of the events that wait to be stored.", "bytes"
)
BACKLOG_LIMIT = _of_service(
    "backlog_limit_events",
    "gauge",
    "Events that may wait over all shards (ACTIVITY_BACKLOG_EVENTS); more are refused.",
    "events",
)
LAG = _of_service(
    "lag_seconds",
    "gauge",
    "Age of the oldest event that waits, by shard; 0 if none waits.",
    "seconds",
    "shard",
)
UNACCOUNTED_EVENTS = _of_service(
    "unaccounted_events",
    "gauge",
    "Events that were accepted and are neither queued nor in the accounts of PostgreSQL.",
    "events",
)
WORKERS = _of_service("workers", "gauge", "Worker processes that are registered.", "processes")
WORKERS_WANTED = _of_service(
    "workers_wanted",
    "gauge",
    "Worker processes that the arrivals and the backlog ask for.",
    "processes",
)
SHARD_PAUSED = _of_service(
    "shard_paused",
    "gauge",
    "1 while a shard waits because its last drain failed, else 0, by shard.",
    label="shard",
)
SERVER_UP = _of_service(
    "server_up",
    "gauge",
    "1 if the server answered this scrape within its time limit, else 0.",
    label="server",
)
QUEUE_AOF_OK = _of_service(
    "queue_aof_ok",
    "gauge",
    "1 if the queue fsyncs what it acknowledges and its last write to the AOF succeeded, else 0.",
)
QUEUE_MEMORY = _of_service(
    "queue_memory_ratio",
    "gauge",
    "Share of the queue's memory limit (maxmemory) that is in use; absent without a limit.",
    "ratio",
)
PARTITIONS_AHEAD = _of_service(
    "partitions_ahead_seconds",
    "gauge",
    "Seconds from now on for which partitions exist without a gap.",
    "seconds",
)
OLDEST_EVENT = _of_service(
    "oldest_event_timestamp_seconds",
    "gauge",
    "Unix time of the oldest stored event; absent without any.",
    "seconds",
)
DATABASE_BYTES = _of_service("database_bytes", "gauge", "Bytes of the database on disk.", "bytes")
REMOVED_PARTITIONS = _of_service(
    "removed_partitions_total", "counter", "Partitions that retention has removed.", "partitions"
)
REMOVED_EVENTS = _of_service(
    "removed_events_total",
    "counter",
    "Events that retention has removed, about: PostgreSQL's estimate of their partitions.",
    "events",
)
HORIZON = _of_service(
    "retention_horizon_timestamp_seconds",
    "gauge",
    "Unix time before which retention has removed events; absent if it never has.",
    "seconds",
)
RETENTION_RUN = _of_service(
    "retention_run_timestamp_seconds",
    "gauge",
    "Unix time of the last run of retention; absent before the first.",
    "seconds",
)
RETENTION_DUE = _of_service(
    "retention_due_partitions",
    "gauge",
    "Partitions that the last run of retention has left although they are due.",
    "partitions",
)
RETENTION_HELD = _of_service(
    "retention_held_partitions",
    "gauge",
    "Partitions that are due and stay for a legal hold.",
    "partitions",
)
RETENTION_BRAKED = _of_service(
    "retention_braked",
    "gauge",
    "1 if so much is due that an operator must confirm it, else 0.",
)
DISK_BUDGET = _of_service(
    "disk_budget_bytes",
    "gauge",
    "Bytes that the database may have (ACTIVITY_DISK_BUDGET); absent without a budget.",
    "bytes",
)
DISK_EXCESS = _of_service(
    "disk_excess_bytes",
    "gauge",
    "Bytes over ACTIVITY_DISK_BUDGET although nothing more may be removed; 0 if there is none.",
    "bytes",
)
KEY_EXPIRY = _of_service(
    "key_expiry_seconds",
    "gauge",
    "Seconds until a key expires, within 30 days, or since it did, within a day; by the key's ID.",
    "seconds",
    "id",
)

CATALOGUE = (
    ACCEPTED_EVENTS,
    STORED_EVENTS,
    DUPLICATE_EVENTS,
    DEAD_EVENTS,
    ERASED_EVENTS,
    DEAD_LETTERS,
    BACKLOG_EVENTS,
    BACKLOG_BYTES,
    BACKLOG_LIMIT,
    LAG,
    UNACCOUNTED_EVENTS,
    WORKERS,
    WORKERS_WANTED,
    SHARD_PAUSED,
    SERVER_UP,
    QUEUE_AOF_OK,
    QUEUE_MEMORY,
    PARTITIONS_AHEAD,
    OLDEST_EVENT,
    DATABASE_BYTES,
    REMOVED_PARTITIONS,
    REMOVED_EVENTS,
    HORIZON,
    RETENTION_RUN,
    RETENTION_DUE,
    RETENTION_HELD,
    RETENTION_BRAKED,
    DISK_BUDGET,
    DISK_EXCESS,
    KEY_EXPIRY,
    *COUNTED,
    PROCESS_RESIDENT,
    BUILD_INFO,
)
