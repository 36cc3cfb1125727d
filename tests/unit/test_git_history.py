"""Test `examples/git_history.py`: the events it makes of a repository, and how it posts them.

Real git makes the repositories. For tests of posting, the service is a small `http.server` that
answers what a test says.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "git_history.py"
Event = dict[str, Any]


def load_example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("git_history_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


git_history = load_example()


class GitRepository:
    """A repository in its own folder, independent of the user's git configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, author: str = "Ada", email: str = "ada@example.com") -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": author,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_AUTHOR_DATE": "2024-02-29T12:00:00+02:00",
            "GIT_COMMITTER_NAME": "Grace",
            "GIT_COMMITTER_EMAIL": "grace@example.com",
            "GIT_COMMITTER_DATE": "2024-03-01T08:30:00-05:30",
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment, check=True, capture_output=True
        )
        return done.stdout.decode("utf-8", "replace").strip()

    def write(self, name: str, content: str | bytes) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str, **author: str) -> str:
        self.git("add", "--all")
        self.write(".git/message", message)
        allow = ("--allow-empty", "--allow-empty-message")
        self.git("commit", "-q", *allow, "-F", ".git/message", **author)
        return self.git("rev-parse", "HEAD")

    def commit_bytes(
        self, message: bytes, *headers: bytes, date: bytes = b"1709200800 +0100"
    ) -> None:
        """Return a commit object with bytes that `git commit` would not write."""
        tree, parent = self.git("rev-parse", "HEAD^{tree}"), self.git("rev-parse", "HEAD")
        lines = [
            b"tree " + tree.encode(),
            b"parent " + parent.encode(),
            b"author J\xf6rg <joerg@example.com> " + date,
            b"committer J\xf6rg <joerg@example.com> " + date,
            *headers,
        ]
        self.write(".git/odd-commit", b"\n".join(lines) + b"\n\n" + message)
        self.git(
            "update-ref",
            "HEAD",
            self.git("hash-object", "--literally", "-t", "commit", "-w", ".git/odd-commit"),
        )

    def events(self, environment: str = "test", since: str | None = None) -> list[Event]:
        repository = git_history.Repository(str(self.path))
        commits = repository.commits(repository.head(), since)
        return [git_history.to_event(commit, environment) for commit in commits]


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "repository")


def test_every_commit_becomes_one_event_oldest_first(repository: GitRepository) -> None:
    hashes = [repository.commit(f"commit {number}") for number in range(5)]
    events = repository.events()
    assert [event["data"]["hash"] for event in events] == hashes
    assert [event["message"] for event in events] == [f"commit {number}" for number in range(5)]


def test_an_event_has_all_that_the_commit_says(repository: GitRepository) -> None:
    repository.write("api/app.py", "a\nb\n")
    repository.commit("start")
    repository.write("api/app.py", "a\nc\nd\n")
    repository.write("README.md", "hello\n")
    latest = repository.commit("Serve events")
    assert repository.events("staging")[-1] == {
        "component": "api",
        "environment": "staging",
        "email": "ada@example.com",
        "message": "Serve events",
        "data": {
            "hash": latest,
            "author": "Ada",
            "author_email": "ada@example.com",
            "authored_at": "2024-02-29T12:00:00+02:00",
            "committed_at": "2024-03-01T08:30:00-05:30",
            "files": 2,
            "insertions": 3,
            "deletions": 1,
            "merge": False,
            "paths": ["README.md", "api/app.py"],
        },
    }


@pytest.mark.parametrize(
    ("files", "component"),
    [
        ({"README.md": 9}, "root"),
        ({"README.md": 9, "api/app.py": 1}, "root"),
        ({"README.md": 1, "api/app.py": 9}, "api"),
        ({"api/app.py": 3, "worker/drain.py": 2, "worker/lua/wake.lua": 2}, "worker"),
        ({"worker/drain.py": 2, "api/app.py": 2}, "api"),
        ({"deep/down/below/file": 1}, "deep"),
    ],
)
def test_the_component_is_the_top_folder_with_the_most_changed_lines(
    repository: GitRepository, files: dict[str, int], component: str
) -> None:
    for name, lines in files.items():
        repository.write(name, "line\n" * lines)
    repository.commit("change")
    assert repository.events()[0]["component"] == component


def test_binary_files_count_as_files_but_not_as_lines(repository: GitRepository) -> None:
    repository.write("images/logo.png", bytes(range(256)))
    repository.commit("logo")
    repository.write("images/logo.png", bytes(reversed(range(256))))
    repository.write("docs/one.md", "line\n")
    repository.commit("logo, documented")
    first, second = repository.events()
    assert first["component"] == "images"
    assert (first["data"]["files"], first["data"]["insertions"]) == (1, 0)
    assert second["component"] == "docs"
    assert (second["data"]["files"], second["data"]["insertions"]) == (2, 1)


def test_a_renamed_file_counts_once_under_its_new_name(repository: GitRepository) -> None:
    repository.write("old/name.txt", "line\n" * 50)
    repository.commit("start")
    repository.git("config", "diff.renames", "false")
    (repository.path / "new").mkdir()
    repository.git("mv", "old/name.txt", "new/name.txt")
    repository.write("other/file.txt", "")
    repository.commit("move")
    event = repository.events()[-1]
    assert event["component"] == "new"
    assert event["data"]["paths"] == ["new/name.txt", "other/file.txt"]
    assert (event["data"]["insertions"], event["data"]["deletions"]) == (0, 0)


def test_an_empty_commit_and_a_merge_belong_to_the_root(repository: GitRepository) -> None:
    repository.commit("empty")
    repository.git("switch", "-q", "-c", "side")
    repository.write("side/file", "line\n")
    repository.commit("on the side")
    repository.git("switch", "-q", "main")
    repository.write("main/file", "line\n")
    repository.commit("on main")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge side", "side")
    events = {event["message"]: event for event in repository.events()}
    assert len(events) == 4
    assert events["empty"]["component"] == events["Merge side"]["component"] == "root"
    assert events["empty"]["data"]["paths"] == []
    assert [name for name, event in events.items() if event["data"]["merge"]] == ["Merge side"]


def test_names_and_subjects_in_any_script_come_through(repository: GitRepository) -> None:
    repository.write("données/ファイル 🎉\t\n.txt", "line\n")
    repository.commit("Überraschung 🎉👩‍👩‍👧 — שלום", author="Žofie 🦊")
    event = repository.events()[0]
    assert event["component"] == "données"
    assert event["message"] == "Überraschung 🎉👩‍👩‍👧 — שלום"
    assert event["data"]["author"] == "Žofie 🦊"
    assert event["data"]["paths"] == ["données/ファイル 🎉\t\n.txt"]


def test_a_subject_over_several_lines_with_tabs_stays_one_message(
    repository: GitRepository,
) -> None:
    repository.write("1\t2\tapi/file", "line\n")
    repository.commit("3\t4\tfirst\nsecond\n\nbody that is not the subject")
    (event,) = repository.events()
    assert event["message"] == "3\t4\tfirst second"
    assert event["component"] == "1\t2\tapi"


def test_a_commit_without_a_message_says_so(repository: GitRepository) -> None:
    repository.commit("")
    assert repository.events()[0]["message"] == "(no subject)"


def test_a_declared_encoding_is_converted(repository: GitRepository) -> None:
    repository.commit("start")
    repository.commit_bytes("Größe".encode("latin-1"), b"encoding ISO-8859-1")
    event = repository.events()[-1]
    assert (event["message"], event["data"]["author"]) == ("Größe", "Jörg")


def test_bytes_that_are_not_utf8_are_replaced_and_can_be_sent(repository: GitRepository) -> None:
    repository.commit("start")
    repository.write(os.fsdecode(b"d\xff/f\xfe"), "line\n")
    repository.commit("odd file name")
    repository.commit_bytes(b"Gr\xf6\xdfe \xed\xa0\x80")
    named, encoded = repository.events()[-2:]
    assert named["component"] == "d\ufffd"
    assert named["data"]["paths"] == ["d\ufffd/f\ufffd"]
    assert encoded["data"]["author"] == "J\ufffdrg"
    assert encoded["message"].startswith("Gr\ufffd\ufffde ")
    json.dumps([named, encoded], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "address",
    ["plain", "two@at@signs", "ü@example.com", "dot@example..com", "a@" + "b." * 130 + "c", ""],
)
def test_an_address_the_service_would_refuse_stays_in_data_only(
    repository: GitRepository, address: str
) -> None:
    repository.commit("change", email=address)
    event = repository.events()[0]
    assert "email" not in event
    assert event["data"]["author_email"] == address


@pytest.mark.parametrize(
    "address", ["a@b", "first.last+tag@mail.example.com", "odd..dots@example.com", "{x}@localhost"]
)
def test_an_address_html_calls_valid_is_the_events_email(
    repository: GitRepository, address: str
) -> None:
    repository.commit("change", email=address)
    assert repository.events()[0]["email"] == address


def test_an_address_is_valid_up_to_254_characters_and_never_with_a_line_feed() -> None:
    longest = "a" * (254 - len("@example.com")) + "@example.com"
    assert git_history.valid_email(longest)
    assert not git_history.valid_email("a" + longest)
    assert not git_history.valid_email("ada@example.com\n")


def test_a_huge_commit_stays_within_the_services_limit(repository: GitRepository) -> None:
    for number in range(150):
        repository.write(f"folder/{number:03}", "line\n")
    repository.commit("\x01" * 300_000)
    event = repository.events()[0]
    assert event["data"]["files"] == event["data"]["insertions"] == 150
    assert event["data"]["paths"] == [f"folder/{number:03}" for number in range(100)]
    assert len(json.dumps(event)) < 256 * 1024


def test_what_the_service_refuses_is_taken_out_of_a_text() -> None:
    assert git_history.clean("a\0b\ud800c") == "ab?c"


def test_since_leaves_older_commits_out(repository: GitRepository) -> None:
    repository.commit("2024")
    assert repository.events(since="2024-02-01") != []
    assert repository.events(since="2024-04-01") == []


def test_a_git_that_stops_halfway_is_reported_as_a_failure(repository: GitRepository) -> None:
    repository.write("file", "line\n")
    repository.commit("start")
    blob = repository.git("rev-parse", "HEAD:file")
    (repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(git_history.ExampleError, match="git log"):
        repository.events()


def test_the_environment_is_the_branch_or_detached(repository: GitRepository) -> None:
    repository.commit("start")
    repository.git("switch", "-q", "-c", "feature/größer")
    example = git_history.Repository(str(repository.path))
    assert example.branch() == "feature/größer"
    repository.git("switch", "-q", "--detach")
    assert example.branch() == "detached"


def test_a_git_dir_in_the_environment_does_not_redirect_the_example(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("the right one")
    GitRepository(tmp_path / "other").commit("the wrong one")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert [event["message"] for event in repository.events()] == ["the right one"]


def test_every_variable_that_a_hook_sets_is_left_out(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("the right one")
    for name in repository.git("rev-parse", "--local-env-vars").split():
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert [event["message"] for event in repository.events()] == ["the right one"]


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (b"0 -0500", "1969-12-31T19:00:00-05:00"),
        (b"1709200800 +0545", "2024-02-29T15:45:00+05:45"),
        (b"253402300799 +0000", "9999-12-31T23:59:59+00:00"),
        (b"253402300799 +0100", None),
        (b"soon", None),
    ],
)
def test_any_date_of_a_commit_is_read_or_left_out(
    repository: GitRepository, date: bytes, expected: str | None
) -> None:
    repository.commit("before")
    repository.commit_bytes(b"odd", date=date)
    repository.commit("after")
    events = repository.events()
    assert [event["message"] for event in events] == ["before", "odd", "after"]
    assert events[1]["data"]["authored_at"] == events[1]["data"]["committed_at"] == expected


def test_a_long_branch_or_folder_is_cut_to_what_the_service_takes(
    repository: GitRepository,
) -> None:
    repository.write("file", "line\n")
    repository.commit("start")
    [event] = repository.events(environment="b" * 300)
    assert event["environment"] == "b" * 255
    assert git_history.top_folder("f" * 300 + "/x") == "f" * 255
    assert git_history.top_folder(" " * 255 + "f/x") == "root"


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
    monkeypatch.setattr(git_history, "RETRY_SECONDS", 0.05)
    with service({"unlucky": [503] * 100_000}, {"detail": "the backlog is full"}) as (url, _):
        assert git_history.main([str(repository.path), "--url", url]) == 1
    error = capsys.readouterr().err
    assert error.startswith("git_history: nothing was accepted for ")
    assert error.endswith("503: the backlog is full\n")


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
