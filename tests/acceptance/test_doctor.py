"""`activity doctor` beside a running `activity up`: healthy, with a server frozen, killed."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.doctor.catalogue import CHECKS
from cli.embedded.lock import is_held
from testbed.servers import data_folder
from testbed.waiting import wait_until
from tests.support.freezing import all_frozen, frozen

ROOT = Path(__file__).parents[2]
ACTIVITY = [sys.executable, "-m", "cli.main"]
BOUND_SECONDS = 300  # of the command; it gives a server a tenth of that
OF_THIS_MACHINE = {"queue-disk", "database-disk", "queue-overcommit", "clocks"}
SERVER_CHECKS = {
    "queue": {"queue-aof", "queue-fsync", "queue-paused", "servers-apart", "clocks", "balance"},
    "control": {"control-eviction", "workers", "servers-apart", "clocks"},
    "database": {"database-migration", "dead-letters", "balance", "clocks"},
}


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ACTIVITY_")}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Run the service on this data folder."""
    with data_folder() as data:
        process = subprocess.Popen(
            [*ACTIVITY, "up", "--port", "0", "--data-dir", str(data)],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready: http://")
            wait_until(lambda: healthy(data), "the workers to be registered", 120)
            yield data
        finally:
            process.terminate()
            process.communicate()
            wait_until(lambda: not is_held(data / "lock"), "the last process to be gone")


def doctor(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ACTIVITY, "doctor", *options],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
    )


def report(folder: Path, exit_status: int) -> dict[str, Any]:
    ended = doctor("--json", "--data-dir", str(folder))
    assert ended.returncode == exit_status, ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["verdict"] for each in found["checks"]}


def healthy(folder: Path) -> bool:
    ended = doctor("--json", "--data-dir", str(folder))
    return ended.returncode == 0


def test_a_healthy_run_has_no_fault_and_no_warning(folder: Path) -> None:
    found = report(folder, 0)
    others = {name: verdict for name, verdict in verdicts(found).items() if verdict != "ok"}
    assert set(others) <= OF_THIS_MACHINE, found


def test_the_report_as_json_has_every_check_in_a_fixed_form(folder: Path) -> None:
    found = report(folder, 0)
    assert list(found) == ["verdict", "version", "counts", "checks"]
    assert list(found["counts"]) == ["fault", "warning", "unknown", "ok"]
    assert sum(found["counts"].values()) == len(CHECKS)
    assert [each["name"] for each in found["checks"]] == [each.name for each in CHECKS]
    for each in found["checks"]:
        assert list(each) == ["name", "verdict", "text", "remedy"]
        assert each["text"]
        assert (each["remedy"] is None) <= (each["verdict"] in ("ok", "unknown"))


def test_the_report_for_people_begins_with_the_numbers(folder: Path) -> None:
    ended = doctor("--data-dir", str(folder))
    summary, blank, *lines = ended.stdout.splitlines()
    assert re.fullmatch(r"0 faults, \d warnings?, \d unknown, \d+ ok", summary)
    assert blank == ""
    assert "ok       queue-aof: the queue has appendonly yes" in lines
    assert any("the queue and this configuration have 4 shards" in line for line in lines)


def pid_of(folder: Path, role: str) -> int:
    name = "postgres" if role == "database" else role
    state = json.loads((folder / "state.json").read_text())
    return next(int(each["pid"]) for each in state["processes"] if each["role"] == name)


@pytest.mark.parametrize("role", ["queue", "control", "database"])
def test_a_server_that_stands_still_is_a_fault_and_the_others_are_examined(
    folder: Path, role: str
) -> None:
    with frozen(pid_of(folder, role)):
        found = report(folder, 1)
    said = verdicts(found)
    assert said[f"{role}-answers"] == "fault"
    assert {name for name in SERVER_CHECKS[role] if said[name] != "unknown"} == set()
    for other in {"queue", "control", "database"} - {role}:
        assert said[f"{other}-answers"] == "ok"
    (away,) = (each for each in found["checks"] if each["name"] == f"{role}-answers")
    assert ".log; if it says nothing" in away["remedy"]
    wait_until(lambda: healthy(folder), "the run to be well again", 120)


@contextmanager
def other_settings(folder: Path, **settings: str) -> Iterator[Path]:
    """Give a folder with a `.env` whose settings are those of another installation."""
    file = folder.parent / ".env"
    file.write_text("".join(f"ACTIVITY_{name.upper()}={text}\n" for name, text in settings.items()))
    try:
        yield file.parent
    finally:
        file.unlink()


def test_another_configuration_than_that_of_the_run_is_a_fault(folder: Path) -> None:
    with other_settings(folder, shards="8", database_pool="100") as where:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "cli.main", "doctor", "--json", "--data-dir", str(folder)],
            cwd=where,
            env={**environment(), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=BOUND_SECONDS,
        )
    assert ended.returncode == 1
    found = verdicts(json.loads(ended.stdout))
    assert found["queue-shards"] == "fault"
    assert found["database-connections"] == "fault"


def test_a_folder_on_which_nothing_runs_is_an_error(tmp_path: Path) -> None:
    ended = doctor("--json", "--data-dir", str(tmp_path))
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["error"]["type"] == "NothingRuns"


def test_servers_that_do_not_run_are_faults_with_advice() -> None:
    urls = {
        "ACTIVITY_QUEUE_URL": "redis://user:pass-of-queue@127.0.0.1:1/0",
        "ACTIVITY_DATABASE_URL": "postgresql://user:pass-of-database@127.0.0.1:1/a",
    }
    ended = subprocess.run(
        [*ACTIVITY, "doctor"],
        cwd=ROOT,
        env={**environment(), **urls, "ACTIVITY_CONTROL_URL": "redis://127.0.0.1:1/1"},
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
    )
    assert ended.returncode == 1
    assert ended.stdout.startswith("3 faults, 0 warnings, ")
    assert "start the server, or correct ACTIVITY_QUEUE_URL" in ended.stdout
    assert "pass-of" not in ended.stdout + ended.stderr


def test_a_killed_server_is_a_fault_until_it_is_back(folder: Path) -> None:
    pid = pid_of(folder, "queue")
    with all_frozen([pid_of(folder, "supervisor")]):  # which would start another at once
        os.kill(pid, signal.SIGKILL)
        said = verdicts(report(folder, 1))
    assert said["queue-answers"] == "fault"
    assert said["control-answers"] == said["database-answers"] == "ok"
    wait_until(lambda: healthy(folder), "the run to be well again", 120)
