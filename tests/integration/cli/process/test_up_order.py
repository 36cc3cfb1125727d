"""`activity up` starts, restarts and stops its children in its order.

Stand-ins take the place of what is not this package's: API, workers, tables, threads.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cli.process.inspection import alive
from testbed.waiting import wait_until
from tests.support import data_folders
from tests.support.data_folders import CHECKOUT

folder = data_folders.folder
used_once = data_folders.used_once

UP = """
    import contextlib, json, sys
    import cli.process.readiness
    from cli.commands import up
    from cli.main import main
    from cli.process.supervisor import Command

    given = json.loads(sys.argv.pop())
    diary = given["diary"]

    def apis(count, fd, host, urls, pass_fds, tls):
        argv = [sys.executable, "-c", given["api"], diary, str(fd), given["status"]]
        return [Command("api", argv, urls.environment(), (fd, *pass_fds))] * count

    def workers(count, urls, pass_fds):
        argv = [sys.executable, "-c", given["worker"], diary]
        return [Command("worker", argv, urls.environment(), pass_fds)] * count

    @contextlib.contextmanager
    def background(urls):
        try:
            yield
        finally:
            open(diary, "a").write("background stops\\n")

    up.api_processes, up.worker_processes, up.background = apis, workers, background
    up._migrate = lambda *_: None
    cli.process.readiness.wait_until_ready.__defaults__ = (given["seconds"], None)
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
