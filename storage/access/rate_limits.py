"""Limits of what a key may post: control counts, over all processes, and grants events in advance.

A key's rate has a burst of one second: after a pause, so many events may come at once. A request
with more than half of a second's events needs room for that half only, and is counted whole: what
follows waits until that is paid off. So a request passes once the key has paused for half a second,
up to the events of `MAX_DEBT_SECONDS`, and in the long run the rate holds to the event. A
refused request reserves nothing: single posts that use up the rate leave no room for a batch.
"""

import math
from typing import NamedTuple

import redis.asyncio

from storage.access.api_key import ApiKey
from storage.redis import keys
from storage.redis.script_runner import run
from storage.server_errors import control_errors

GRANT_SECONDS = 0.05  # of the rate: what a process is granted ahead of need
MAX_DEBT_SECONDS = 60
DAY_SECONDS = 86_400
MILLION = 1_000_000

# Granted ahead of need where there is no rate to tell.
_GRANT_EVENTS = 1_000


class RateLimit(NamedTuple):
    """What a key may post; None means without limit. At least one of the two is given."""

    per_second: int | None
    per_day: int | None

    @classmethod
    def of(cls, key: ApiKey) -> "RateLimit | None":
        """Return the limit of a key, None if it has none."""
        if key.events_per_second is None and key.events_per_day is None:
            return None
        return cls(key.events_per_second, key.events_per_day)

    @property
    def max_events(self) -> int:
        """Return the events of the largest request that can ever pass."""
        seconds = math.inf if self.per_second is None else self.per_second * MAX_DEBT_SECONDS
        return int(min(seconds, math.inf if self.per_day is None else self.per_day))

    @property
    def ahead(self) -> int:
        """Return how many events a process may be granted ahead of need."""
        if self.per_second is None:
            return _GRANT_EVENTS
        return max(1, int(self.per_second * GRANT_SECONDS))

    def least(self, events: int) -> int:
        """Return for how many events there must be room, so that a request with `events` passes."""
        return events if self.per_second is None else min(events, max(1, self.per_second // 2))


class Demand(NamedTuple):
    """What a process asks for: `want` events or as many as there is room for, `must` or none.

    It passes if there is room for `least`. `unpaid`: events that were posted without a grant, or if
    negative, granted ones that are given back; the latter belong to `day` (since 1970).
    """

    want: int
    must: int
    least: int
    unpaid: int = 0
    day: int = 0


class Grant(NamedTuple):
    """What control answers. `room` is in millionths of an event; negative: a debt to pay off.

    `left_of_day` counts events. `day_seconds`: the time until the next day begins, in UTC.
    """

    events: int
    room: int
    left_of_day: int
    day_seconds: float
    day: int

    def with_returned(self, events: int) -> "Grant":
        """Return the answer as it would be, had these events been given back."""
        room, left = self.room + events * MILLION, self.left_of_day + events
        return self._replace(room=room, left_of_day=left)

    def seconds_until(self, limit: RateLimit, events: int) -> float:
        """Return when, after this answer, a request could pass by the rate; 0 if it could now."""
        if limit.per_second is None:
            return 0.0
        return max(0.0, (limit.least(events) - self.room / MILLION) / limit.per_second)

    def fits_in_day(self, limit: RateLimit, events: int) -> bool:
        """Return whether the day's quota has so many events left."""
        return limit.per_day is None or events <= self.left_of_day


class RateLimits:
    """The counts on control. For one event loop; no call is repeated if its answer is lost."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def grant(self, key_id: str, limit: RateLimit, demand: Demand) -> Grant:
        """Ask control for events. Raises ControlUnavailable: the call may have been counted."""
        args = (limit.per_second or 0, limit.per_day or 0, *demand)
        with control_errors():
            found = await run(self._client, "access/grant", [keys.limit(key_id)], args)
        events, room, left_of_day, day_us, day = found
        return Grant(events, room, left_of_day, day_us / MILLION, day)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
