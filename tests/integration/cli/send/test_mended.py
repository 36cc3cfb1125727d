"""`activity send` of a file whose rejected lines were mended."""

import json
from pathlib import Path

import pytest

from tests.support.send_command import SendCommand, ndjson
from tests.support.stub_service import StubService, lose_the_answer, refuse


@pytest.fixture
def send(stub: StubService, tmp_path: Path) -> SendCommand:
    return SendCommand(stub.url, tmp_path / "state")


def events(path: Path, messages: list[str]) -> Path:
    rows = ({"component": "c", "environment": "e", "message": message} for message in messages)
    path.write_text("".join(f"{json.dumps(row)}\n" if row["message"] else "\n" for row in rows))
    return path


def test_the_same_command_sends_only_the_mended_lines(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = events(tmp_path / "events", ["a", "bad", "", "b", "bad too", "c"])
    ran = send.run(file, "--batch", 2)
    assert ran.stdout.splitlines()[-1] == (
        f"Correct the rejected lines, each in its place in {file}, and run the same command again: "
        "it sends only lines that were not accepted."
    )
    events(file, ["a", "mended, longer", "", "b", "bad still", "c"])
    again = send.run(file)
    assert "already stored and unchanged: 3 lines; sending" in again.stderr
    assert again.stdout.startswith("1 accepted, 1 rejected in this run (")
    assert "; 4 accepted, 1 rejected in total\n" in again.stdout
    events(file, ["a", "mended, longer", "", "b", "", "c"])  # given up
    last = send.summary(file)
    assert (last["status"], last["accepted"], last["rejected"]) == (0, 4, 0)
    assert (last["run_accepted"], last["run_blank"]) == (0, 1)
    assert "nothing to do: every line was already sent" in send.run(file).stdout
    assert sorted(stub.messages) == ["a", "b", "c", "mended, longer"]


def test_an_unchanged_file_doubles_nothing(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = events(tmp_path / "events", ["a", "bad", "b"])
    for _ in range(2):
        assert send.summary(file)["rejected"] == 1
        assert stub.messages == ["a", "b"]


def test_lines_that_were_added_are_sent_with_the_mended(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = events(tmp_path / "events", ["a", "bad", "b"])
    send.run(file)
    events(file, ["a", "mended", "b", "added"])
    assert send.summary(file)["accepted"] == 4
    assert stub.messages == ["a", "b", "mended", "added"]


@pytest.mark.parametrize(
    "messages",
    [["a", "b"], ["a", "new", "bad", "b"], ["a", "bad", "other"], ["b", "bad", "a"]],
    ids=["deleted", "inserted", "a stored line changed", "two stored lines swapped"],
)
def test_a_change_in_stored_lines_is_refused_and_sends_nothing(
    stub: StubService, send: SendCommand, tmp_path: Path, messages: list[str]
) -> None:
    file = events(tmp_path / "events", ["a", "bad", "b"])
    send.run(file)
    ran = send.run(events(file, messages))
    assert ran.returncode == 1
    assert "has changed outside its rejected lines: " in ran.stderr
    assert stub.messages == ["a", "b"]


def test_another_file_of_the_same_name_is_sent_whole(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = events(tmp_path / "events", ["a", "bad", "b"])
    send.run(file)
    assert send.summary(events(file, ["x", "y"]))["accepted"] == 2
    assert stub.messages == ["a", "b", "x", "y"]


def test_mended_lines_behind_a_lost_answer_count_once(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = events(tmp_path / "events", ["a", "bad", "b"])
    send.run(file)
    events(file, ["a", "mended", "b"])
    stub.otherwise = lose_the_answer
    assert send.run(file, "--give-up", 0).returncode == 1
    stub.otherwise = StubService.accept
    assert send.summary(file)["accepted"] == 3
    assert stub.messages == ["a", "b", "mended"]


def test_a_service_that_took_no_mended_line_leaves_the_earlier_run_to_go_by(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = events(tmp_path / "events", ["a", "bad", "b", "bad"])
    send.run(file)
    events(file, ["a", "mended", "b", "bad"])
    stub.otherwise = refuse(404)
    assert send.run(file).returncode == 1
    stub.otherwise = StubService.accept
    events(file, ["a", "mended", "b", "mended too"])  # more, before the next try
    assert send.summary(file)["status"] == 0
    assert stub.messages == ["a", "b", "mended", "mended too"]


def test_mended_lines_for_another_service_are_refused(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = events(tmp_path / "events", ["a", "bad"])
    send.run(file)
    ran = send.run(file, "--url", "http://127.0.0.1:9", "--give-up", 0)
    assert f"stored 1 line of this file at {stub.url}" in ran.stderr


def test_a_file_of_rejected_lines_that_was_mended_is_not_overwritten(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file, rejected = events(tmp_path / "events", ["a", "bad"]), tmp_path / "rejected"
    assert send.run(file, "--rejected", rejected).returncode == 1
    assert send.run(file, "--rejected", rejected).returncode == 1  # as it was left: written anew
    events(rejected, ["mended"])
    ran = send.run(file, "--rejected", rejected)
    assert "may have been corrected: run the command for that file first" in ran.stderr
    with file.open() as lines:
        assert (
            "may have been corrected" in send.run("-", "--rejected", rejected, stdin=lines).stderr
        )
    assert send.summary(rejected)["accepted"] == 1
    assert stub.messages == ["a", "mended"]


def test_all_of_a_large_file_is_compared(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = ndjson(tmp_path / "events", 3_000)
    file.write_text(file.read_text().replace('"m1500"', '"bad"'))
    assert send.summary(file, "--connections", 4, "--batch", 100)["rejected"] == 1
    file.write_text(file.read_text().replace('"bad"', '"m1500"'))
    requests = len(stub.requests)
    assert send.summary(file)["accepted"] == 3_000
    assert len(stub.requests) == requests + 1
    assert sorted(stub.messages) == sorted(f"m{number}" for number in range(3_000))
