"""`activity send` sends a file in batches, retries errors, and ends at refusals."""

import contextlib
import json
import os
import pty
import subprocess
import termios
from pathlib import Path

import pytest

from cli.send.rejects import reasons_path
from tests.support import send_runs
from tests.support.send_command import SendCommand, ndjson
from tests.support.send_runs import EVENT, accept_some, ended, messages
from tests.support.stub_service import (
    LOST,
    Reply,
    StubService,
    lose_the_answer,
    refuse,
)

send = send_runs.send


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


def test_control_characters_do_not_reach_the_terminal(
    send: SendCommand, stub: StubService, tmp_path: Path
) -> None:
    assert r"no file /nowhere/\x1b[31mevents" in send.run("/nowhere/\x1b[31mevents").stderr
    file = tmp_path / "na\x1b[31mme"
    file.write_text('{"message":"bad \\u001b[31m"}\n')
    problem = {"status": 422, "detail": "a\x1b[31mb is not a field"}
    results = [{"error": {**problem, "errors": [{"detail": problem["detail"]}]}}]
    stub.script.append(lambda *_: Reply(422, {"accepted": 0, "rejected": 1, "results": results}))
    told = send.run(file)
    assert r"a\x1b[31mb is not a field" in told.stderr
    assert "\x1b" not in told.stdout + told.stderr


def test_the_accepted_part_of_a_split_batch_is_told_when_the_rest_gives_up(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.script += [refuse(413), StubService.accept]
    stub.otherwise = refuse(429)
    file = ndjson(tmp_path / "events", 30)
    summary = send.summary(file, "--give-up", 1, "--connections", 1)
    assert (summary["status"], summary["complete"]) == (1, False)
    assert (summary["lines"], summary["accepted"], summary["run_accepted"]) == (15, 15, 15)
    stub.script += [refuse(413), StubService.accept]
    ran = send.run(file, "--give-up", 1, "--connections", 1)
    assert ran.stdout.startswith("7 accepted, 0 rejected in this run")
    assert "; stopped after line 22; run the same command again to continue" in ran.stderr
    stub.otherwise = StubService.accept
    again = send.summary(file, "--connections", 1)
    assert (again["lines"], again["accepted"], again["rejected"]) == (30, 30, 0)
    assert stub.messages == messages(30)


def test_standard_input_continues_behind_the_accepted_part_of_a_batch(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.script += [StubService.accept, refuse(413), StubService.accept]
    stub.otherwise = refuse(429)
    file = ndjson(tmp_path / "events", 40)
    options = ("-", "--give-up", 1, "--connections", 1, "--batch", 20)
    with file.open() as given:
        ran = send.run(*options, stdin=given)
    assert ran.stdout.startswith("30 accepted, 0 rejected")
    assert "stopped after line 30; send the same input with --skip-lines 30 " in ran.stderr
    assert ":40 --batch 20 to continue" in ran.stderr  # where the other part ends


def test_a_key_without_the_scope_is_told_how_to_make_one_that_has_it(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.otherwise = refuse(
        403, WWW_Authenticate='Bearer error="insufficient_scope", scope="write"'
    )
    ran = send.run(ndjson(tmp_path / "events", 3))
    assert ran.returncode == 1
    assert "answer 403: told to say 403; make a key with `activity keys create" in ran.stderr
    assert "--scope write`; stopped" in ran.stderr
    assert "an Activity Service?" not in ran.stderr
