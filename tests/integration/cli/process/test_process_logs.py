"""The logs of a run's own processes, in its data folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.embedded import log_file
from cli.embedded.layout import Layout
from cli.process.log_files import process_logs
from cli.process.supervisor import Command, Supervisor
from testbed.servers import data_folder
from testbed.waiting import wait_until

SMALL = 4096
TALKATIVE = """
import itertools, logging, sys, time
from storage.process_logs import start_process_logs
start_process_logs("worker", int(sys.argv[sys.argv.index("--log-fd") + 1]))
for number in itertools.count():
    logging.getLogger("x").warning("%d %s", number, "x" * 50)
    time.sleep(0.001)
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "log").mkdir()
    return Layout(tmp_path)


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def talkative() -> Command:
    argv = [sys.executable, "-c", TALKATIVE]
    return Command("worker", argv, {**os.environ, "ACTIVITY_LOG": "json"})


@pytest.fixture
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Keep what the processes say besides out of the output of the tests."""
    yield
    capfd.readouterr()


@pytest.mark.usefixtures("quiet")
def test_several_processes_log_to_a_file_that_stays_small_and_kill_9_harms_none(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "MAX_BYTES", SMALL)
    log, older = layout.log("worker"), layout.log("worker").with_suffix(".log.1")

    def has_record_of(pid: int) -> bool:
        return f'"pid":{pid},' in log.read_text()

    with process_logs(layout) as logs:
        supervisor = Supervisor(logs.of("worker", [talkative()] * 2))
        supervisor.start()
        try:
            for turn in range(6):
                supervisor.turn()
                wait_until(lambda: log.stat().st_size > SMALL, "a large log")
                logs.rotate()
                assert older.stat().st_size <= 16 * SMALL, "with what was written meanwhile"
                records(older.read_text().partition("\n")[2])  # it may begin within a line
                if turn == 2:
                    os.kill(supervisor.pids()[0][1], signal.SIGKILL)
            for _, pid in supervisor.pids():
                wait_until(partial(has_record_of, pid), "a record of each")
        finally:
            supervisor.stop(30)
    assert records(log.read_text())
    assert sorted(path.name for path in log.parent.iterdir()) == [
        "api.log", "supervisor.log", "worker.log", "worker.log.1",
    ]  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in log.parent.iterdir()} == {0o600}


@pytest.mark.usefixtures("quiet")
def test_a_log_that_is_a_link_is_not_written_and_the_run_goes_on(
    layout: Layout, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "precious").write_text("precious")
    layout.log("worker").symlink_to(tmp_path / "precious")
    with process_logs(layout) as logs:
        [program] = logs.of("worker", [talkative()])
        assert "--log-fd" not in program.argv
        assert "--log-fd" in logs.of("api", [talkative()])[0].argv
        logs.rotate()
    assert (tmp_path / "precious").read_text() == "precious"
    assert "the log of worker goes to standard error only" in caplog.text


def test_up_logs_its_processes_to_files_too() -> None:
    """Kill a worker and an API process: the supervisor says so, and their successors go on."""
    with data_folder() as folder:
        command = [
            sys.executable,
            "-m",
            "cli.entry",
            "up",
            "--port",
            "0",
            "--data-dir",
            str(folder),
        ]
        env = {name: os.environ[name] for name in os.environ if not name.startswith("ACTIVITY_")}
        env |= {"ACTIVITY_LOG": "json", "ACTIVITY_LOG_LEVEL": "info"}
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("ready: ")
            logs = {role: Layout(folder).log(role) for role in ("api", "worker", "supervisor")}

            def pids(role: str) -> set[int]:
                return {each["pid"] for each in records(logs[role].read_text())}

            started = {role: pids(role) for role in ("api", "worker")}
            assert len(started["api"]) == 1
            assert len(started["worker"]) == 2
            for role, found in started.items():
                os.kill(min(found), signal.SIGKILL)
                wait_until(lambda r=role, f=found: pids(r) - f, "a successor")  # type: ignore[misc]
            wait_until(lambda: pids("supervisor"), "the supervisor's record")
            said = logs["supervisor"].read_text()
            assert "ended with SIGKILL; restarted" in said
        finally:
            process.terminate()
            stderr = process.communicate(timeout=60)[1]
        assert process.returncode == 0
        assert all(line in stderr for line in said.splitlines()), "and to stderr"
        assert {each["role"] for each in records(stderr)} == {"api", "worker", "supervisor"}
