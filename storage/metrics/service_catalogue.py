"""The metrics of the service: they come from the queue, control and PostgreSQL."""

from storage.metrics.metric import Kind, Labels, Metric


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
    "Events that retention has removed, about: an estimate for each of their partitions.",
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
ERASURE_AGE = _of_service(
    "erasure_age_seconds",
    "gauge",
    "Seconds since the oldest erasure that is not done was asked for; 0 if all are done.",
    "seconds",
)
KEY_EXPIRY = _of_service(
    "key_expiry_seconds",
    "gauge",
    "Seconds until a key expires, within 30 days, or since it did, within a day; by the key's ID.",
    "seconds",
    "id",
)
STANDBY_USABLE = _of_service(
    "standby_usable",
    "gauge",
    "1 if the API process that answers may read from the standby, else 0; by host and port.",
    label="standby",
)
STANDBY_LAG_BYTES = _of_service(
    "standby_lag_bytes",
    "gauge",
    "Bytes of WAL that the standby must replay to have every commit that readers may know of; "
    "absent if unknown.",
    "bytes",
    "standby",
)
STANDBY_LAG = _of_service(
    "standby_lag_seconds",
    "gauge",
    "Age of the last commit that the standby has replayed, 0 if it has all that readers may know "
    "of; absent if unknown.",
    "seconds",
    "standby",
)

OF_SERVICE = (
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
    ERASURE_AGE,
    KEY_EXPIRY,
    STANDBY_USABLE,
    STANDBY_LAG_BYTES,
    STANDBY_LAG,
)
