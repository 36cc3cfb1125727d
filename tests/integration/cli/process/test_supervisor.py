"""Children are kept alive, and stopped when asked to; `up` does so in its order."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from cli.embedded import embedded_servers
from cli.embedded.lock import is_held
from cli.process.inspection import alive
from cli.process.spawn import spawn
from cli.process.supervisor import FIRST_BACKOFF, Command, Supervisor, pause_after
from storage.redis.client import connect
from testbed.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[4]
ENV = {"PATH": os.defpath}
SLEEP = ["/bin/sleep", "1000"]


def turning(supervisor: Supervisor, true: Callable[[], object]) -> Callable[[], object]:
    def turn() -> object:
        supervisor.turn()
        return true()

    return turn


@contextmanager
def reachable_folder() -> Iterator[Path]:
    # Not tmp_path: under root that is closed to the user the servers run as.
    path = Path(tempfile.mkdtemp(prefix="activity-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def used_once() -> Iterator[Path]:
    with reachable_folder() as path:
        with embedded_servers(path):
            pass
        yield path


@pytest.fixture
def folder(used_once: Path) -> Iterator[Path]:
    """Holds a data folder, `data`, that starts faster than a new one."""
    with reachable_folder() as path:
        subprocess.run(["cp", "-a", used_once, path / "data"], check=True)
        yield path
        wait_until(lambda: not is_held(path / "data" / "lock"), "a killed run is gone")


def test_a_killed_child_is_started_again_and_told_of() -> None:
    told: list[tuple[str, int]] = []
    supervisor = Supervisor(
        [Command("first", SLEEP, ENV), Command("second", SLEEP, ENV)],
        lambda role, pid: told.append((role, pid)),
    )
    supervisor.start()
    try:
        (_, first), (_, second) = told
        os.kill(first, signal.SIGKILL)
        wait_until(turning(supervisor, lambda: len(told) == 3), "a third start")
        assert told[2][0] == "first"
        assert told[2][1] != first
        assert supervisor.pids() == [told[2], ("second", second)]
        assert alive(second)
    finally:
        supervisor.stop(5)


def test_a_child_that_ends_at_once_is_started_less_and_less_often() -> None:
    starts: list[float] = []
    supervisor = Supervisor(
        [Command("brief", ["/bin/false"], ENV)], lambda *_: starts.append(time.monotonic())
    )
    supervisor.start()
    wait_until(turning(supervisor, lambda: len(starts) == 3), "a third start")
    supervisor.stop(5)
    first, second, third = starts
    assert second - first >= FIRST_BACKOFF
    assert third - second >= 2 * FIRST_BACKOFF


def test_who_goes_on_ending_is_spoken_of_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cli.process.supervisor.FIRST_BACKOFF", 0.0)
    starts: list[int] = []
    supervisor = Supervisor(
        [Command("brief", ["/bin/false"], ENV)], lambda _, pid: starts.append(pid)
    )
    wait_until(turning(supervisor, lambda: len(starts) == 9), "8 ends")
    supervisor.stop(5)
    assert [record.getMessage() for record in caplog.records] == [
        f"brief (process {starts[0]}) ended with status 1; restarted",
        f"brief (process {starts[1]}) ended with status 1, 2 times in a row; restarted",
        f"brief (process {starts[3]}) ended with status 1, 4 times in a row; restarted",
        f"brief (process {starts[7]}) ended with status 1, 8 times in a row; restarted",
    ]


def test_pauses_between_starts_have_a_bound() -> None:
    assert [pause_after(ends) for ends in (1, 2, 3, 6, 10**6)] == [0.2, 0.4, 0.8, 5.0, 5.0]


def test_workers_without_servers_say_so_once_and_work_when_there_are(folder: Path) -> None:
    data = folder / "data"
    with embedded_servers(data) as servers:
        urls = servers.urls
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "worker", "--processes", "1"],
        cwd=CHECKOUT,
        env={**ENV, **urls.environment()},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        while not any("waiting for control (ACTIVITY_CONTROL_URL)" in line for line in said):
            said.append(process.stderr.readline())
        with embedded_servers(data), closing(connect(urls.control_url)) as control:
            wait_until(lambda: control.scard("rq:workers"), "the worker to work")
            process.terminate()
            said += process.communicate(timeout=60)[1].splitlines()
    finally:
        process.kill()
        process.wait()
    assert sum("nothing answers at ACTIVITY_CONTROL_URL" in line for line in said) == 1
    assert not [line for line in said if "--data-dir" in line]  # it was told an address
    assert not [line for line in said if "ended with" in line]
    assert process.returncode == 0


def test_what_cannot_be_started_now_is_tried_again() -> None:
    class Unlucky:
        role = "unlucky"
        tries = 0

        def spawn(self) -> subprocess.Popen[bytes]:
            self.tries += 1
            if self.tries == 1:
                raise BlockingIOError("no more processes")
            return spawn(SLEEP, ENV)

    supervisor = Supervisor([Unlucky()])
    supervisor.start()
    assert supervisor.pids() == []
    wait_until(turning(supervisor, supervisor.pids), "a second try")
    supervisor.stop(5)


def test_stop_ends_all_and_kills_those_who_will_not(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ready = folder / "ready"
    deaf = f"trap '' TERM; touch {ready}; while :; do sleep 0.05; done"
    supervisor = Supervisor(
        [Command("good", SLEEP, ENV), Command("deaf", ["/bin/sh", "-c", deaf], ENV)]
    )
    supervisor.start()
    pids = dict(supervisor.pids())
    wait_until(ready.exists, "the child ignores SIGTERM")
    supervisor.stop(0.5)
    assert not any(map(alive, pids.values()))
    assert f"process {pids['deaf']} did not stop within 0.5 s and was killed" in caplog.text
    assert supervisor.pids() == []


def test_children_die_with_a_killed_parent_and_not_with_its_terminal(folder: Path) -> None:
    script = """
        import os, signal, sys
        from cli.process.supervisor import Command, Supervisor
        supervisor = Supervisor([Command("child", ["/bin/sleep", "1000"], {})] * 2)
        supervisor.start()
        print(*[pid for _, pid in supervisor.pids()], flush=True)
        signal.pause()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert [os.getsid(pid) for pid in pids] == pids
        parent.kill()
        wait_until(lambda: not any(map(alive, pids)), "the children are gone")


def test_a_start_off_the_main_thread_is_refused() -> None:
    refused: list[RuntimeError] = []

    def start() -> None:
        try:
            spawn(SLEEP, ENV)
        except RuntimeError as error:
            refused.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(refused)


# `activity up` with stand-ins for what is not this package's: API, workers, tables, threads.
UP = """
    import contextlib, json, sys
    import cli.process.readiness
    from cli.commands import up
    from cli.main import main
    from cli.process.supervisor import Command

    given = json.loads(sys.argv.pop())
    diary = given["diary"]

    def apis(count, fd, host, urls, pass_fds):
        argv = [sys.executable, "-c", given["api"], diary, str(fd), given["status"]]
        return [Command("api", argv, urls.environment(), (fd, *pass_fds))] * count

    def workers(count, urls, pass_fds, liveness):
        argv = [sys.executable, "-c", given["worker"], diary]
        return [Command("worker", argv, urls.environment(), pass_fds)] * count

    @contextlib.contextmanager
    def background(urls):
        try:
            yield
        finally:
            open(diary, "a").write("background stops\\n")

    up.api_processes, up.worker_processes, up.background = apis, workers, background
    up._migrate = lambda servers: None
    cli.process.readiness.wait_until_ready.__defaults__ = (given["seconds"],)
    sys.exit(main(sys.argv[1:]))
"""

API = """
    import signal, socket, sys
    from http.server import BaseHTTPRequestHandler, HTTPServer

    def stop(*_):
        open(sys.argv[1], "a").write("api stops\\n")
        sys.exit()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(sys.argv[3]))
            self.end_headers()
            self.wfile.write(b"stand-in")

        def log_message(self, *_):
            pass

    signal.signal(signal.SIGTERM, stop)
    server = HTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(sys.argv[2]))
    server.serve_forever()
"""

WORKER = """
    import os, signal, socket, sys

    def stop(*_):
        queue = socket.socket(socket.AF_UNIX)
        queue.connect(os.environ["ACTIVITY_QUEUE_URL"].removeprefix("unix://").partition("?")[0])
        queue.sendall(b"PING\\r\\n")
        said = queue.recv(9).decode().strip()
        open(sys.argv[1], "a").write(f"worker stops, queue says {said}\\n")
        sys.exit()

    signal.signal(signal.SIGTERM, stop)
    while True:
        signal.pause()
"""


class Up:
    """A running stand-in `up` and what it leaves behind."""

    def __init__(self, folder: Path, status: int = 200, *options: str) -> None:
        self.data_dir, self.diary = folder / "data", folder / "diary"
        arguments = ["up", "--port", "0", "--data-dir", str(self.data_dir), *options]
        given = {
            "api": textwrap.dedent(API),
            "worker": textwrap.dedent(WORKER),
            "diary": str(self.diary),
            "status": str(status),
            "seconds": 30 if status == 200 else 0.5,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(UP), *arguments, json.dumps(given)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def first_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def processes(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for process in json.loads(activity("status", "--json", self.data_dir).stdout)["processes"]:
            found.setdefault(process["role"], []).append(process["pid"])
        return found

    def end(self) -> str:
        """Wait for the end; gives what was written to stderr."""
        return self.process.communicate(timeout=60)[1]


def activity(*arguments: object) -> subprocess.CompletedProcess[str]:
    *words, data_dir = map(str, arguments)
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words, "--data-dir", data_dir],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def ups() -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*arguments: object) -> Up:
        started.append(Up(*arguments))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for up in started:
        up.process.kill()
        up.process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_up_says_when_it_is_ready_and_stops_in_its_order(
    folder: Path, ups: Callable[..., Up], how: signal.Signals
) -> None:
    up = ups(folder, 200, "--api-processes", "2", "--workers", "1")
    assert up.first_line().startswith("ready: http://127.0.0.1:")
    processes = up.processes()
    assert {role: len(pids) for role, pids in processes.items()} == {
        "supervisor": 1,
        "postgres": 1,
        "queue": 1,
        "control": 1,
        "worker": 1,
        "api": 2,
    }
    assert processes["supervisor"] == [up.process.pid]
    assert (up.data_dir / "state.json").stat().st_mode & 0o777 == 0o600
    up.process.send_signal(how)
    up.process.send_signal(how)
    out, err = up.process.communicate(timeout=60)
    assert (out, err) == (f"stopped; the data is in {up.data_dir}\n", "")
    assert up.process.returncode == 0
    assert up.diary.read_text().splitlines() == [
        "api stops",
        "api stops",
        "worker stops, queue says +PONG",
        "background stops",
    ]
    assert not any(alive(pid) for pids in processes.values() for pid in pids)
    gone = activity("status", up.data_dir)
    assert gone.returncode == 1
    assert gone.stderr.startswith(f"activity: error: nothing runs on the data folder {up.data_dir}")


def test_up_starts_again_whatever_is_killed(folder: Path, ups: Callable[..., Up]) -> None:
    up = ups(folder, 200, "--workers", "1")
    assert up.first_line().startswith("ready:")
    killed = []

    def runs_anew(role: str, old: list[int]) -> bool:
        return up.processes().get(role) not in (None, old)

    for role in ("postgres", "queue", "control", "api", "worker"):
        before = up.processes()
        os.kill(before[role][0], signal.SIGKILL)
        killed.append(f"{role} (process {before[role][0]}) ended with SIGKILL; restarted")
        wait_until(
            partial(runs_anew, role, before[role]),
            f"{role} runs again",
        )
        after = up.processes()
        del before[role], after[role]
        assert after == before
    up.process.terminate()
    said = up.end()
    assert [line for line in killed if line not in said] == []
    assert up.process.returncode == 0


def test_after_a_kill_9_of_up_the_next_one_takes_the_same_folder_and_port(
    folder: Path, ups: Callable[..., Up]
) -> None:
    first = ups(folder)
    port = first.first_line().rpartition(":")[2]
    processes = first.processes()
    first.process.kill()
    second = ups(folder, 200, "--port", port)
    assert second.first_line() == f"ready: http://127.0.0.1:{port}"
    assert not any(alive(pid) for pids in processes.values() for pid in pids)


def test_up_on_a_port_in_use_says_so_and_starts_nothing(
    folder: Path, ups: Callable[..., Up]
) -> None:
    first = ups(folder)
    port = first.first_line().rpartition(":")[2]
    (folder / "other").mkdir(mode=0o755)
    second = ups(folder / "other", 200, "--port", port)
    assert second.end() == (
        f"activity: error: port {port} on 127.0.0.1 is in use; choose another with --port\n"
    )
    assert second.process.returncode == 1
    assert not (second.data_dir / "postgres").exists()


def test_up_that_does_not_become_ready_says_what_it_waited_for_and_stops(
    folder: Path, ups: Callable[..., Up]
) -> None:
    up = ups(folder, 503)
    said = up.end()
    assert up.process.returncode == 1
    assert "activity: error: GET /health/ready did not answer 200 within 0.5 s" in said
    assert "last answer: 503 stand-in" in said
    assert "ready to accept connections" in said
    assert "worker stops" in up.diary.read_text()


def test_up_can_be_stopped_while_it_waits_for_another_run(
    folder: Path, ups: Callable[..., Up]
) -> None:
    first = ups(folder)
    first.first_line()
    second = ups(folder)
    assert second.process.stderr is not None
    assert f"in use by process {first.process.pid}" in second.process.stderr.readline()
    second.process.send_signal(signal.SIGINT)
    said = second.end()
    assert second.process.returncode == 1
    assert "not started: interrupted while waiting" in said
    assert alive(first.process.pid)
