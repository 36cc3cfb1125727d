"""The catalogue: every metric of the service, with its type, unit, labels and one line of help.

Metrics of the *service* come from the queue, control and PostgreSQL, and are equal on every
instance: take `max` over the instances. Metrics of an *instance* are counted by the processes of
one supervisor, in its slot file: take `sum`.

No label is a component, an email, or the name of a key: their number has no bound.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Origin = Literal["service", "instance"]
Labels = tuple[tuple[str, tuple[str, ...]], ...]

METHODS = ("GET", "HEAD", "POST", "OPTIONS", "other")
ROUTES = (
    "/",
    "/events",
    "/events/batch",
    "/events/{event_id}",
    "/v1/logs",
    "/status",
    "/metrics",
    "/health",
    "/health/ready",
    "/openapi.json",
    "/docs",
    "/docs/{file}",
    "unmatched",  # a path that no route has
    "unread",  # refused by the protocol, before its path was known
)
CODES = (
    *("200", "201", "202", "204", "304", "400", "401", "403", "404", "405", "408", "409", "413"),
    *("415", "421", "422", "424", "429", "431", "500", "501", "503", "505", "other"),
)
REASONS = (
    "invalid",  # the event, or the request
    "too_large",
    "unsupported",  # the media type, an encoding
    "held_back",  # valid, but of an atomic batch with an invalid event
    "idempotency",  # the key belongs to another request, or to one that is in progress
    "unauthorized",
    "forbidden",
    "rate_limited",
    "backlog_full",
    "keys_full",  # the limit of remembered idempotency keys
    "queue_unavailable",
    "busy",  # no memory for the request in this process
    "incomplete",  # the client did not send all of it, or too slowly
    "internal",
)
VERDICTS = ("hit", "miss", "bypass")
DRAIN_STEPS = ("read", "insert", "begin_write", "commit", "end_write", "acknowledge")
ROLES = ("supervisor", "api", "worker")

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
    "Pages answered, by where they came from: the cache (hit), PostgreSQL (miss), or PostgreSQL "
    "because control did not answer (bypass).",
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
    DRAIN_BATCH_EVENTS,
    DRAIN,
)
