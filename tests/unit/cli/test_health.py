"""`activity health`: a cheap check that tells the truth about one process."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cli.commands import health
from cli.embedded.layout import Layout
from cli.entry import main
from cli.health import probe_settings
from cli.health.supervisor_folder import SLOTS, supervisor_folder, user_folder
from cli.health.worker_states import STILL_SECONDS, supervises
from cli.settings import CliSettings
from storage.metrics.slot import STARTING, Slot
from storage.metrics.slot_file import SlotFile
from worker.activities import IDLE

CHECKOUT = Path(__file__).resolve().parents[3]
MODULES = 220  # that a probe imports: it starts the faster, the fewer
QUEUE_DOWN = {
    "status": "unavailable",
    "dependencies": {
        "queue": {"state": "down", "detail": "the queue does not answer"},
        "control": {"state": "up", "detail": None},
    },
}


@pytest.fixture(autouse=True)
def _a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in CliSettings.model_fields:
        monkeypatch.delenv(f"ACTIVITY_{name.upper()}", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    probe_settings._variables.cache_clear()
    yield
    probe_settings._variables.cache_clear()


class StubApi:
    """Answers every GET alike, and remembers the paths."""

    def __init__(self, status: int, body: bytes) -> None:
        self.paths: list[str] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stub.paths.append(self.path)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def stub_api() -> Iterator[Callable[..., StubApi]]:
    stubs: list[StubApi] = []

    def start(status: int = 200, body: bytes = b"{}") -> StubApi:
        stubs.append(StubApi(status, body))
        return stubs[-1]

    yield start
    for stub in stubs:
        stub.close()


@pytest.mark.parametrize("what", ["api", "worker", "query"])
def test_a_probe_waits_for_no_import_but_the_standard_librarys(what: str, tmp_path: Path) -> None:
    """Everything else takes more than a second, and a probe runs every few seconds."""
    script = """
import sys
from cli.entry import main
main([sys.argv[1], sys.argv[2], "--json"])
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
print(*[name for name, file in files.items() if "site-packages" in file])
print(len(files))
"""
    told = subprocess.run(
        [sys.executable, "-S", "-c", script, "health", what],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "ACTIVITY_PORT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    verdict, foreign, modules = told.stdout.splitlines()
    assert json.loads(verdict)["healthy"] is False
    assert foreign == ""
    assert int(modules) < MODULES


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["api"], "/health/ready"),
        (["api", "--live"], "/health"),
        (["query"], "/health/ready?for=query"),
    ],
)
def test_an_api_that_answers_is_healthy(
    arguments: list[str],
    path: str,
    stub_api: Callable[..., StubApi],
    capsys: pytest.CaptureFixture[str],
) -> None:
    stub = stub_api()
    assert main(["health", *arguments, "--port", str(stub.port)]) == 0
    assert stub.paths == [path]
    assert capsys.readouterr().out == f"{arguments[0]}: GET {path} answers 200\n"


def test_an_api_that_cannot_accept_says_which_server_is_down_in_one_line(
    stub_api: Callable[..., StubApi], capsys: pytest.CaptureFixture[str]
) -> None:
    stub = stub_api(503, json.dumps(QUEUE_DOWN, indent=1).encode())
    assert main(["health", "api", "--port", str(stub.port), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "what": "api",
        "healthy": False,
        "detail": f"GET /health/ready on 127.0.0.1 port {stub.port}: 503, "
        "queue: the queue does not answer",
    }


@pytest.mark.parametrize("body", [b"a\n" * 999, b"[]", b'{"dependencies": 1}', b"\xff\0"])
def test_an_answer_of_something_else_is_shown_in_one_line(
    body: bytes, stub_api: Callable[..., StubApi], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", "query", "--port", str(stub_api(500, body).port)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "500" in line
    assert len(line) < 500


def test_the_address_is_the_one_the_api_is_told(
    stub_api: Callable[..., StubApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_file, in_environment, of_run = stub_api(), stub_api(), stub_api()
    (tmp_path / ".env").write_text(f"ACTIVITY_HOST=0.0.0.0\nactivity_port='{in_file.port}'\n")
    assert main(["health", "api"]) == 0
    probe_settings._variables.cache_clear()
    monkeypatch.setenv("ACTIVITY_PORT", str(in_environment.port))
    assert main(["health", "api"]) == 0
    state = {"url": f"http://127.0.0.1:{of_run.port}", "processes": []}
    Layout(tmp_path).state.write_text(json.dumps(state))
    assert main(["health", "api", "--data-dir", str(tmp_path)]) == 0
    assert [len(stub.paths) for stub in (in_file, in_environment, of_run)] == [1, 1, 1]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_api_on_every_address_is_found_also_without_ipv6(
    host: str, stub_api: Callable[..., StubApi]
) -> None:
    assert main(["health", "api", "--host", host, "--port", str(stub_api().port)]) == 0


@pytest.mark.parametrize("what", ["api", "worker"])
def test_a_folder_on_which_nothing_runs_is_unhealthy(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", what, "--data-dir", str(tmp_path)]) == 1
    assert "nothing runs on the data folder" in capsys.readouterr().out


def test_an_address_that_is_none_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "api", "--port", "http"]) == 2
    assert "--port (ACTIVITY_PORT)" in capsys.readouterr().err
    assert main(["health", "everything"]) == 2
    assert "known: api, query, worker" in capsys.readouterr().err


def test_the_help_of_activity_lists_the_probe(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert health.HELP.split(":")[0] in " ".join(capsys.readouterr().out.split())


@contextmanager
def worker_slots(workers: int, wanted: int | None = None) -> Iterator[list[Slot]]:
    """Give the slots of a supervisor's workers, which a probe finds while the block runs."""
    with supervisor_folder() as folder:
        assert folder is not None
        file = SlotFile.create(1 + workers, folder / SLOTS)
        supervisor, *slots = [file.slot(number) for number in range(1 + workers)]
        supervisor.occupy("supervisor")
        supervisor.report(supervises(workers if wanted is None else wanted))
        for each in slots:
            each.hand_out("worker")
        yield slots
        file.close()


def test_workers_that_idle_wait_or_store_are_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    with worker_slots(3) as slots:
        for one, activity in zip(slots, (IDLE, "waiting for control", "shard 2"), strict=True):
            one.report(activity)
        assert main(["health", "worker"]) == 0
    assert capsys.readouterr().out == (
        f"worker: healthy, 3 workers of user {os.geteuid()} on this machine: idle, waiting for "
        "control, shard 2\n"
    )


def test_no_workers_are_unhealthy_also_after_a_supervisor_was_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["health", "worker"]) == 1
    with worker_slots(1) as slots:
        slots[0].report(IDLE)
    assert main(["health", "worker"]) == 1
    dead = user_folder() / "4194304"
    dead.mkdir()
    (dead / SLOTS).symlink_to("/proc/4194304/fd/3")
    assert main(["health", "worker"]) == 1
    assert len(set(capsys.readouterr().out.splitlines())) == 1
    with supervisor_folder():
        assert not dead.exists()


def test_a_worker_that_never_gets_to_work_is_unhealthy(capsys: pytest.CaptureFixture[str]) -> None:
    with worker_slots(2) as slots:
        slots[0].report(IDLE)
        slots[1].report(STARTING)
        assert main(["health", "worker"]) == 1
    assert capsys.readouterr().out == "worker: worker-1 has not started yet\n"


def test_a_worker_that_can_not_be_started_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    """Its slot is free, as if it had never been."""
    with worker_slots(2) as slots:
        slots[0].report(IDLE)
        slots[1].vacate()
        assert main(["health", "worker"]) == 1
    assert capsys.readouterr().out == "worker: 1 of 2 workers do not run\n"


def test_a_supervisor_that_is_about_to_start_its_workers_is_unhealthy() -> None:
    with worker_slots(0, wanted=2):
        assert main(["health", "worker"]) == 1


def test_a_worker_that_moves_no_more_is_unhealthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def long_ago() -> int:
        return int((time.monotonic() - STILL_SECONDS - 1) * 1e9)

    with worker_slots(1) as slots:
        with monkeypatch.context() as past:
            past.setattr("storage.metrics.slot.time.monotonic_ns", long_ago)
            slots[0].report("shard 3")
        assert main(["health", "worker"]) == 1
    said = capsys.readouterr().out
    assert re.fullmatch(r"worker: worker-0 has made no progress for 2 min \d s \(shard 3\)\n", said)


@pytest.mark.parametrize("content", [b"", b"[]", bytes(100_000)])
def test_a_file_that_says_nothing_is_no_sign_of_life(
    content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with supervisor_folder() as folder:
        assert folder is not None
        (folder / SLOTS).write_bytes(content)
        assert main(["health", "worker"]) == 1
    assert "slot file" in capsys.readouterr().out


def test_a_folder_that_others_may_write_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    user_folder().mkdir()
    user_folder().chmod(0o777)
    with supervisor_folder() as folder:
        assert folder is None
        assert main(["health", "worker"]) == 1
    user_folder().rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    user_folder().symlink_to(tmp_path / "elsewhere")
    with supervisor_folder() as folder:
        assert folder is None
    assert "not a folder of this user alone" in caplog.text
    assert "not a folder of this user alone" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["query", "worker"])
def test_live_is_refused_where_it_would_check_something_else(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", what, "--live"]) == 2
    assert "--live is for api" in capsys.readouterr().err


def test_health_of_nothing_names_what_can_be_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health"]) == 2
    assert "required: api|query|worker" in capsys.readouterr().err
