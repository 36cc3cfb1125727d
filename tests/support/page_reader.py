"""Readers that know what is stored, and find it in each page that they are given."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from testbed.waiting import wait_until
from tests.support.load import Load

SEEN = {"component": "seen", "environment": "test", "message": "m"}


class Reader:
    """Posts events and waits for their commit; reads pages and events, which must show them."""

    def __init__(self, url: str) -> None:
        self.stored: list[str] = []
        self.pages = 0
        self.stale: list[str] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(act,)) for act in (_post, _read, _find)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Return once all threads have ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    def _run(self, act: Callable[["Reader", httpx.Client], None]) -> None:
        with httpx.Client(base_url=self._url, timeout=120, trust_env=False) as http:
            while not self._stop.is_set():
                act(self, http)


def _post(reader: Reader, http: httpx.Client) -> None:
    response = http.post("/events?ack=stored", json=SEEN)
    if response.status_code == 201:
        reader.stored.append(response.json()["id"])


def _read(reader: Reader, http: httpx.Client) -> None:
    known = reader.stored[-500:]
    response = http.get("/events?component=seen&limit=1000")
    if response.status_code == 200:
        ids = {event["id"] for event in response.json()["events"]}
        reader.stale += [each for each in known if each not in ids]
        reader.pages += 1


def _find(reader: Reader, http: httpx.Client) -> None:
    if not reader.stored:
        return
    newest = reader.stored[-1]
    response = http.get(f"/events/{newest}")
    is_shown = response.status_code == 200 and response.json()["receipt"] == "stored"
    if not is_shown and response.status_code != 503:
        reader.stale.append(newest)


@contextmanager
def reading(url: str) -> Iterator[Reader]:
    """Run a reader for the block."""
    reader = Reader(url)
    try:
        yield reader
    finally:
        reader.stop()


def wait_for_more(producers: Load, reader: Reader) -> None:
    """Wait until more was acknowledged, stored and read."""
    before = len(producers.acknowledged), len(reader.stored), reader.pages
    wait_until(
        lambda: (
            len(producers.acknowledged) > before[0] + 20
            and len(reader.stored) > before[1] + 5
            and reader.pages > before[2] + 5
        ),
        "posts, commits and pages",
        seconds=120,
    )
