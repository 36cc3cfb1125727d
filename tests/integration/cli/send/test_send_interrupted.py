"""A run of `activity send` that is killed or stopped continues where it was."""

import json
import signal
import sys
from pathlib import Path

import pytest

from cli.send.rejects import reasons_path
from testbed.waiting import wait_until
from tests.support import send_runs
from tests.support.send_command import SendCommand, ndjson
from tests.support.send_runs import accept_some, ended, messages
from tests.support.stub_service import (
    StubService,
    lose_the_answer,
    refuse,
)

send = send_runs.send


def test_it_gives_up_when_told_to_and_goes_on_later(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.otherwise = accept_some(3, refuse(503))
    file = ndjson(tmp_path / "events", 100)
    gave_up = send.run(file, "--batch", 10, "--give-up", 0.5, "--connections", 1)
    assert gave_up.returncode == 1
    reason = "no event was accepted or rejected for 0.5 s: answer 503: told to say 503"
    assert f"gave up: {reason}; stopped after line 30; run the same" in gave_up.stderr
    stub.otherwise = StubService.accept
    again = send.summary(file, "--connections", 1)
    assert (again["after_line"], again["accepted"], again["status"]) == (30, 100, 0)
    assert stub.messages == messages(100)


@pytest.mark.parametrize("connections", [1, 4])
def test_killed_behind_lost_answers_and_started_again_each_line_counts_once(
    stub: StubService, send: SendCommand, tmp_path: Path, connections: int
) -> None:
    file = ndjson(tmp_path / "events", 1_000)
    for accepted in (0, 7, 19):
        stub.otherwise = accept_some(accepted, lose_the_answer)
        stub.requests.clear()
        process = send.start(file, "--batch", 20, "--connections", connections)
        wait_until(lambda a=accepted: len(stub.requests) > a + 2, "requests past the last answer")  # type: ignore[misc]
        process.kill()
        process.communicate()
        assert send.checkpoints()
    stub.otherwise = StubService.accept
    summary = send.summary(file)
    assert (summary["status"], summary["accepted"], summary["lines"]) == (0, 1_000, 1_000)
    assert sorted(stub.messages) == sorted(messages(1_000))


def test_rejected_lines_are_written_down_once_whatever_is_killed(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file, rejected = tmp_path / "events", tmp_path / "rejected"
    ndjson(file, 300)
    file.write_text(file.read_text().replace(': "m', ': "bad m'))
    stub.otherwise = accept_some(12, refuse(503))
    process = send.start(file, "--batch", 10, "--rejected", rejected)
    wait_until(lambda: len(stub.requests) > 13, "it to be stuck")
    process.kill()
    process.communicate()
    stub.otherwise = StubService.accept
    assert send.summary(file, "--rejected", rejected)["rejected"] == 300
    assert rejected.read_bytes() == file.read_bytes()
    rows = [json.loads(row)["line"] for row in reasons_path(rejected).read_text().splitlines()]
    assert rows == list(range(1, 301))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_says_how_far_it_is_and_goes_on_there(
    stub: StubService, send: SendCommand, tmp_path: Path, number: signal.Signals
) -> None:
    stub.otherwise = accept_some(5, refuse(503, retry_after="600"))
    file = ndjson(tmp_path / "events", 100)
    process = send.start(file, "--batch", 10, "--connections", 1, "--json")
    wait_until(lambda: len(stub.requests) == 6, "it to wait")
    process.send_signal(number)
    status, out, err = ended(process)
    assert status == 130
    assert json.loads(out)["complete"] is False
    assert "interrupted after line 50; run the same command again to continue" in err
    stub.otherwise = StubService.accept
    again = send.run(file, "--connections", 1)
    assert "continuing the interrupted run after line 50" in again.stderr
    assert again.stdout.startswith("50 accepted, 0 rejected in this run (")
    assert again.stdout.endswith("; 100 accepted, 0 rejected in total\n")
    assert stub.messages == messages(100)


def test_told_to_stop_it_does_not_wait_for_the_next_try(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    """Nor for all the time that a request under way is given, here an hour."""
    stub.otherwise = refuse(503, retry_after="600")
    patient = "import cli.send.run; cli.send.run.GRACE_SECONDS = 3600"
    code = f"{patient}; import sys, cli.main; sys.exit(cli.main.main())"
    file = ndjson(tmp_path / "events", 10)
    process = send.start("send", file, command=[sys.executable, "-c", code])
    wait_until(lambda: stub.requests, "the first try")
    process.terminate()
    assert ended(process)[0] == 130


def test_a_run_of_which_nothing_was_taken_binds_the_file_to_no_address(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = ndjson(tmp_path / "events", 10)
    for url in ("http://127.0.0.1:9", "nowhere"):
        ran = send.run(file, "--url", url, "--give-up", 0)
        assert "the interrupted run" not in ran.stderr
        assert send.checkpoints() == []
    stub.otherwise = refuse(404)
    assert "stopped before any event was accepted" in (
        send.run(file, "--url", f"{stub.url}/no").stderr
    )
    stub.otherwise = StubService.accept
    assert send.summary(file)["accepted"] == 10


def test_a_run_without_an_answer_binds_the_file_to_its_address(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.otherwise = lose_the_answer
    file = ndjson(tmp_path / "events", 10)
    assert send.run(file, "--give-up", 0).returncode == 1
    ran = send.run(file, "--url", "http://127.0.0.1:9")
    assert f"the interrupted run sent the first lines to {stub.url}, not to" in ran.stderr
    assert "0 lines" not in ran.stderr


def test_two_runs_on_one_file_at_once_are_one_too_many(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.otherwise = refuse(503)
    file = ndjson(tmp_path / "events", 10)
    process = send.start(file)
    wait_until(lambda: stub.requests, "the first")
    second = send.run(file)
    assert second.returncode == 1
    assert "another run works on this file" in second.stderr
    process.terminate()
    assert ended(process)[0] == 130


def test_a_file_that_has_changed_under_an_interrupted_run_is_refused(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.otherwise = refuse(503)
    file = ndjson(tmp_path / "events", 10)
    assert send.run(file, "--give-up", 0).returncode == 1
    ndjson(file, 10, email="a@b.c")
    stub.otherwise = StubService.accept
    refused = send.run(file)
    assert refused.returncode == 1
    assert "has changed since" in refused.stderr
    assert send.summary(file, "--restart")["accepted"] == 10


def test_a_run_without_progress_does_not_grow_younger(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    """What it had under way was sent before: that is when the service's memory of it begins."""
    stub.otherwise = accept_some(2, lose_the_answer)
    file, at = ndjson(tmp_path / "events", 100), tmp_path / "here"
    once = ("--give-up", 0, "--batch", 10, "--connections", 1)
    options = (file, "--checkpoint", at, *once)
    assert send.run(*options).returncode == 1
    before = at.read_bytes()
    assert json.loads(before)["position"]["lines"] == 20
    assert send.run(*options).returncode == 1
    assert at.read_bytes() == before


def test_what_is_added_while_a_run_is_interrupted_is_not_its_own(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.otherwise = accept_some(0, lose_the_answer)
    file, at = ndjson(tmp_path / "events", 10), tmp_path / "here"
    assert send.run(file, "--give-up", 0, "--checkpoint", at).returncode == 1
    assert at.exists()
    with file.open("a") as more:
        more.write('{"component":"c","environment":"e","message":"late"}\n')
    stub.otherwise = StubService.accept
    ran = send.run(file, "--checkpoint", at)
    assert ran.returncode == 0
    assert "the file has grown by 53 bytes since the run began; run the same command" in ran.stderr
    assert stub.messages == messages(10)
    assert send.summary(file, "--checkpoint", at)["run_accepted"] == 1
    assert stub.messages == [*messages(10), "late"]
