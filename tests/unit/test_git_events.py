"""Test the events that `examples/git_history.py` makes of a repository, which real git makes."""

import json
import os
from pathlib import Path

import pytest

from example_error import ExampleError
from git_events import clean, top_folder, valid_email
from git_log import Repository
from tests.support import git_repository
from tests.support.git_repository import GitRepository

repository = git_repository.repository


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
        "occurred_at": "2024-03-01T08:30:00-05:30",
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
    assert valid_email(longest)
    assert not valid_email("a" + longest)
    assert not valid_email("ada@example.com\n")


def test_a_huge_commit_stays_within_the_services_limit(repository: GitRepository) -> None:
    for number in range(150):
        repository.write(f"folder/{number:03}", "line\n")
    repository.commit("\x01" * 300_000)
    event = repository.events()[0]
    assert event["data"]["files"] == event["data"]["insertions"] == 150
    assert event["data"]["paths"] == [f"folder/{number:03}" for number in range(100)]
    assert len(json.dumps(event)) < 256 * 1024


def test_what_the_service_refuses_is_taken_out_of_a_text() -> None:
    assert clean("a\0b\ud800c") == "ab?c"


def test_since_leaves_older_commits_out(repository: GitRepository) -> None:
    repository.commit("2024")
    assert repository.events(since="2024-02-01") != []
    assert repository.events(since="2024-04-01") == []


def test_a_git_that_stops_halfway_is_reported_as_a_failure(repository: GitRepository) -> None:
    repository.write("file", "line\n")
    repository.commit("start")
    blob = repository.git("rev-parse", "HEAD:file")
    (repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(ExampleError, match="git log"):
        repository.events()


def test_the_environment_is_the_branch_or_detached(repository: GitRepository) -> None:
    repository.commit("start")
    repository.git("switch", "-q", "-c", "feature/größer")
    example = Repository(str(repository.path))
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
    assert top_folder("f" * 300 + "/x") == "f" * 255
    assert top_folder(" " * 255 + "f/x") == "root"
