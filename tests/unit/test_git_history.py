"""Test `examples/git_history.py`: its options, and how it posts the events of a repository.

The service is a small `http.server` that answers what a test says.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import event_poster
import git_history
from event_poster import Client
from git_events import Event
from tests.support import git_repository
from tests.support.git_repository import GitRepository

repository = git_repository.repository


@contextmanager
def service(answers: dict[str, list[int]], problem: Event) -> Iterator[tuple[str, list[Event]]]:
    """Answer posts with the given statuses for each subject, in turn; then with 202."""
    accepted: list[Event] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(200, {"status": "healthy"})

        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                planned = answers.get(event["message"])
                status = planned.pop(0) if planned else 202
                if status == 202:
                    accepted.append(event)
            if status == 0:
                self.close_connection = True
                return
            self.answer(status, event if status == 202 else problem)

        def answer(self, status: int, body: Event) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status == 503:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", accepted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_all_commits_are_posted_and_a_summary_tells_so(
    repository: GitRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes = {repository.commit(f"commit {number}") for number in range(30)}
    # 503: a full backlog; 0: the connection breaks before an answer.
    answers = {"commit 3": [503, 503], "commit 7": [0], "commit 9": [0, 503]}
    with service(answers, {"detail": "full"}) as (url, accepted):
        assert git_history.main([str(repository.path), "--url", url]) == 0
    assert {event["data"]["hash"] for event in accepted} == hashes
    assert len(accepted) == 30
    assert {event["environment"] for event in accepted} == {"main"}
    assert re.fullmatch(
        r"posted 30 events of 30 commits in \d+\.\d s \(\d+/s\)\n", capsys.readouterr().out
    )


def test_a_refused_event_ends_in_exit_1_with_the_first_problem(
    repository: GitRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        repository.commit(f"commit {number}")
    problem = {"title": "Invalid", "detail": "message: too odd"}
    with service({"commit 1": [422]}, problem) as (url, accepted):
        arguments = [str(repository.path), "--url", url, "--environment", "ci"]
        assert git_history.main(arguments) == 1
    output = capsys.readouterr()
    assert output.out.startswith("posted 2 events of 3 commits")
    assert "1 refused; the first: commit " in output.err
    assert "422: message: too odd" in output.err
    assert {event["environment"] for event in accepted} == {"ci"}


def test_a_service_that_accepts_nothing_for_too_long_ends_the_run(
    repository: GitRepository,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository.commit("unlucky")
    monkeypatch.setattr(event_poster, "RETRY_SECONDS", 0.05)
    with service({"unlucky": [503] * 100_000}, {"detail": "the backlog is full"}) as (url, _):
        assert git_history.main([str(repository.path), "--url", url]) == 1
    error = capsys.readouterr().err
    assert error.startswith("git_history: nothing was accepted for ")
    assert error.endswith("503: the backlog is full\n")


def test_a_missing_key_ends_the_run_at_once_and_a_key_is_sent(
    repository: GitRepository,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository.commit("start")
    with service({"start": [401] * 100}, {"detail": "a key is needed"}) as (url, accepted):
        assert git_history.main([str(repository.path), "--url", url]) == 1
        assert accepted == []
    assert capsys.readouterr().err == (
        "git_history: ACTIVITY_KEY must have a key with the scope `write`; 401: a key is needed\n"
    )
    monkeypatch.setenv("ACTIVITY_KEY", "act_secret")
    assert Client(urlsplit(url)).headers["Authorization"] == "Bearer act_secret"


def test_one_line_says_when_nobody_is_there(
    repository: GitRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit("start")
    with service({}, {}) as (url, _):
        pass
    assert git_history.main([str(repository.path), "--url", url]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        f"git_history: no Activity Service at {url}; no answer: Connection refused. Another is "
        "named with --url or ACTIVITY_URL\n"
    )


def test_the_address_is_an_option_or_else_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def url(*arguments: str) -> str:
        return str(git_history.parse_arguments(list(arguments)).url.geturl())

    monkeypatch.delenv("ACTIVITY_URL", raising=False)
    assert url() == "http://127.0.0.1:5000"
    monkeypatch.setenv("ACTIVITY_URL", "http://there:1")
    assert url() == "http://there:1"
    assert url("--url", "http://here:2") == "http://here:2"
    monkeypatch.setenv("ACTIVITY_URL", "nowhere")
    with pytest.raises(SystemExit):
        url()
    assert "'nowhere' is not an http:// or https:// address" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["nowhere", "no repository", "no commits"])
def test_one_line_says_when_there_is_no_history(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "repository"
    if kind == "no repository":
        path.mkdir()
    if kind == "no commits":
        GitRepository(path)
    assert git_history.main([str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("git_history: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "ftp://x"],
        ["--url", "127.0.0.1:5000"],
        ["--concurrency", "0"],
        ["--environment", " "],
    ],
)
def test_a_wrong_option_is_refused_with_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        git_history.main(arguments)
    assert end.value.code == 2
