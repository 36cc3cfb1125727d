"""Scale workers from 1 to 4 and back, and restart the API, under load: none failed, none lost."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from storage.postgres.engine import short_engine
from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.waiting import wait_until
from tests.faults.test_restarts import wait_for_more
from tests.support.api_command import ApiCommand, api_command
from tests.support.queued import stored_ids
from tests.support.witness import tcp, witness

SECONDS = 120
EVENT = {"component": "scaled", "environment": "test", "message": "m"}
BATCH = 2000


@dataclass
class Pods:
    """Supervisors with one worker process each, as `deploy/kubernetes` runs them."""

    settings: StorageSettings
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def scale(self, count: int) -> None:
        """Start some, or stop some as Kubernetes does: SIGTERM, and each ends in order."""
        command = [sys.executable, "-m", "cli.main", "worker", "--processes", "1"]
        while len(self.running) < count:
            env = environment(self.settings, batch_events=100)  # so that a backlog builds up
            self.running.append(subprocess.Popen(command, env=env))
        leaving = [self.running.pop() for _ in range(len(self.running) - count)]
        for process in leaving:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(SECONDS) for process in leaving] == [0] * len(leaving)


@pytest.fixture
def pods(settings: StorageSettings) -> Iterator[Pods]:
    found = Pods(settings)
    yield found
    for process in found.running:
        process.kill()
        process.wait()


@pytest.fixture
def api(settings: StorageSettings) -> Iterator[ApiCommand]:
    with api_command(settings, "--port", "0", "--processes", "2") as running:
        wait_until(lambda: len(running.pids()) == 2, "two API processes")
        yield running


def get(api: ApiCommand, path: str) -> dict[str, Any]:
    answer = httpx.get(f"http://127.0.0.1:{api.port}{path}", timeout=SECONDS, trust_env=False)
    found: dict[str, Any] = answer.json()
    return found


def post_batch(api: ApiCommand) -> list[str]:
    """Post a batch, so that several shards get a backlog; return the ids."""
    url = f"http://127.0.0.1:{api.port}/events/batch"
    answer = httpx.post(url, json=[EVENT] * BATCH, timeout=SECONDS, trust_env=False)
    assert answer.status_code == 202
    return [one["id"] for one in answer.json()["results"]]


def test_scaled_workers_and_a_restarted_api_fail_nothing_and_lose_nothing(
    api: ApiCommand, pods: Pods, settings: StorageSettings
) -> None:
    posted: list[str] = []
    pods.scale(1)
    with witness(tcp(api.port)) as seen:
        wait_for_more(seen)
        for count in (4, 1):
            posted += [id_ for _ in range(5) for id_ in post_batch(api)]
            pods.scale(count)
            api.restart()
            wait_until(lambda n=count: get(api, "/status")["workers"] == n, f"{count} workers")  # type: ignore[misc]
            wait_for_more(seen)
    assert (seen.failures, seen.refused) == ([], 0)
    wait_until(lambda: get(api, "/status")["backlog"] == 0, "an empty backlog", SECONDS)
    found = get(api, "/status")
    assert found["conservation"]["balanced"] is True
    assert found["dead_letters"] == 0
    posted += [str(event["id"]) for event in seen.accepted]
    with short_engine(settings.database_url) as engine:
        assert stored_ids(engine) == Counter(posted)
