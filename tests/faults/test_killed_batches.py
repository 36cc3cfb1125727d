"""Kill API processes while batches arrive: each batch is stored whole, once, or not at all."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import sqlalchemy as sa

from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until

ITEMS = 200
NDJSON = {"content-type": "application/x-ndjson"}


class Sender:
    """A client that posts batches, each until it is answered (under its key), or only once."""

    def __init__(self, url: str, name: str, retries: bool) -> None:
        self.answered: set[str] = set()
        self.lost: set[str] = set()
        self._name = name
        self._retries = retries
        self._stop = threading.Event()
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)
        self._http.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            batch = f"{self._name} {len(self.answered) + len(self.lost)}"
            headers = NDJSON | {"idempotency-key": str(uuid4())}
            while not self._post(batch, headers) and self._retries:
                self._stop.wait(0.02)

    def _post(self, batch: str, headers: dict[str, str]) -> bool:
        event = {"component": batch, "environment": "test"}
        lines = (json.dumps({**event, "message": f"item {n}"}) for n in range(ITEMS))
        try:
            answer = self._http.post("/events/batch", content="\n".join(lines), headers=headers)
        except httpx.TransportError:
            self.lost.add(batch)
            return False
        assert answer.status_code in (202, 409), answer.text
        if answer.status_code == 409:  # the first request with this key is still running
            return False
        assert answer.json()["accepted"] == ITEMS
        self.lost.discard(batch)
        self.answered.add(batch)
        return True


@contextmanager
def senders(running: Service) -> Iterator[list[Sender]]:
    started = [Sender(running.url, f"sender {n}", retries=n % 2 == 0) for n in range(4)]
    try:
        yield started
    finally:
        for sender in started:
            sender.stop()


def stored(settings: StorageSettings) -> dict[str, Counter[str]]:
    """Count how often each item of each batch is in the table."""
    engine = sa.create_engine(settings.database_url)
    found: dict[str, Counter[str]] = {}
    with engine.connect() as connection:
        for batch, item in connection.execute(sa.text("SELECT component, message FROM events")):
            found.setdefault(batch, Counter())[item] += 1
    engine.dispose()
    return found


def answered(started: list[Sender]) -> int:
    return sum(len(sender.answered) for sender in started)


def test_batches_whose_answers_were_lost_are_whole_or_absent_and_count_once(
    settings: StorageSettings,
) -> None:
    whole = Counter({f"item {n}": 1 for n in range(ITEMS)})
    with service(settings, apis=2) as running:
        with senders(running) as started:
            for _ in range(8):
                before = answered(started)
                wait_until(
                    lambda before=before: answered(started) > before + 6,  # type: ignore[misc]
                    "more batches to be answered",
                )
                killed = running.apis.pop(0)
                killed.kill()
                killed.wait(10)
                running.start_api()
        assert any(sender.lost for sender in started if not sender._retries)
        acknowledged = {batch for sender in started for batch in sender.answered}
        lost = {batch for sender in started for batch in sender.lost}
        wait_until(
            lambda: running.http.get("/status").json()["backlog"] == 0, "everything to be stored"
        )
    found = stored(settings)
    assert acknowledged <= set(found) <= acknowledged | lost
    assert {batch: items for batch, items in found.items() if items != whole} == {}
