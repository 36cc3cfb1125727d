"""The labels of metrics whose values are known: each value is a series of its own.

No label is a component, an email, or the name of a key: their number has no bound.
"""

METHODS = ("GET", "HEAD", "POST", "OPTIONS", "other")
ROUTES = (
    "/",
    "/events",
    "/events/batch",
    "/events/stats",
    "/events/facets",
    "/events/changes",
    "/events/tail",
    "/events/export",
    "/events/{event_id}",
    "/events/{event_id}/around",
    "/v1/logs",
    "/session",
    "/status",
    "/admin/dead-letters",
    "/admin/dead-letters/{event_id}",
    "/admin/dead-letters/replay",
    "/admin/dead-letters/discard",
    "/admin/keys",
    "/admin/keys/{key_id}/rotate",
    "/admin/keys/{key_id}/revoke",
    "/admin/audit",
    "/admin/erasures",
    "/admin/erasures/{erasure_id}",
    "/admin/rates",
    "/metrics",
    "/health",
    "/health/ready",
    "/openapi.json",
    "/docs",
    "/docs/{file}",
    "/explorer/{path}",
    "unmatched",  # a path that no route has
    "unread",  # refused by the protocol, before its path was known
)
CODES = (
    *("200", "201", "202", "204", "304", "400", "401", "403", "404", "405", "408", "409", "410"),
    *("413", "415", "421", "422", "424", "429", "431", "500", "501", "503", "505", "other"),
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
    "busy",  # this process has no memory for the request, or can't read any API key
    "incomplete",  # the client did not send all of it, or too slowly
    "internal",
)
VERDICTS = ("hit", "miss", "bypass")
STANDBY_OUTCOMES = ("standby", "behind", "unknown", "away", "failed")
DRAIN_STEPS = ("read", "insert", "begin_write", "commit", "end_write", "acknowledge")
FEED_KINDS = ("changes", "tail")
EXPORT_ENDS = ("complete", "client_gone", "failed", "stopped", "revoked", "refused")
ROLES = ("supervisor", "api", "worker")
