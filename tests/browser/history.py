"""A history of 200,000 events of the last days, imported through the API."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import httpx

from benchmarks.events import EventMaker
from testbed.service import Service
from testbed.waiting import wait_until

EVENTS = 200_000
BATCH = 10_000
SPAN = timedelta(days=7)
FREE = timedelta(minutes=10)  # the newest events are those that a test posts


def load(running: Service) -> None:
    """Import the events, and wait until all are stored."""
    bodies = _bodies()
    for _ in range(EVENTS // BATCH):
        content = b"\n".join(islice(bodies, BATCH))
        headers = {"content-type": "application/x-ndjson"}
        answer = running.http.post("/events/batch?import=true", content=content, headers=headers)
        assert answer.status_code == 202, answer.text
    wait_until(lambda: not _backlog(running.http), "all events to be stored", 300)


def _backlog(http: httpx.Client) -> int:
    return int(http.get("/status").json()["backlog"])


def _bodies() -> Iterator[bytes]:
    start = datetime.now(UTC) - SPAN
    for number, made in enumerate(EventMaker("explored")):
        at = (start + _place(number / EVENTS) * (SPAN - FREE)).isoformat(timespec="milliseconds")
        more = json.dumps({"created_at": f"{at[:-6]}Z", "import_id": f"{number}"}).encode()
        yield made.body()[:-1] + b"," + more[1:]


def _place(share: float) -> float:
    """Return where in the span an event is: by day there are more than by night."""
    turns = 2 * math.pi * (SPAN / timedelta(days=1))
    return share - 0.5 * math.sin(turns * share) / turns
