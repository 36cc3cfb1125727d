"""`activity send` against a service that answers as it is told."""

import contextlib
import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from cli.send.rejects import reasons_path
from testbed.waiting import wait_until
from tests.support.send_command import SendCommand, ndjson
from tests.support.stub_service import (
    LOST,
    Behaviour,
    Reply,
    Request,
    StubService,
    lose_the_answer,
    refuse,
)


@pytest.fixture
def send(stub: StubService, tmp_path: Path) -> SendCommand:
    return SendCommand(stub.url, tmp_path / "state")


def messages(count: int) -> list[str]:
    return [f"m{number}" for number in range(count)]


def accept_some(count: int, then: Behaviour) -> Behaviour:
    """Accept that many requests, and do something else with the others."""

    def behave(stub: StubService, request: Request) -> Reply:
        return stub.accept(request) if len(stub.requests) <= count else then(stub, request)

    return behave


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_file_is_sent_once_in_batches(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file = ndjson(tmp_path / "events", 2_500)
    summary = send.summary(file, "--connections", 3)
    assert (summary["status"], summary["complete"]) == (0, True)
    assert (summary["lines"], summary["accepted"], summary["rejected"]) == (2_500, 2_500, 0)
    assert sorted(stub.messages) == sorted(messages(2_500))
    assert len(stub.requests) == 3
    assert send.summary(file, "--restart")["run_accepted"] == 2_500  # a deliberate sending
    assert len(stub.stored) == 5_000


def test_on_one_connection_the_order_is_kept(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    send.summary(ndjson(tmp_path / "events", 500), "--connections", 1, "--batch", 50)
    assert stub.messages == messages(500)


def test_rejected_lines_are_told_counted_and_written_down(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    good = b'{"component":"c","environment":"e","message":"m"}'
    bad = good.replace(b'"m"', b'"bad"')
    lines = [good, b"", bad, b'{"\xff":1}', good, b"no JSON", b"x" * 300_000, good]
    file, rejected = tmp_path / "events", tmp_path / "rejected"
    file.write_bytes(b"\r\n".join(lines))
    ran = send.run(file, "--rejected", rejected)
    assert ran.returncode == 1
    assert ran.stdout.startswith("3 accepted, 4 rejected, 1 blank line (")
    assert ran.stderr.splitlines() == [
        "line 3: /message is bad",
        "line 4: the line is not UTF-8: byte 3 is wrong",
        "line 6: /message is bad",
        "line 7: the line has more than 262144 bytes",
    ]
    rows = [json.loads(row) for row in reasons_path(rejected).read_text().splitlines()]
    assert [(row["line"], row.get("cut", False)) for row in rows] == [
        (3, False),
        (4, False),
        (6, False),
        (7, True),
    ]
    assert rejected.read_bytes().split(b"\n")[:3] == [bad, b'{"\xff":1}', b"no JSON"]
    assert len(stub.stored) == 3
    assert ran.stdout.splitlines()[-1] == (
        f"The rejected lines were also written to {rejected} (reasons: {rejected}.reasons). "
        f"Correct them there, then run `activity send {rejected}`. Or correct them each in its "
        f"place in {file}, and run the same command again: it sends only lines that were not "
        "accepted. Use only one of the two ways."
    )


def test_an_error_is_waited_out_and_counts_once(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.script += [
        lose_the_answer,
        refuse(503),
        lambda stub, request: LOST,
        refuse(409),
        refuse(500),
    ]
    summary = send.summary(ndjson(tmp_path / "events", 100), "--batch", 20)
    assert summary["status"] == 0
    assert sorted(stub.messages) == sorted(messages(100))


def test_being_away_is_shown_and_waited_for(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.stop()
    process = send.start(ndjson(tmp_path / "events", 10))
    assert process.stderr is not None
    assert process.stderr.readline().startswith(
        "waiting for the service: Connection refused; line 0: 0 accepted"
    )
    stub.start()
    status, out, _ = ended(process)
    assert status == 0
    assert out.startswith("10 accepted")
    assert stub.messages == messages(10)


def test_on_a_terminal_there_is_a_bar_that_shows_the_last_error_too(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.stop()
    ours, its = pty.openpty()
    termios.tcsetwinsize(ours, (40, 120))
    process = send.start(ndjson(tmp_path / "events", 10), stderr=its)
    os.close(its)
    shown = b""
    while b"0 accepted, 0/s; waiting for the service: Connection refused" not in shown:
        shown += os.read(ours, 4096)
    assert b"  0% |" in shown
    stub.start()
    with contextlib.suppress(OSError):  # how Linux tells of the other end's end
        while os.read(ours, 4096):
            pass
    os.close(ours)
    assert ended(process)[0] == 0


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


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 415, 422, 501])
def test_a_refusal_that_is_not_about_the_lines_ends_the_run_and_rejects_none(
    stub: StubService, send: SendCommand, tmp_path: Path, status: int
) -> None:
    stub.otherwise = accept_some(3, refuse(status))
    file = ndjson(tmp_path / "events", 100)
    ran = send.run(file, "--batch", 10, "--connections", 1)
    assert ran.returncode == 1
    assert ran.stdout.startswith("30 accepted, 0 rejected")
    assert ran.stderr == (
        f"activity: refused: POST {stub.url}/events/batch: answer {status}: told to say {status}; "
        f"is {stub.url} an Activity Service?; stopped after line 30; run the same command again "
        "to continue\n"
    )
    stub.otherwise = StubService.accept
    again = send.summary(file)
    assert (again["after_line"], again["accepted"], again["rejected"]) == (30, 100, 0)
    assert sorted(stub.messages) == sorted(messages(100))


def test_what_answers_200_and_is_no_service_ends_the_run_too(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.otherwise = lambda stub, request: Reply(200, "welcome to the hotel")
    summary = send.summary(ndjson(tmp_path / "events", 10))
    assert (summary["status"], summary["complete"]) == (1, False)
    assert (summary["lines"], summary["accepted"], summary["rejected"]) == (0, 0, 0)
    assert send.checkpoints()


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
    assert "another `activity send` is sending this file" in second.stderr
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


def test_standard_input_is_sent_as_it_comes(stub: StubService, send: SendCommand) -> None:
    lines = '{"component":"c","environment":"e","message":"m"}\n' * 30
    summary = send.summary("-", "--batch", 10, input=lines)
    assert (summary["status"], summary["accepted"]) == (0, 30)
    assert send.checkpoints() == []


def test_interrupted_standard_input_is_gone_on_with_by_hand(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    """Also behind a lost answer: it had not been acknowledged, and is not doubled."""
    stub.otherwise = accept_some(3, lose_the_answer)
    file = ndjson(tmp_path / "events", 100)
    with file.open() as lines:
        process = send.start("-", "--batch", 10, "--connections", 1, stdin=lines)
    wait_until(lambda: len(stub.requests) > 4, "an answer to be lost")
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert status == 130
    how = err.rstrip().partition("with ")[2].removesuffix(" to continue").split()
    assert how[:2] == ["--skip-lines", "30"]
    assert how[-2:] == ["--batch", "10"]
    stub.otherwise = StubService.accept
    with file.open() as lines:
        summary = send.summary("-", "--connections", 1, *how, stdin=lines)
    assert (summary["status"], summary["after_line"], summary["accepted"]) == (0, 30, 70)
    assert stub.messages == messages(100)


def test_it_ends_while_it_waits_for_standard_input(stub: StubService, send: SendCommand) -> None:
    process = send.start("-", "--batch", 1, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write('{"component":"c","environment":"e","message":"m"}\n')
    process.stdin.flush()
    wait_until(lambda: stub.messages == ["m"], "the first line")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert "interrupted after line 1;" in process.communicate()[1]


def test_what_is_packed_is_not_sent_but_told_how_to(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    plain, packed = ndjson(tmp_path / "plain", 10), tmp_path / "some events.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    ran = send.run(packed)
    assert ran.returncode == 1
    assert ran.stderr == f"activity: error: this is gzip: gzip -dc '{packed}' | activity send -\n"
    with packed.open("rb") as file:
        ran = send.run("-", stdin=file)
    assert ran.returncode == 1
    assert ran.stderr == "activity: error: this is gzip: gzip -dc FILE | activity send -\n"
    assert (stub.requests, send.checkpoints()) == ([], [])


def test_a_pipe_by_name_is_read_like_standard_input(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = send.start(pipe)
    pipe.write_text('{"component":"c","environment":"e","message":"m"}\n')
    assert ended(process)[0] == 0
    assert stub.messages == ["m"]


EVENT = ("--component", "c", "--environment", "e", "--message", "m")


def test_one_event_is_sent_and_its_id_printed(stub: StubService, send: SendCommand) -> None:
    stub.script += [lose_the_answer]
    ran = send.run(*EVENT, "--email", "a@b.c", "--data", '{"n":\n 1.50}')
    assert (ran.returncode, ran.stdout) == (0, "id-1\n")
    assert b'"data":{"n":  1.50}' in stub.requests[-1].body
    assert json.loads(send.run(*EVENT, "--json").stdout)["id"] == "id-2"
    assert len(stub.stored) == 2


def test_one_event_at_a_wrong_address_is_told(stub: StubService, send: SendCommand) -> None:
    stub.otherwise = refuse(404)
    ran = send.run(*EVENT)
    assert ran.returncode == 1
    assert ran.stderr.startswith("activity: error: refused: POST http")
    assert "answer 404" in ran.stderr


def test_one_event_that_is_rejected_is_told(stub: StubService, send: SendCommand) -> None:
    ran = send.run(*EVENT[:-1], "bad")
    assert ran.returncode == 1
    assert ran.stderr == "activity: error: rejected: /message is bad\n"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "(missing: --component, --environment, --message)"),
        (["--component", "c"], "(missing: --environment, --message); or name a FILE"),
        (
            ["--component", "c", "--message", "m"],
            "(missing: --environment); or name a FILE",
        ),
        (["-", *EVENT], "--component is for one event: give it or FILE, not both"),
        ([*EVENT, "--batch", "5"], "--batch needs a FILE"),
        ([*EVENT, "--data", "{"], "--data is not JSON"),
        (["-", "--restart"], "--restart is for a file"),
        ([__file__, "--skip-lines", "5"], "--skip-lines is for standard input"),
        (["-", "--run-id", "a b"], "--run-id is not a run ID"),
        (["-", "--url", "nowhere"], "is not a service URL"),
        ([__file__, "--rejected", __file__], "must be different files"),
        ([__file__, "--restart", "--checkpoint", __file__], "must be different files"),
        (["-", "--batch", "0"], "'0' is not a whole number from 1 to 10000"),
        (["-", "--give-up", "never"], "'never' is not a number of seconds"),
    ],
)
def test_bad_usage_is_told(send: SendCommand, options: list[str], text: str) -> None:
    ran = send.run(*options, stdin=subprocess.DEVNULL)
    assert ran.returncode == 2
    assert text in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_that_is_not_there_is_told(send: SendCommand) -> None:
    ran = send.run("/nowhere/events")
    assert ran.returncode == 1
    assert ran.stderr == "activity: error: there is no file /nowhere/events\n"
