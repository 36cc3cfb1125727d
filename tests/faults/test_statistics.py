"""Statistics while events are stored: exact at each instant, whatever happens to the workers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import sqlalchemy as sa

from storage.postgres.engine import short_engine, transaction
from storage.settings import StorageSettings
from storage.statistics.bars import INTERVALS
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.hour_counts import assert_exact, count_all
from tests.support.queued import append, make_event
from tests.support.refusing import refuse

INSTANTS = 50
BATCH = 20
KILLED_EVERY = 10  # instants
_STORED = sa.text("SELECT count(*) FROM events WHERE created_at >= :start AND created_at < :end")


class Pouring:
    """A thread that posts batches with poison in them, and queues some events twice."""

    def __init__(self, running: Service) -> None:
        self.stop = threading.Event()
        self._running = running
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def on(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self.stop.set()
            self._thread.join()

    def _run(self) -> None:
        number = 0
        with httpx.Client(base_url=self._running.url, timeout=60, trust_env=False) as http:
            while not self.stop.wait(0.1):
                number += 1
                with suppress(httpx.TransportError):
                    http.post(
                        "/events/batch", json=[self._event(number, of) for of in range(BATCH)]
                    )
                if number % 10 == 0:
                    twice = [make_event(component="twice") for _ in range(5)]
                    for shard in (0, 1):
                        append(self._running.settings, twice, shard)

    def _event(self, number: int, of: int) -> dict[str, str]:
        message = "poison" if of == number % 100 else "a message"
        return {"component": f"c{of % 3}", "environment": "test", "message": message}


def test_bars_total_rows_and_a_plain_count_agree_at_each_instant(settings: StorageSettings) -> None:
    chance = Random(5)
    start = datetime.now(UTC) - timedelta(seconds=2)  # before each end
    with (
        short_engine(settings.database_url) as engine,
        service(settings, workers=2, lease_ms=1000) as running,
    ):
        refuse(engine, "P0001", "poison")
        count_all(engine)
        pouring = Pouring(running)
        with pouring.on():
            for number in range(INSTANTS):
                _wait_for_more(engine, start)
                if number % KILLED_EVERY == 1:
                    _kill_a_worker(running)
                end = datetime.now(UTC) - timedelta(milliseconds=chance.randrange(1500))
                _compare(running, engine, start, end, chance.choice(INTERVALS))
                assert_exact(engine)
        wait_until(lambda: running.http.get("/status").json()["backlog"] == 0, "an empty queue")
        end = datetime.now(UTC)
        assert _compare(running, engine, start, end, "minute")
        status = running.http.get("/status").json()
    assert status["conservation"]["balanced"]
    assert sum(shard["duplicates"] for shard in status["shards"]) > 0
    assert status["dead_letters"] > 0


def _wait_for_more(engine: sa.Engine, start: datetime) -> None:
    before = _stored(engine, start, datetime.now(UTC))
    wait_until(lambda: _stored(engine, start, datetime.now(UTC)) > before, "more rows")


def _compare(
    running: Service, engine: sa.Engine, start: datetime, end: datetime, interval: str
) -> bool:
    """Compare what one user sees in turn; return whether nothing was stored meanwhile.

    Rows are only added. So what is counted later is never less, and if the first count is equal to
    the last one, nothing came between.
    """
    window = {"from_date": start.isoformat(), "to_date": end.isoformat()}
    first = _total(running, interval, window)
    rows = [_paged(running, window), _stored(engine, start, end)]
    rows.append(_total(running, interval, {**window, "message": "a message"}))
    last = _total(running, "hour", {**window, "group_by": "component"})
    assert [first, *rows, last] == sorted([first, *rows, last])
    return first == last


def _total(running: Service, interval: str, params: dict[str, str]) -> int:
    answer = _answer(running, "/events/stats", {**params, "interval": interval})
    assert answer["complete"]
    assert sum(bar["count"] for bar in answer["bars"]) == answer["total"]
    for bar in answer["bars"]:
        if groups := bar["groups"]:
            assert sum(each["count"] for each in groups["values"]) == bar["count"]
    return int(answer["total"])


def _paged(running: Service, window: dict[str, str]) -> int:
    count, more = 0, {"limit": "1000"}
    while True:
        page = _answer(running, "/events", {**window, **more})
        count += len(page["events"])
        if page["next_cursor"] is None:
            return count
        more["cursor"] = page["next_cursor"]


def _answer(running: Service, path: str, params: dict[str, str]) -> Any:
    response = running.http.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def _stored(engine: sa.Engine, start: datetime, end: datetime) -> int:
    with transaction(engine) as connection:
        found = connection.scalar(_STORED, {"start": start, "end": end})
    return int(found or 0)


def _kill_a_worker(running: Service) -> None:
    worker = running.workers.pop(0)
    worker.kill()
    worker.wait()
    running.start_worker()
