"""The limit of a key in exact numbers, to compare the script with; and the script at a given time.

The generic cell rate algorithm (ITU-T I.371): `tat` is the theoretical arrival time, at which all
that has passed would have been due at the rate.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import redis

from storage.access.rate_limits import DAY_SECONDS, MILLION, Demand, Grant, RateLimit
from storage.redis import keys
from storage.redis.script_runner import source

CLOCK = "redis.call('TIME')"
BURST_US = MILLION


def grant_at(
    control: redis.Redis, now_us: int, limit: RateLimit, demand: Demand, key_id: str = "k"
) -> Grant:
    """Run the script as if the server's clock showed `now_us`."""
    script = source("access/grant")
    assert CLOCK in script
    values: list[Any] = [limit.per_second or 0, limit.per_day or 0, *demand]
    values += [now_us // MILLION, now_us % MILLION]
    script = script.replace(CLOCK, f"{{ARGV[{len(values) - 1}], ARGV[{len(values)}]}}")
    found: Any = control.eval(script, 1, keys.limit(key_id), *values)
    return Grant(found[0], found[1], found[2], found[3] / MILLION, found[4])


@dataclass
class Gcra:
    """The rate and the quota of one key."""

    limit: RateLimit
    tat: Fraction = Fraction(0)
    days: dict[int, int] = field(default_factory=dict)

    def answer(self, now_us: int, demand: Demand) -> Grant:
        """Return what control answers."""
        day, rest_us = divmod(now_us, DAY_SECONDS * MILLION)
        granted = self._grant(now_us, demand, day)
        room = int(self._room(now_us) * MILLION) if self.limit.per_second else 0
        left = max((self.limit.per_day or 0) - self.days.get(day, 0), 0)
        return Grant(granted, room, left, DAY_SECONDS - rest_us / MILLION, day)

    def _grant(self, now_us: int, demand: Demand, day: int) -> int:
        self._settle(now_us, demand, day)
        used = self.days.get(day, 0)
        granted = demand.want
        if self.limit.per_second is not None:
            if self._room(now_us) < demand.least:
                return 0
            granted = min(granted, self._room(now_us) // 1)
        if self.limit.per_day is not None:
            if used + demand.must > self.limit.per_day:
                return 0
            granted = min(granted, (self.limit.per_day - used) // 8)
        granted = max(granted, demand.must)
        self.tat += granted * self._interval
        self.days[day] = used + granted
        return granted

    @property
    def _interval(self) -> Fraction:
        return Fraction(MILLION, self.limit.per_second or 1)

    def _room(self, now_us: int) -> Fraction:
        return (now_us + BURST_US - self.tat) / self._interval

    def _settle(self, now_us: int, demand: Demand, day: int) -> None:
        self.tat = max(self.tat, Fraction(now_us))
        after = self.tat + demand.unpaid * self._interval
        if demand.unpaid > 0:
            self.tat = min(after, max(self.tat, Fraction(now_us + 2 * BURST_US)))
            self.days[day] = self.days.get(day, 0) + demand.unpaid
        elif demand.unpaid < 0:
            self.tat = max(after, Fraction(now_us))
            if demand.day == day:
                self.days[day] = max(self.days.get(day, 0) + demand.unpaid, 0)
