"""What a client is told of its key's limits: 429, 413, and the fields `RateLimit`. Pure.

The fields are those of the IETF's draft-ietf-httpapi-ratelimit-headers-10. Its registry has no unit
`events` yet.
"""

import math

from api.http.headers import Headers
from api.http.problems import Problem
from storage.access.rate_limits import DAY_SECONDS, MAX_DEBT_SECONDS, RateLimit

SECOND, DAY = "second", "day"  # the names of the policies


def policies(limit: RateLimit) -> bytes:
    """Return the value of `RateLimit-Policy`, which is the same for a key in each answer."""
    quotas = ((SECOND, limit.per_second, 1), (DAY, limit.per_day, DAY_SECONDS))
    items = [f'"{name}";q={q};w={w};qu="events"' for name, q, w in quotas if q is not None]
    return ", ".join(items).encode()


def item(policy: str, remaining: float, seconds: float) -> str:
    """Return an item of `RateLimit`: what remains, and in how many seconds there is more."""
    return f'"{policy}";r={max(0, int(remaining))};t={_whole(seconds)}'


def refused(limit: RateLimit, policy: str, seconds: float) -> Problem:
    """Return the 429 for a request that can pass after so many seconds."""
    if policy == DAY:
        detail = f"The key's {limit.per_day} events of this day (UTC) are used up, or nearly."
    else:
        detail = f"The key's limit of {limit.per_second} events a second is reached."
    headers: Headers = (
        (b"retry-after", b"%d" % _whole(seconds)),
        (b"ratelimit-policy", policies(limit)),
        (b"ratelimit", item(policy, 0, seconds).encode()),
    )
    more = {"violated-policies": [policy]}
    return Problem(429, f"{detail} Nothing was accepted.", headers=headers, more=more)


def never(limit: RateLimit) -> Problem:
    """Return the 413 for a request with more events than the key may ever post at once."""
    largest = limit.max_events
    why = (
        f"as many as in one day ({limit.per_day})"
        if largest == limit.per_day
        else f"those of {MAX_DEBT_SECONDS} seconds ({limit.per_second} a second)"
    )
    detail = (
        f"With this key, one request can have at most {largest} events: {why}. Nothing was "
        "accepted. Send the events in smaller requests."
    )
    return Problem(413, detail, headers=((b"ratelimit-policy", policies(limit)),))


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))
