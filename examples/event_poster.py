"""Post events to the service on several connections, and retry until it accepts them."""

import hashlib
import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import count
from urllib.parse import SplitResult

from example_error import ExampleError
from git_events import Event

RETRY_SECONDS = 30.0
MAX_PAUSE = 60.0
TIMEOUT_SECONDS = 10.0
PROGRESS_SECONDS = 0.5
CLEAR_LINE = "\r\x1b[K"


@dataclass
class Answer:
    """The service's answer; status 0 means none, and the body has the reason."""

    status: int
    body: bytes
    retry_after: str | None = None
    replayed: bool = False  # an earlier request has posted the same event

    @property
    def accepted(self) -> bool:
        """Tell whether the event was accepted."""
        return 200 <= self.status < 300

    @property
    def refuses_key(self) -> bool:
        """Tell whether the API key is missing, or may not post."""
        return self.status in (401, 403)

    @property
    def asks_to_come_again(self) -> bool:
        """Tell whether a retry may succeed."""
        return self.status in (0, 409, 429, 503)

    def __str__(self) -> str:
        return f"{self.status or 'no answer'}: {self._detail()}"

    def _detail(self) -> str:
        """Return the errors of an RFC 9457 body in one line."""
        try:
            problem = json.loads(self.body)
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            return self.body[:200].decode("utf-8", "replace")
        parts = [problem.get("detail") or problem.get("title"), problem.get("errors")]
        return " ".join(p if isinstance(p, str) else json.dumps(p) for p in parts if p)


class Client:
    """A connection that is kept open; used by one thread."""

    def __init__(self, url: SplitResult) -> None:
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        self._base = url.path.rstrip("/")
        key = os.environ.get("ACTIVITY_KEY", "").strip()
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._connection = kind(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)

    def get(self, path: str) -> Answer:
        """Send a GET."""
        return self._ask("GET", path)

    def post(self, path: str, event: Event) -> Answer:
        """Post an event under a key made from its content."""
        body = json.dumps(event, ensure_ascii=False).encode()
        key = hashlib.sha256(body).hexdigest()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._ask("POST", path, body, headers)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        try:
            headers = {**self.headers, **(headers or {})}
            self._connection.request(method, self._base + path, body, headers)
            response = self._connection.getresponse()
            return Answer(
                response.status,
                response.read(),
                response.getheader("Retry-After"),
                response.getheader("Idempotency-Replayed") == "true",
            )
        except (OSError, HTTPException) as failure:
            self._connection.close()  # the next request opens a new one
            text = getattr(failure, "strerror", None) or str(failure) or type(failure).__name__
            return Answer(0, text.encode())


class Feed:
    """Give the events to several threads one by one, so that none wait in memory."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def __iter__(self) -> Iterator[Event]:
        while (event := self._take()) is not None:
            yield event

    def _take(self) -> Event | None:
        with self._lock:
            return None if self.stopped.is_set() else next(self._events, None)


class Tally:
    """Count the results of the events, and print them while the run continues."""

    def __init__(self, commits: int) -> None:
        self.commits = commits
        self.posted = 0
        self.there_already = 0
        self.refused = 0
        self.first_problem = ""
        self.last_accepted = self._started = self._shown = time.monotonic()
        self._lock = threading.Lock()

    def count(self, event: Event, answer: Answer) -> None:
        """Count the answer for one event."""
        with self._lock:
            if answer.accepted:
                self.posted += not answer.replayed
                self.there_already += answer.replayed
                self.last_accepted = time.monotonic()
            else:
                self.refused += 1
                problem = f"commit {event['data']['hash'][:12]}: {answer}"
                self.first_problem = self.first_problem or problem
            self._show_progress()

    def summary(self) -> str:
        """Return one line about the whole run."""
        seconds = max(time.monotonic() - self._started, 1e-6)
        done = f"posted {self.posted} events of {self.commits} commits"
        if self.there_already:
            done += f", {self.there_already} were there already,"
        return f"{done} in {seconds:.1f} s ({self.posted / seconds:.0f}/s)"

    def _show_progress(self) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown >= PROGRESS_SECONDS:
            self._shown = now
            print(f"{CLEAR_LINE}{self.summary()}", end="", file=sys.stderr, flush=True)

    def end_progress(self) -> None:
        """Remove the progress line from a terminal."""
        if sys.stderr.isatty():
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)


def post_all(url: SplitResult, events: Iterator[Event], tally: Tally, concurrency: int) -> None:
    """Post with that many threads; the first error in one of them stops all, and is raised."""
    feed = Feed(events)
    with ThreadPoolExecutor(concurrency) as threads:
        running = [threads.submit(post_some, url, feed, tally) for _ in range(concurrency)]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:  # also on Ctrl-C; after a normal end nothing is left to stop
            feed.stopped.set()
    for future in running:
        future.result()


def post_some(url: SplitResult, feed: Feed, tally: Tally) -> None:
    """Post events from the feed until it is empty; the work of one thread."""
    client = Client(url)
    try:
        for event in feed:
            answer = post_patiently(client, event, feed, tally)
            if answer:
                tally.count(event, answer)
    finally:
        client.close()


def post_patiently(client: Client, event: Event, feed: Feed, tally: Tally) -> Answer | None:
    """Post until the service gives a final answer; None when the run was stopped before."""
    failing_since = 0.0
    for attempt in count():
        answer = client.post("/events", event)
        if answer.refuses_key:  # and so it does for every event
            raise ExampleError(f"ACTIVITY_KEY must have a key with the scope `write`; {answer}")
        if not answer.asks_to_come_again:
            answer.replayed &= attempt == 0  # else this run may have posted it without an answer
            return answer
        failing_since = failing_since or time.monotonic()
        if time.monotonic() - max(failing_since, tally.last_accepted) > RETRY_SECONDS:
            raise ExampleError(f"nothing was accepted for {RETRY_SECONDS:.0f} s; {answer}")
        if feed.stopped.wait(pause(answer, attempt)):
            break
    return None


def pause(answer: Answer, attempt: int) -> float:
    """Return the seconds to wait: those of `Retry-After`, at most 60, or growing ones.

    Without the header, or with a date in it: 0.1, 0.2, 0.4 ... 5, each shortened by up to half, so
    that the threads do not retry together.
    """
    asked = (answer.retry_after or "").strip()
    if asked.isdecimal():
        return min(float(asked), MAX_PAUSE)
    return min(5.0, 0.1 * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1.0)  # noqa: S311
