"""Hold the limits of keys in one API process: take events from what control has granted.

No request waits for control longer than `wait_seconds`. While control does not answer, each process
lets the whole rate of a key pass (it fails open), and control counts that later.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cached_property, partial
from typing import NamedTuple

from api.auth import limit_answers
from api.auth.local_bucket import LocalBucket
from api.http.headers import Headers, header_lines
from api.http.problems import Problem
from storage.access.api_key import ApiKey
from storage.access.rate_limits import GRANT_SECONDS, MILLION, Demand, Grant, RateLimit, RateLimits
from storage.periodic import OutageLog

STALL_SECONDS = 0.01
PAUSE_SECONDS = 0.005  # after a refusal, before control is asked again
TRUST_SECONDS = 0.25  # how long a refusal stands at most: another process may give events back
RETRY_SECONDS = 0.25  # between calls that fail
KEEP_SECONDS = 1.0  # after that, granted events that nobody needed are given back
LINES_SECONDS = 0.05  # the hot path can't afford to write numbers for each answer
CLOSE_SECONDS = 1.0  # for giving events back when the process ends

_FEW = 8  # after a smaller grant, nothing is asked for ahead of need

Ask = Callable[[Demand], Awaitable[Grant]]


class _Waiting(NamedTuple):
    """A request that waits for events."""

    events: int
    future: asyncio.Future[None]
    counts: bool  # a refusal as refused events


class KeyLimit:
    """The limit of one key in one process. For one event loop.

    `take` is for the hot path; where it returns False, await `admit`. Give back with `refund` what
    was not accepted in the end.
    """

    def __init__(
        self,
        limit: RateLimit,
        ask: Ask,
        outages: OutageLog,
        count_refused: Callable[[int], None],
        wait_seconds: float,
    ) -> None:
        """`wait_seconds`: for an answer of control, before the process decides alone."""
        self._limit = limit
        self._ask = ask
        self._outages = outages
        self._count_refused = count_refused
        self._wait_seconds = wait_seconds
        self._tokens = 0  # granted, not taken yet
        self._low = 0  # below that, ask for more ahead of need
        self._had = 0  # tokens after the last answer
        self._unpaid = 0  # taken without a grant
        self._told: Grant | None = None
        self._told_at = 0.0
        self._waiting: list[_Waiting] = []
        self._call: asyncio.Task[None] | None = None
        self._called_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._alone = False  # control did not answer in time
        self._gives_back = False
        self._bucket = LocalBucket(limit)
        self._return_timer: asyncio.TimerHandle | None = None
        self._policy = (b"ratelimit-policy", limit_answers.policies(limit))
        self._lines, self._lines_end = b"", 0.0

    def take(self, events: int = 1) -> bool:
        """Take events if so many are granted already."""
        left = self._tokens - events
        if left < 0:
            return False
        self._tokens = left
        if left < self._low:
            self._low = 0
            self._start()
        return True

    def admit(self, events: int = 1, *, counts: bool = True) -> asyncio.Future[None]:
        """Take events, as soon as control grants them.

        The future fails with Problem: 429, or 413 for more events than can ever pass. If not
        `counts`, the caller may still answer with success, and calls `count_refused` if it doesn't.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        if events > self._limit.max_events:
            future.set_exception(limit_answers.never(self._limit))
            return future
        if self._alone and self._now() - self._called_at >= RETRY_SECONDS:
            self._start()
        waiting = _Waiting(events, future, counts)
        if not self._settle(waiting):
            self._waiting.append(waiting)
            self._start()
        return future

    def count_refused(self, events: int) -> None:
        """Count the events of a request that is answered with 429."""
        self._count_refused(events)

    def refund(self, events: int) -> None:
        """Give back events that were taken, and then not accepted."""
        self._tokens += events
        self._return_later()

    def headers(self) -> Headers:
        """Return the headers that tell of the limit in an answer of success."""
        known = self._remaining()
        return (self._policy, (b"ratelimit", known)) if known else (self._policy,)

    def lines(self) -> bytes:
        """Return the same headers as lines; what is left may be older by `LINES_SECONDS`."""
        now = self._loop.time()
        if now >= self._lines_end:
            self._lines, self._lines_end = header_lines(self.headers()), now + LINES_SECONDS
        return self._lines

    async def close(self) -> None:
        """Give back what is granted and was not taken."""
        if self._return_timer is not None:
            self._return_timer.cancel()
        if self._call is not None:
            await asyncio.wait([self._call])
        if self._tokens or self._unpaid:
            await asyncio.wait([self._start(gives_back=True)])

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _now(self) -> float:
        return self._loop.time()

    def _settle(self, waiting: _Waiting) -> bool:
        """Decide a request if that can be done without control."""
        events, future, counts = waiting
        if future.done():  # its client has gone
            return True
        if self.take(events):
            future.set_result(None)
        elif refusal := self._refusal_alone(events) if self._alone else self._refusal(events):
            if counts:
                self._count_refused(events)
            future.set_exception(refusal)
        elif self._alone:
            self._unpaid += events
            future.set_result(None)
        else:
            return False
        return True

    def _refusal(self, events: int) -> Problem | None:
        """Return why the request can't pass, if what control told last still holds."""
        if self._told is None:
            return None
        # A call gives back what this process holds.
        limit, told = self._limit, self._told.with_returned(self._tokens)
        elapsed = self._now() - self._told_at
        if not told.fits_in_day(limit, events):
            policy, wait = limit_answers.DAY, told.day_seconds
        else:
            policy, wait = limit_answers.SECOND, told.seconds_until(limit, events)
        if wait and elapsed < max(PAUSE_SECONDS, min(wait, TRUST_SECONDS)):
            return limit_answers.refused(limit, policy, wait - elapsed)
        return None

    def _refusal_alone(self, events: int) -> Problem | None:
        wait = self._bucket.take(events, self._now())
        return limit_answers.refused(self._limit, limit_answers.SECOND, wait) if wait else None

    def _start(self, *, gives_back: bool = False) -> asyncio.Task[None]:
        """Ask control, unless a call is under way; `gives_back`: for nothing."""
        if self._call is None:
            self._gives_back = gives_back
            self._call = self._loop.create_task(self._run())
        return self._call

    async def _run(self) -> None:
        """Ask control, once or until no request waits."""
        try:
            await self._ask_once()
            while self._waiting:
                await self._ask_once()
        finally:
            self._call = None
            for waiting in self._waiting:  # the event loop shuts down
                waiting.future.cancel()

    async def _ask_once(self) -> None:
        demand = self._demand()
        self._called_at = self._now()
        self._timer = self._loop.call_later(self._wait_seconds, self._on_late)
        grant = None
        with self._outages.round():
            grant = await self._ask(demand)
        self._timer.cancel()
        if grant is None:
            self._unpaid += max(demand.unpaid, 0)  # what was given back may have been counted
            self._decide_alone()
        else:
            self._on_grant(grant)

    def _demand(self) -> Demand:
        """Say what to ask for, and give back what a request that waits could not use."""
        day = self._told.day if self._told else 0
        want, must = self._ahead(), 1
        unpaid, self._unpaid = self._unpaid, 0
        if self._waiting or self._gives_back:
            unpaid -= self._tokens
            self._tokens = 0
        if self._waiting:
            must = self._waiting[0].events
            want = max(want, sum([waiting.events for waiting in self._waiting]))
        elif self._gives_back:
            want = must = 0
        return Demand(want, must, self._limit.least(must), unpaid, day)

    def _ahead(self) -> int:
        """Return how many events the next moments need, if they need as many as the last ones."""
        taken = self._had - self._tokens
        elapsed = max(self._now() - self._told_at, 0.001)
        return max(1, min(self._limit.ahead, int(taken * GRANT_SECONDS / elapsed)))

    def _on_grant(self, grant: Grant) -> None:
        self._told, self._told_at, self._alone = grant, self._now(), False
        self._lines_end = 0.0
        paid = min(grant.events, self._unpaid)
        self._unpaid -= paid
        self._tokens += grant.events - paid
        self._had = self._tokens
        self._low = self._had // 4 if self._had >= _FEW else 0
        self._settle_all()
        self._return_later()

    def _on_late(self) -> None:
        """Decide alone; but if this process stood still, first read what has arrived meanwhile."""
        if self._now() - self._called_at > self._wait_seconds + STALL_SECONDS:
            self._timer = self._loop.call_later(STALL_SECONDS, self._decide_alone)
        else:
            self._decide_alone()

    def _decide_alone(self) -> None:
        if not self._alone:
            self._alone, self._lines_end = True, 0.0
            self._bucket.begin(self._now())
        self._settle_all()

    def _settle_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._waiting += [each for each in waiting if not self._settle(each)]

    def _return_later(self) -> None:
        """Give the tokens back in a while, unless more are needed meanwhile."""
        if self._tokens and self._return_timer is None:
            self._return_timer = self._loop.call_later(KEEP_SECONDS, self._return)

    def _return(self) -> None:
        self._return_timer = None
        if self._now() - self._told_at < KEEP_SECONDS or self._call is not None:
            self._return_later()
        elif self._tokens:
            self._start(gives_back=True)

    def _remaining(self) -> bytes | None:
        """Return the value of `RateLimit`, None if it is not known."""
        told, limit = self._told, self._limit
        if told is None or self._alone:
            return None
        items, elapsed = [], self._now() - self._told_at
        if limit.per_second is not None:
            room = told.room / MILLION + elapsed * limit.per_second
            left = min(room, limit.per_second) + self._tokens
            wait = told.seconds_until(limit, 1) - elapsed
            items.append(limit_answers.item(limit_answers.SECOND, left, wait))
        if limit.per_day is not None:
            left, wait = told.left_of_day + self._tokens, told.day_seconds - elapsed
            items.append(limit_answers.item(limit_answers.DAY, left, wait))
        return ", ".join(items).encode()


class KeyLimits:
    """The limits of all keys in this process. A key's limits never change."""

    def __init__(
        self,
        control: RateLimits,
        wait_seconds: float,
        count_refused: Callable[[int], None] = lambda events: None,
    ) -> None:
        """`wait_seconds`: for an answer of control, before this process decides alone.

        `count_refused` is called with the number of events of each refused request.
        """
        self._control = control
        self._count_refused = count_refused
        self._wait_seconds = wait_seconds
        self._outages = OutageLog("the limits of keys")
        self._of: dict[str, KeyLimit | None] = {}

    def of(self, key: ApiKey | None) -> KeyLimit | None:
        """Return the limit of a key, None if it has none, or if no key is needed."""
        if key is None:
            return None
        if key.id not in self._of:
            self._of[key.id] = self._new(key)
        return self._of[key.id]

    async def close(self) -> None:
        """Give back what is granted and was not taken, if control answers soon."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*[limit.close() for limit in self._of.values() if limit])
        await self._control.close()

    def _new(self, key: ApiKey) -> KeyLimit | None:
        limit = RateLimit.of(key)
        if limit is None:
            return None
        ask = partial(self._control.grant, key.id, limit)
        return KeyLimit(limit, ask, self._outages, self._count_refused, self._wait_seconds)
