"""The panels of the dashboard, row by row, with their queries."""

from collections.abc import Sequence
from typing import NamedTuple

from queries import JOB, gauge, mean, quantiles, rate, service_rate


class Panel(NamedTuple):
    """A graph over time. `queries`: pairs of PromQL and legend."""

    title: str
    unit: str  # Grafana's name: "short", "s", "bytes", "percentunit", "eps" (events a second)
    queries: Sequence[tuple[str, str]]
    about: str


_POSTS = 'method="POST", route=~"/events.*|/v1/logs"'
_PAGES = 'method="GET", route=~"/events.*"'
_DURATION = "activity_http_request_duration_seconds"
_REFUSED_BY_KEY = 'reason=~"unauthorized|forbidden|rate_limited"'

ROWS: dict[str, Sequence[Panel]] = {
    "Accepting": (
        Panel(
            "Events accepted",
            "eps",
            [(service_rate("activity_accepted_events_total"), "accepted")],
            "Events that are on the disk of the queue, by its own count.",
        ),
        Panel(
            "Events refused",
            "eps",
            [(rate("activity_rejected_events_total", "reason"), "{{reason}}")],
            "backlog_full, keys_full, queue_unavailable, busy and internal burn the budget.",
        ),
        Panel(
            "Share that failed; budget 0.1 %",
            "percentunit",
            [
                (f"activity:accept_failures:ratio_rate{window}{{{JOB}}}", window)
                for window in ("5m", "1h", "6h")
            ],
            "Of valid events, over three windows. Needs the rules of deploy/prometheus.",
        ),
        Panel(
            "Time of posts",
            "s",
            quantiles(_DURATION, _POSTS),
            "From the request to its answer, the fsync included.",
        ),
        Panel(
            "Events of one append",
            "short",
            [(mean("activity_group_commit_events"), "mean")],
            "Events that share one call to the queue and one fsync.",
        ),
        Panel(
            "Time of one append",
            "s",
            quantiles("activity_queue_append_seconds"),
            "The call to the queue, its fsync included.",
        ),
    ),
    "Queue": (
        Panel(
            "Backlog",
            "short",
            [
                (f"sum({gauge('activity_backlog_events', 'shard')})", "waiting"),
                (gauge("activity_backlog_limit_events"), "limit"),
            ],
            "Accepted events that are not stored yet.",
        ),
        Panel(
            "Lag",
            "s",
            [(gauge("activity_lag_seconds", "shard"), "shard {{shard}}")],
            "The age of the oldest event that waits. The alert is at 60 s.",
        ),
        Panel(
            "Bytes waiting",
            "bytes",
            [(gauge("activity_backlog_bytes"), "waiting")],
            "Bytes of the events that wait.",
        ),
        Panel(
            "Memory of the queue",
            "percentunit",
            [(gauge("activity_queue_memory_ratio"), "used of maxmemory")],
            "At 100 % the queue refuses new events.",
        ),
        Panel(
            "Writes each event to disk",
            "short",
            [(f"min(activity_queue_aof_ok{{{JOB}}})", "1: yes, 0: no")],
            "0: acknowledged events may be lost.",
        ),
        Panel(
            "Events unaccounted",
            "short",
            [(gauge("activity_unaccounted_events"), "events")],
            "Accepted, and neither waiting nor stored, duplicate, dead or erased. Always 0.",
        ),
    ),
    "Storing": (
        Panel(
            "Events stored",
            "eps",
            [
                (service_rate("activity_stored_events_total"), "stored"),
                (service_rate("activity_duplicate_events_total"), "duplicates"),
                (service_rate("activity_dead_events_total"), "dead letters"),
                (service_rate("activity_erased_events_total"), "erased"),
            ],
            "What became of the entries of the queue, by the ledger in PostgreSQL.",
        ),
        Panel(
            "Workers",
            "short",
            [
                (gauge("activity_workers"), "running"),
                (gauge("activity_workers_wanted"), "wanted"),
            ],
            "Wanted: for what arrives and for the backlog within 30 s.",
        ),
        Panel(
            "Time of a batch by step",
            "s",
            [(mean("activity_drain_seconds", "step"), "{{step}}")],
            "Mean time of each step of a drain.",
        ),
        Panel(
            "Events of a batch",
            "short",
            [(mean("activity_drain_batch_events"), "mean")],
            "Events that share one transaction.",
        ),
        Panel(
            "Paused shards and dead letters",
            "short",
            [
                (gauge("activity_shard_paused", "shard"), "shard {{shard}} paused"),
                (gauge("activity_dead_letters"), "dead letters"),
            ],
            "Both wait for an operator.",
        ),
        Panel(
            "Size of the database",
            "bytes",
            [
                (gauge("activity_database_bytes"), "database"),
                (gauge("activity_disk_budget_bytes"), "budget"),
                (gauge("activity_disk_excess_bytes"), "over the budget, not removable"),
            ],
            "Rows, indexes and everything else in the database, and its budget.",
        ),
        Panel(
            "Removed by retention",
            "short",
            [
                (gauge("activity_removed_partitions_total"), "partitions, removed"),
                (gauge("activity_removed_events_total"), "events, removed (estimate)"),
                (gauge("activity_retention_due_partitions"), "partitions, due and still there"),
                (gauge("activity_retention_held_partitions"), "partitions, under a legal hold"),
                (gauge("activity_retention_braked"), "1: waits for a confirmation"),
            ],
            "What retention has removed until now, and what it has left.",
        ),
        Panel(
            "Erasing persons",
            "s",
            [(gauge("activity_erasure_age_seconds"), "oldest that is not done")],
            "For how long an erasure is under way.",
        ),
        Panel(
            "Partitions ahead",
            "s",
            [(f"min(activity_partitions_ahead_seconds{{{JOB}}})", "ahead")],
            "Time for which partitions exist.",
        ),
        Panel(
            "Oldest event",
            "dateTimeAsIso",
            [
                (f"1000 * min(activity_oldest_event_timestamp_seconds{{{JOB}}})", "oldest"),
                (f"1000 * max(activity_retention_horizon_timestamp_seconds{{{JOB}}})", "horizon"),
                (f"1000 * max(activity_retention_run_timestamp_seconds{{{JOB}}})", "last run"),
            ],
            "The first event in the history, where retention has cut it off, and its last run.",
        ),
    ),
    "Reading": (
        Panel(
            "Requests",
            "reqps",
            [(rate("activity_http_requests_total", "route", 'method="GET"'), "{{route}}")],
            "By route.",
        ),
        Panel(
            "Time of pages", "s", quantiles(_DURATION, _PAGES), "From the request to its answer."
        ),
        Panel(
            "Time of queries",
            "s",
            quantiles("activity_query_seconds"),
            "Of PostgreSQL, for pages that the cache did not have.",
        ),
        Panel(
            "Time of statistics",
            "s",
            quantiles("activity_statistics_seconds"),
            "Of counting in PostgreSQL, without the wait for a connection.",
        ),
        Panel(
            "Reads on standbys",
            "reqps",
            [
                (rate("activity_standby_reads_total", "outcome"), "{{outcome}}"),
                (gauge("activity_standby_usable", "standby"), "{{standby}} usable"),
            ],
            "By outcome: a standby answered, or why the primary did. Only with ACTIVITY_READ_URL.",
        ),
        Panel(
            "Bytes behind of standbys",
            "bytes",
            [(gauge("activity_standby_lag_bytes", "standby"), "{{standby}}")],
            "Of the log that a standby must replay to have all that readers may know of.",
        ),
        Panel(
            "Lag of standbys",
            "s",
            [(gauge("activity_standby_lag_seconds", "standby"), "{{standby}}")],
            "Age of the last commit that a standby has replayed; 0 if it has all.",
        ),
        Panel(
            "Exported events",
            "eps",
            [(rate("activity_exported_events_total"), "events/s")],
            "Read for exports, which rest while the event loop is busy.",
        ),
        Panel(
            "Ends of exports",
            "short",
            [(rate("activity_exports_total", "end"), "{{end}}")],
            "A second: whole, left by the client, broken off by an error, by a stop or by the end "
            "of a key, or refused.",
        ),
        Panel(
            "Readers of the feed",
            "short",
            [(f"sum by (kind) (activity_feed_readers{{{JOB}}})", "{{kind}}")],
            "Streams that are open and polls that wait; each process takes 100 of a kind.",
        ),
        Panel(
            "Events sent to readers of the feed",
            "eps",
            [(rate("activity_feed_events_total", "kind"), "{{kind}}")],
            "An event counts once for each reader.",
        ),
    ),
    "Cache": (
        Panel(
            "Pages by verdict",
            "reqps",
            [(rate("activity_cache_requests_total", "verdict"), "{{verdict}}")],
            "hit: from the cache; miss: from PostgreSQL; bypass: control did not answer.",
        ),
        Panel(
            "Share of hits",
            "percentunit",
            [
                (
                    rate("activity_cache_requests_total", only='verdict="hit"')
                    + " / "
                    + rate("activity_cache_requests_total"),
                    "hits",
                )
            ],
            "Of all pages that were asked for.",
        ),
    ),
    "Limits": (
        Panel(
            "Events over a key's rate or quota",
            "eps",
            [(rate("activity_rate_limited_events_total"), "limited")],
            "Refused with 429.",
        ),
        Panel(
            "Refused because of the key",
            "eps",
            [(rate("activity_rejected_events_total", "reason", _REFUSED_BY_KEY), "{{reason}}")],
            "unauthorized: no valid key; forbidden: a key without this right.",
        ),
        Panel(
            "Keys that expire",
            "s",
            [(f"min by (id) (activity_key_expiry_seconds{{{JOB}}})", "{{id}}")],
            "Seconds until a key expires. The alert is at 7 days.",
        ),
    ),
    "Processes": (
        Panel(
            "Memory",
            "bytes",
            [(f"activity_process_resident_bytes{{{JOB}}}", "{{instance}} {{role}}")],
            "Resident memory of the processes of each instance, by role.",
        ),
        Panel(
            "Servers",
            "short",
            [(f"min by (server) (activity_server_up{{{JOB}}})", "{{server}}")],
            "1: the API can reach it.",
        ),
        Panel(
            "Answers by status",
            "reqps",
            [(rate("activity_http_requests_total", "code"), "{{code}}")],
            "Over all routes.",
        ),
        Panel(
            "Versions",
            "short",
            [(f"count by (version) (activity_build_info{{{JOB}}})", "{{version}}")],
            "Instances of each version.",
        ),
    ),
}
