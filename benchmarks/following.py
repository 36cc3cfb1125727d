"""Measure the feed: how late a tail is, what it costs, and what an idle reading takes.

Four drains commit 1,000 events a second, and publish the hint that a drain publishes. 20 streams
follow, some of them with filters. Delay is from the return of the commit until a client has read
the event; CPU is that of the API process.
"""

import http.client
import re
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import redis

from benchmarks.bench import Bench
from benchmarks.events import FREQUENT_COMPONENT, EventMaker
from benchmarks.figures import Figure, Part
from benchmarks.processes import cpu_seconds, resident_mib
from benchmarks.rounds import percentile, spread
from storage.events.writer import BatchWriter
from storage.feed.reader import FeedReader
from storage.model.event import now_ms
from storage.postgres.engine import feed_engine, writing_engine
from storage.redis import keys
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until

READERS = 20
RATE = 1_000  # events a second
_WRITERS = 4
_BATCHES = 5  # a second, of each writer
_IDLE_READINGS = 300
_FILTERS = {
    "alike": [""] * READERS,
    "mixed": ["", f"?component={FREQUENT_COMPONENT}", "?component=auth", "?q=order", ""] * 4,
}
_find_ids = re.compile(rb'\ndata: \{"id":"([0-9a-f-]{36})"').findall


class Reader(threading.Thread):
    """A client that notes when each event came."""

    def __init__(self, url: str, query: str) -> None:
        super().__init__(daemon=True)
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port)
        self._path = f"/events/tail{query}"
        self.came: dict[bytes, float] = {}
        self.is_open = threading.Event()

    def run(self) -> None:
        """Read until the server ends the stream."""
        self._connection.request("GET", self._path)
        answer = self._connection.getresponse()
        rest = b""
        while part := answer.read1(1 << 16):
            now = time.monotonic()
            self.is_open.set()
            whole, end, rest = (rest + part).rpartition(b"\n\n")
            self.came.update(dict.fromkeys(_find_ids(b"\n" + whole + end), now))
            rest = b"\n" + rest if rest else b""


class Writer(threading.Thread):
    """A drain of one shard at its share of the rate; `stored` tells when each event was."""

    def __init__(self, settings: StorageSettings, shard: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self._shard = shard
        self._seconds = seconds
        self.stored: dict[bytes, float] = {}

    def run(self) -> None:
        """Store a batch at each of its times."""
        maker, engine = EventMaker(self._shard), writing_engine(self._settings.database_url)
        writer, size = BatchWriter(engine, "day"), RATE // _WRITERS // _BATCHES
        start = time.monotonic() + self._shard / _WRITERS / _BATCHES
        with redis.Redis.from_url(self._settings.control_url) as control:
            for number in range(int(self._seconds * _BATCHES)):
                time.sleep(max(0.0, start + number / _BATCHES - time.monotonic()))
                batch = [maker.make().event(maker.raw_id(now_ms())) for _ in range(size)]
                writer.ensure_partitions(batch)
                with writer.batch(self._shard, 1) as transaction:
                    transaction.insert(batch)
                now = time.monotonic()
                control.publish(keys.STORED_CHANNEL, self._shard)
                self.stored.update((event.id.encode(), now) for event in batch)
        engine.dispose()


def measure(bench: Bench) -> Part:
    """Measure streams that are alike, then streams with different filters."""
    seconds = 5 if bench.pace.quick else 20
    details = {}
    with bench.servers.fresh() as settings:
        details["idle"] = {"poll_p50_ms": _idle_ms(settings)}
        for name, filters in _FILTERS.items():
            with service(settings, workers=0) as ours:
                details[name] = _follow(settings, ours, filters, seconds)
    mixed = details["mixed"]
    figures = [
        Figure("tail_p99", spread([mixed["p99_ms"]])),
        Figure("tail_cpu", spread([mixed["cpu_us_per_delivered"]])),
        Figure("feed_idle", spread([details["idle"]["poll_p50_ms"]])),
    ]
    return Part("following", figures, details)


def _idle_ms(settings: StorageSettings) -> float:
    engine = feed_engine(settings.database_url)
    reader, taken = FeedReader(engine), []
    for _ in range(_IDLE_READINGS):
        start = time.perf_counter()
        reader.now()
        taken.append((time.perf_counter() - start) * 1000)
    engine.dispose()
    return percentile(taken, 0.5)


def _follow(
    settings: StorageSettings, ours: Service, filters: Sequence[str], seconds: float
) -> dict[str, float]:
    readers = [Reader(ours.url, query) for query in filters]
    writers = [Writer(settings, shard, seconds) for shard in range(_WRITERS)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.is_open.wait(30)
    pid = ours.apis[0].pid
    before = cpu_seconds([pid])
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stored = {key: at for writer in writers for key, at in writer.stored.items()}
    whole = [reader for reader, query in zip(readers, filters, strict=True) if not query]
    wait_until(lambda: all(len(each.came) == len(stored) for each in whole), "all events", 60)
    used = cpu_seconds([pid]) - before
    late = [(at - stored[key]) * 1000 for each in readers for key, at in each.came.items()]
    return {
        "p50_ms": percentile(late, 0.5),
        "p99_ms": percentile(late, 0.99),
        "max_ms": max(late),
        "delivered": len(late),
        "cpu_us_per_delivered": used / len(late) * 1e6,
        "api_mib": resident_mib(pid),
    }
