"""A person is erased while events wait, are stored and read, and workers are killed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from storage.erasure.eraser import Eraser
from storage.erasure.runner import run_pending
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support import erasing as support
from tests.support.erasing import ErasureBench, files_with, keys_with, kinds_of_relations
from tests.support.event_streams import changes

erasing = support.erasing

EMAIL = "Zz.Jo@Private.example"
NEEDLE = b"zz.jo@private"


def post(running: Service, first: int, count: int, with_jo: bool) -> tuple[set[str], set[str]]:
    """Post a batch; return the ids of Jo's events, and of the others."""
    made: list[dict[str, Any]] = []
    for n in range(first, first + count):
        event: dict[str, Any] = {"component": "c", "environment": "e", "message": f"number {n}"}
        if with_jo and n % 3 == 0:
            event |= {"email": EMAIL, "data": {"n": n}}
        elif with_jo and n % 3 == 1:
            event |= {"message": f"mail to {EMAIL.lower()}, {n}", "data": {"to": [EMAIL], "n": n}}
        made.append(event)
    answer = running.http.post("/events/batch", json=made)
    assert answer.status_code == 202, answer.text
    ids = [one["id"] for one in answer.json()["results"]]
    mine = {id_ for id_, event in zip(ids, made, strict=True) if "email" in event}
    return mine, set(ids) - mine


class Posting:
    """Posts events that have nothing to do with Jo, and reads pages, until it is stopped."""

    def __init__(self, running: Service) -> None:
        self.ids: set[str] = set()
        self.failed: list[str] = []
        self._running = running
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> set[str]:
        self._stop.set()
        self._thread.join(60)
        assert self.failed == []
        return self.ids

    def _run(self) -> None:
        n = 1_000_000
        while not self._stop.wait(0.05):
            try:
                _, ids = post(self._running, n, 20, with_jo=False)
                self.ids |= ids
                self._running.events(limit=10)
            except Exception as error:  # noqa: BLE001 - told by `stop`
                self.failed.append(repr(error))
            n += 20


@contextmanager
def advancing(erasing: ErasureBench) -> Iterator[threading.Event]:
    """Go through the steps of erasures, as a supervisor of workers does."""
    stop, done = threading.Event(), threading.Event()
    eraser = Eraser(erasing.servers, in_flight_ms=1_000)

    def run() -> None:
        while not stop.wait(0.2):
            if run_pending(erasing.engine, eraser, stop.is_set) is False:
                done.set()
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join(60)


def kill_workers(running: Service) -> None:
    for worker in running.workers:
        worker.kill()
        worker.wait()
    running.workers.clear()


def assert_the_search_finds_bytes(erasing: ErasureBench, running: Service) -> None:
    """Check that what is to be gone is found before: in tables, indexes, AOF, and cached pages."""

    def is_cached() -> bool:
        running.events(email=EMAIL)
        return any("cache:page:" in name for name in keys_with(erasing.control, NEEDLE))

    wait_until(is_cached, "a cached page", 60)
    found = files_with(erasing.settings, erasing.engine, NEEDLE)
    assert kinds_of_relations(erasing.engine, found) >= {"r", "i"}, found
    assert [name for name in found if name.startswith("queue/appendonlydir/")], found


def test_a_person_is_erased_while_workers_are_killed(erasing: ErasureBench, tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with (
        log.open("wb") as to,
        service(erasing.settings, workers=2, cache_grace_ms=0, log_to=to) as running,
    ):
        mine, others = post(running, 0, 1_500, with_jo=True)
        wait_until(lambda: running.http.get("/status").json()["backlog"] == 0, "all to be stored")
        assert len(running.events(email=EMAIL)) == 100
        assert_the_search_finds_bytes(erasing, running)
        token = changes(running.http)["next"]
        kill_workers(running)
        for first in range(1_500, 4_500, 500):
            some = post(running, first, 500, with_jo=True)
            mine, others = mine | some[0], others | some[1]
        assert any("events:" in name for name in keys_with(erasing.queue, NEEDLE))
        posting = Posting(running)
        body = {"email": EMAIL.upper(), "rewrite": True}
        begun = running.http.post("/admin/erasures", json=body)
        assert begun.status_code == 202, begun.text
        path = f"/admin/erasures/{begun.json()['id']}"
        with advancing(erasing) as done:
            for _ in range(8):
                running.start_worker()
                running.start_worker()
                done.wait(1.5)
                kill_workers(running)
            running.start_worker()
            running.start_worker()
            wait_until(done.is_set, "the erasure to be done", 180)
        others |= posting.stop()
        found = running.http.get(path).json()
        assert (found["step"], found["remains"]) == ("done", []), found
        assert found["deleted"] >= 500
        assert_balanced(running)
        _assert_gone(erasing, running, mine, others)
        _assert_told(running, token, mine, others)
        again, _ = post(running, 0, 1, with_jo=True)
        wait_until(lambda: running.events(email=EMAIL), "a new event of the person", 60)
        assert [one["id"] for one in running.events(email=EMAIL)] == list(again)
    assert NEEDLE not in log.read_bytes().lower()


def assert_balanced(running: Service) -> None:
    status = wait_until(
        lambda: found if not (found := running.http.get("/status").json())["backlog"] else None,
        "all to be stored",
        60,
    )
    assert status is not None
    assert status["conservation"]["balanced"], status
    assert sum(shard["erased"] for shard in status["shards"]) > 0


def _assert_gone(erasing: ErasureBench, running: Service, mine: set[str], others: set[str]) -> None:
    with erasing.engine.connect() as connection:
        stored = set(connection.scalars(sa.text("SELECT CAST(id AS text) FROM events")))
    assert stored == others, (len(stored - others), len(others - stored))
    assert running.events(email=EMAIL) == []
    assert running.http.get(f"/events/{next(iter(mine))}").status_code == 404
    assert keys_with(erasing.queue, NEEDLE) == []
    assert keys_with(erasing.control, NEEDLE) == []
    left: list[str] = []

    def are_gone() -> bool:  # the queue removes its old files in the background
        left[:] = files_with(erasing.settings, erasing.engine, NEEDLE)
        return not left

    try:
        wait_until(are_gone, "the bytes to be gone from all files", 60)
    except AssertionError:
        assert left == []


def _assert_told(running: Service, token: str, mine: set[str], others: set[str]) -> None:
    """Check that the feed tells a reader of what it has: what to delete, and what to redact."""
    told: dict[str, str] = {}
    while True:
        answer = changes(running.http, after=token)
        told |= {one["id"]: one["act"] for one in answer["erased"]}
        token = answer["next"]
        if not answer["behind"]:
            break
    assert {id_ for id_, act in told.items() if act == "deleted"} <= mine
    redacted = {id_ for id_, act in told.items() if act == "redacted"}
    assert len(redacted) >= 500
    assert redacted <= others
