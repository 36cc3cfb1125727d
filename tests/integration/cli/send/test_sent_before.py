"""`activity send` of a file that was sent before: nothing of it is stored twice."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from tests.support.send_command import SendCommand, ndjson
from tests.support.stub_service import Reply, StubService, lose_the_answer

KILLED_BEFORE_ITS_SUMMARY = """
import os, sys
import cli.main, cli.send.command
cli.send.command._conclude = lambda *_: os.kill(os.getpid(), 9)
sys.exit(cli.main.main())
"""
DAY = 24 * 3600


@pytest.fixture
def send(stub: StubService, tmp_path: Path) -> SendCommand:
    return SendCommand(stub.url, tmp_path / "state")


def messages(count: int) -> list[str]:
    return [f"m{number}" for number in range(count)]


def test_a_run_killed_after_its_last_batch_is_not_sent_again(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = ndjson(tmp_path / "events", 300)
    code = [sys.executable, "-c", KILLED_BEFORE_ITS_SUMMARY]
    killed = send.start("send", file, "--batch", 100, "--connections", 1, command=code)
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    assert send.summary(file)["accepted"] == 300
    assert stub.messages == messages(300)


def test_the_same_command_again_sends_nothing_and_says_so(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = ndjson(tmp_path / "events", 3)
    assert send.run(file).returncode == 0
    again = send.run(file)
    text = "nothing to do: every line was already sent (--restart sends the file again)\n"
    assert (again.returncode, again.stdout, again.stderr) == (0, text, "")
    summary = send.summary(file)
    assert (summary["accepted"], summary["run_accepted"], summary["complete"]) == (3, 0, True)
    assert stub.messages == messages(3)
    assert send.summary(file, "--restart")["run_accepted"] == 3


def test_lines_added_to_a_file_that_was_sent_are_sent_alone(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = tmp_path / "events"
    for lines in (3, 5, 5, 9):
        assert send.summary(ndjson(file, lines))["accepted"] == lines
    assert stub.messages == messages(9)


def test_a_file_that_was_sent_and_changed_is_refused_with_what_to_do(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = ndjson(tmp_path / "events", 3)
    send.run(file)
    file.write_text(file.read_text().replace("m1", "changed"))
    ran = send.run(file)
    assert ran.returncode == 1
    assert "was sent whole before, and has changed since" in ran.stderr
    assert "--restart: 3 lines will then be stored twice" in ran.stderr
    assert stub.messages == messages(3)


def test_another_file_under_the_name_of_one_that_was_sent_is_sent_whole(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = ndjson(tmp_path / "events", 3)
    send.run(file)
    file.write_text(file.read_text().replace(': "m', ': "n'))
    assert send.summary(file)["run_accepted"] == 3
    assert stub.messages == [*messages(3), "n0", "n1", "n2"]


def test_a_file_that_was_empty_is_sent_when_it_has_lines(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = ndjson(tmp_path / "events", 0)
    assert send.run(file).stdout.startswith("0 accepted, 0 rejected (")
    assert send.summary(ndjson(file, 2))["accepted"] == 2


def test_a_file_that_was_sent_is_not_sent_to_another_address_unasked(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = ndjson(tmp_path / "events", 3)
    send.run(file)
    other = ("--url", f"{stub.url}/other")
    assert "To send the whole file to" in send.run(file, *other).stderr
    assert send.summary(file, *other, "--checkpoint", tmp_path / "mine")["run_accepted"] == 3


def test_a_finished_run_is_forgotten_after_a_month_and_an_interrupted_one_never(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    files = [ndjson(tmp_path / name, 2) for name in ("finished", "interrupted", "new")]
    send.run(files[0])
    stub.otherwise = lose_the_answer
    send.run(files[1], "--give-up", 0)
    stub.otherwise = StubService.accept
    for at in send.checkpoints():
        os.utime(at, (time.time() - 31 * DAY,) * 2)
    send.run(files[2])
    left = [json.loads(at.read_text())["plan"]["file"] for at in send.checkpoints()]
    assert sorted(left) == sorted(map(str, files[1:]))


def test_lines_that_changed_after_they_were_sent_are_told_with_what_to_do(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    """The service has them under the key of the batch, and takes no others under it."""
    file = ndjson(tmp_path / "events", 20_000)
    stub.otherwise = lose_the_answer
    once = ("--batch", 2_000, "--connections", 1)
    assert send.run(file, "--give-up", 0, *once).returncode == 1
    stored = len(stub.stored)
    # Beyond the beginning that identifies a file, within what arrived.
    text = file.read_text()
    file.write_text(text.replace('"m1999"', '"n1999"'))
    fault = {"detail": "was used for another request before", "header": "Idempotency-Key"}
    reused = Reply(422, {"title": "Refused", "detail": "No.", "errors": [fault]})
    stub.otherwise = lambda stub, request: reused
    ran = send.run(file, *once)
    assert "some of the lines 1 to 2,000 have changed since the interrupted run sent" in ran.stderr
    assert "Restore them and run the same command again" in ran.stderr
    assert "Activity Service?" not in ran.stderr
    file.write_text(text)
    stub.otherwise = StubService.accept
    assert send.summary(file)["accepted"] == 20_000
    assert (stored, len(stub.stored)) == (2_000, 20_000)
