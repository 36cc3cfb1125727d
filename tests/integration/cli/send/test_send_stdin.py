"""`activity send` reads standard input and pipes, and refuses compressed files."""

import gzip
import os
import signal
import subprocess
from pathlib import Path

from testbed.waiting import wait_until
from tests.support import send_runs
from tests.support.send_command import SendCommand, ndjson
from tests.support.send_runs import accept_some, ended, messages
from tests.support.stub_service import (
    StubService,
    lose_the_answer,
)

send = send_runs.send


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
