"""Children of the supervisor are kept alive, and stopped when asked to."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cli.embedded import embedded_servers
from cli.process.inspection import alive
from cli.process.spawn import spawn
from cli.process.supervisor import FIRST_BACKOFF, Command, Supervisor, pause_after
from storage.redis.client import connect
from testbed.programs import running_program
from testbed.waiting import wait_until
from tests.support import data_folders
from tests.support.data_folders import CHECKOUT

folder = data_folders.folder
used_once = data_folders.used_once
ENV = {"PATH": os.defpath}
SLEEP = ["/bin/sleep", "1000"]


def turning(supervisor: Supervisor, true: Callable[[], object]) -> Callable[[], object]:
    def turn() -> object:
        supervisor.turn()
        return true()

    return turn


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
    with running_program(
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
