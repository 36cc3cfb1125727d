"""The catalogue: every metric of the service, with its type, unit, labels and one line of help.

Metrics of the *service* come from the queue, control and PostgreSQL, and are equal on every
instance: take `max` over the instances. Metrics of an *instance* are counted by the processes of
one supervisor, in its slot file: take `sum`. `labels.py` has the values of their labels, and
`service_catalogue.py` the metrics of the service.
"""

from storage.metrics.labels import (
    CODES,
    DRAIN_STEPS,
    EXPORT_ENDS,
    FEED_KINDS,
    METHODS,
    REASONS,
    ROLES,
    ROUTES,
    STANDBY_OUTCOMES,
    VERDICTS,
)
from storage.metrics.metric import Metric
from storage.metrics.service_catalogue import OF_SERVICE

_REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STEP_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
_EVENTS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 50_000)


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
STANDBY_READS = Metric(
    "activity_standby_reads_total",
    "counter",
    "instance",
    "Reads that a standby may answer: it did (standby), or the primary did, because the standby "
    "was behind, nobody knew which commits it must have (unknown), none could be used (away), or "
    "the read failed there.",
    "reads",
    (("outcome", STANDBY_OUTCOMES),),
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
    STANDBY_READS,
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

CATALOGUE = (*OF_SERVICE, *COUNTED, PROCESS_RESIDENT, BUILD_INFO)
