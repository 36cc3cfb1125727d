"""`activity health worker` with real workers: idle, without servers, frozen, unable to start."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from cli.embedded import embedded_servers
from cli.health import probes, supervisor_folder, worker_states
from cli.urls import Urls
from storage.metrics.slot_file import SlotFile
from storage.postgres.migrate import upgrade
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed import waiting
from tests.support.freezing import frozen
from tests.support.queued import append, backlog, make_events
from worker.drain import drain
from worker.resources import open_resources
from worker.settings import WorkerSettings

CHECKOUT = Path(__file__).resolve().parents[3]
NOWHERE = Urls(
    "redis://127.0.0.1:1/0", "redis://127.0.0.1:1/0", "postgresql+psycopg2://127.0.0.1:1/none"
)

Start = Callable[[Urls], subprocess.Popen[bytes]]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not tmp_path: under root that is closed to the user the servers run as.
    path = Path(tempfile.mkdtemp(prefix="activity-test-", dir="/tmp"))
    path.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(path))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(urls: Urls) -> subprocess.Popen[bytes]:
        env = {"PATH": os.defpath, "TMPDIR": str(folder), **urls.environment()}
        argv = [sys.executable, "-m", "cli.main", "worker", "--processes", "1"]
        started.append(subprocess.Popen(argv, cwd=CHECKOUT, env=env, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    waiting.wait_until(condition, what, seconds)


def says(activity: str, healthy: bool = True) -> Callable[[], bool]:
    def found() -> bool:
        verdict = probes.worker_health(None)
        return verdict.healthy is healthy and activity in verdict.detail

    return found


def child_of(supervisor: subprocess.Popen[Any]) -> int:
    pid = supervisor.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def set_default_user(server: redis.Redis, *rules: str) -> None:
    server.execute_command("ACL", "SETUSER", "default", *rules)  # type: ignore[no-untyped-call]


def test_workers_stay_healthy_while_their_servers_are_away(folder: Path, start: Start) -> None:
    with embedded_servers(folder / "data") as servers:
        supervisor = start(servers.urls)
        wait_until(says("idle"), "the worker waits for work")
    wait_until(says("waiting for control"), "the worker waits for its servers")
    with embedded_servers(folder / "data"):
        wait_until(says("idle"), "the worker waits for work again")
        supervisor.terminate()
        assert supervisor.wait(60) == 0
    wait_until(says("no workers run", healthy=False), "the probe sees that no worker is left")


def last_step() -> float:
    """Return when the one worker began its last step."""
    (folder,) = supervisor_folder.running_folders()
    file = SlotFile.open(folder / supervisor_folder.SLOTS)
    try:
        ((_, moved),) = worker_states.states_in(file.readings()).states
    finally:
        file.close()
    return moved


def moved_since(step: float) -> bool:
    return last_step() > step


def test_a_worker_that_waits_for_a_hanging_postgresql_is_not_stuck(
    folder: Path, start: Start
) -> None:
    """A frozen server answers nothing and closes nothing, for as long as it likes."""
    with embedded_servers(folder / "data") as servers:
        urls = servers.urls
        settings = StorageSettings(_env_file=None, **asdict(urls))
        upgrade(urls.database_url)
        start(urls)
        append(settings, make_events(1))
        with closing(connect(urls.queue_url)) as queue:
            wait_until(lambda: backlog(queue) == 0, "the worker has a session of PostgreSQL")
            wait_until(says("idle"), "the worker waits for work")
            assert servers.postgres.pid is not None
            with frozen(servers.postgres.pid):
                append(settings, make_events(1))
                wait_until(says("waiting for PostgreSQL"), "a drain waits for PostgreSQL")
                for _ in range(3):
                    wait_until(partial(moved_since, last_step()), "a sign of progress")
                assert says("waiting for PostgreSQL")()
            wait_until(lambda: backlog(queue) == 0, "the event to be stored")
        wait_until(says("idle"), "the worker waits for work again")


def test_workers_that_find_no_servers_from_the_start_are_healthy(start: Start) -> None:
    start(NOWHERE)
    wait_until(says("waiting for control"), "the worker waits for its servers")


def test_a_frozen_worker_is_unhealthy_until_it_moves_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = start(NOWHERE)
    wait_until(says("waiting for control"), "the worker waits for its servers")
    worker = child_of(supervisor)
    os.kill(worker, signal.SIGSTOP)
    monkeypatch.setattr(worker_states, "STILL_SECONDS", 1.0)
    wait_until(
        says("worker-0 has made no progress for", healthy=False), "the probe sees it stand still"
    )
    monkeypatch.setattr(worker_states, "STILL_SECONDS", 60.0)
    os.kill(worker, signal.SIGCONT)
    wait_until(says("waiting for control"), "the probe sees it move")


# `activity worker` to which a few seconds without progress are long.
IMPATIENT = """
import sys
from cli.health import worker_states
from cli.main import main
worker_states.STILL_SECONDS = 1.0
sys.exit(main(["worker", "--processes", "1"]))
"""


def test_a_probe_by_http_sees_a_frozen_worker_and_one_that_moves(folder: Path) -> None:
    env = {
        "PATH": os.defpath,
        "TMPDIR": str(folder),
        "ACTIVITY_PROBE_PORT": "0",
        **NOWHERE.environment(),
    }
    argv = [sys.executable, "-c", IMPATIENT]
    with subprocess.Popen(
        argv, cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as supervisor:
        try:
            assert supervisor.stdout is not None
            url = supervisor.stdout.readline().strip().removeprefix("probes: ")

            def answers(status: int, text: str) -> bool:
                found = httpx.get(url, timeout=30, trust_env=False)
                return found.status_code == status and text in found.text

            wait_until(partial(answers, 200, "waiting for control"), "a healthy worker")
            scraped = httpx.get(url.replace("/health", "/metrics"), timeout=30, trust_env=False)
            assert 'activity_process_resident_bytes{role="worker"} ' in scraped.text
            worker = child_of(supervisor)
            os.kill(worker, signal.SIGSTOP)
            wait_until(partial(answers, 503, "has made no progress for"), "503 for it")
            os.kill(worker, signal.SIGCONT)
            wait_until(partial(answers, 200, "waiting for control"), "200 again")
            supervisor.terminate()
            assert supervisor.wait(60) == 0
        finally:
            supervisor.kill()


def test_workers_that_end_again_and_again_as_they_start_are_unhealthy(
    folder: Path, start: Start
) -> None:
    with embedded_servers(folder / "data") as servers:
        with closing(connect(servers.urls.control_url)) as control:
            set_default_user(control, "-@write")  # RQ can't register
        start(servers.urls)
        wait_until(says("worker-0 has not started yet", healthy=False), "the probe sees it start")
        never = says("", healthy=True)
        with pytest.raises(AssertionError, match="not within"):
            wait_until(never, "a worker that can't work is called healthy", seconds=5)


def test_workers_with_a_wrong_password_are_unhealthy(folder: Path, start: Start) -> None:
    """Otherwise a deployment of it would count as a success."""
    with embedded_servers(folder / "data") as servers:
        with closing(connect(servers.urls.control_url)) as control:
            set_default_user(control, "resetpass", ">right")
        start(servers.urls)
        wait_until(says("refused by control", healthy=False), "the probe sees the refusal")
        with closing(connect(f"{servers.urls.control_url}&password=right")) as control:
            set_default_user(control, "nopass")
        wait_until(says("idle"), "the worker waits for work")


def test_a_drain_moves_with_each_batch(
    settings: StorageSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain of a long backlog does not count as stuck."""
    quiet = WorkerSettings(_env_file=None, batch_events=10, linger_ms=0, gather_ms=0)
    worker = open_resources(settings, quiet)
    monkeypatch.setattr("worker.drain.resources", lambda: worker)
    said: list[str] = []
    monkeypatch.setattr("worker.drain.report", said.append)
    append(settings, make_events(40))
    assert drain(0) == "done"
    assert len(said) >= 4
    assert set(said) == {"shard 0"}
