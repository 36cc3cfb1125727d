"""Producers that know of each event whether it was acknowledged, and a scraper that never rests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import httpx
from prometheus_client.samples import Sample

from tests.support.scraped import Scrape, scrape

INVALID_EVERY = 7


class CountedLoad:
    """Producers that post valid and invalid events one after the other.

    `acknowledged` and `unknown` (no answer came) are the messages of the valid events. `refused`
    counts the answers 422, and `refused_unknown` the invalid events without an answer.
    """

    def __init__(self, url: str, producers: int) -> None:
        self.acknowledged: list[str] = []
        self.unknown: list[str] = []
        self.other: list[str] = []
        self.refused = self.refused_unknown = 0
        self._url = url
        self._numbers = count()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(producers)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Return once every producer has ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as http:
            while not self._stop.is_set():
                number = next(self._numbers)
                if number % INVALID_EVERY:
                    self._post(http, f"event {number}")
                else:
                    self._post_invalid(http)

    def _post(self, http: httpx.Client, message: str) -> None:
        event = {"component": "counted", "environment": "test", "message": message}
        try:
            response = http.post("/events", json=event)
        except httpx.TransportError:
            self.unknown.append(message)
        else:
            fits = response.status_code == 202
            (self.acknowledged if fits else self.other).append(message)

    def _post_invalid(self, http: httpx.Client) -> None:
        try:
            response = http.post("/events", json={"component": "counted"})
        except httpx.TransportError:
            with self._lock:
                self.refused_unknown += 1
        else:
            assert response.status_code == 422, response.text
            with self._lock:
                self.refused += 1


class Scraper:
    """Scrapes one time after the other, each over a new connection, so from any process.

    `fallen` lists the counters that have fallen, which none may.
    """

    def __init__(self, url: str) -> None:
        self.scrapes = 0
        self.fallen: list[str] = []
        self._url = url
        self._seen: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Return once the last scrape has ended."""
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as http:
                    self._compare(scrape(http))
            except httpx.TransportError:  # its process was killed
                continue

    def _compare(self, found: Scrape) -> None:
        for family in found.families.values():
            if family.type in ("counter", "histogram"):
                for sample in family.samples:
                    self._compare_sample(sample)
        self.scrapes += 1

    def _compare_sample(self, sample: Sample) -> None:
        key = sample.name, frozenset(sample.labels.items())
        before = self._seen.get(key, 0.0)
        if sample.value < before:
            self.fallen.append(f"{sample.name} {sample.labels}: {before} -> {sample.value}")
        self._seen[key] = sample.value


@contextmanager
def counted_load(url: str, producers: int = 4) -> Iterator[tuple[CountedLoad, Scraper]]:
    """Run producers and a scraper for the block."""
    load, scraper = CountedLoad(url, producers), Scraper(url)
    try:
        yield load, scraper
    finally:
        load.stop()
        scraper.stop()
