"""Logging neither blocks nor ends a process, whatever becomes of its output."""

import json
import os
import pty
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.logs.formats import format_of
from storage.logs.output import Output
from storage.logs.setup import LineHandler
from testbed.waiting import wait_until
from tests.support.log_records import record

LINE = "x" * 200


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Yield a pipe that nobody has opened as not blocking."""
    reading, writing = os.pipe()
    yield reading, writing
    for each in (reading, writing):
        try:
            os.close(each)
        except OSError:
            continue


def read_all(descriptor: int) -> bytes:
    found = b""
    while select.select([descriptor], [], [], 0)[0]:
        piece = os.read(descriptor, 65536)
        if not piece:
            break
        found += piece
    return found


def test_a_pipe_that_nobody_reads_loses_lines_and_says_how_many(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    handler = LineHandler([Output(writing)], format_of("text", "api"))
    for _ in range(1000):
        handler.handle(record(LINE))
    lines = read_all(reading).decode().splitlines()
    handler.handle(record("again"))
    after = read_all(reading).decode().splitlines()
    assert all(line.endswith(LINE) for line in lines)
    assert after[0].endswith(" again")
    assert after[1].endswith(f" {1000 - len(lines)} log records could not be written and are lost")
    assert os.get_blocking(writing), "others write to it too"


def test_a_line_of_which_a_pipe_took_a_part_does_not_spoil_the_next(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    output = Output(writing)
    assert not output.write("y" * 200_000)
    read_all(reading)
    assert output.write("next")
    assert read_all(reading) == b"\nnext\n"


def test_a_pipe_without_a_reader_and_a_closed_stderr_lose_lines(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    output = Output(writing)
    os.close(reading)
    assert not output.write("x")
    os.close(writing)
    assert Output(writing).write("x"), "into nothing"


def test_a_socket_that_nobody_reads_loses_lines() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        output = Output(ours.fileno())
        written = [output.write(LINE) for _ in range(5000)]
        assert written[0]
        assert not written[-1]
        assert ours.gettimeout() is None


def test_a_stopped_terminal_loses_lines() -> None:
    main, terminal = pty.openpty()
    try:
        output = Output(terminal)
        written = [output.write(LINE) for _ in range(5000)]
        assert written[0]
        assert not written[-1]
        assert os.get_blocking(terminal), "a shell uses it too"
    finally:
        os.close(main)
        os.close(terminal)


def test_a_full_disk_loses_lines(tmp_path: Path) -> None:
    """A limit of the file's size stands for the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handling = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        output = Output(descriptor)
        assert [output.write(LINE) for _ in range(10)].count(True) == 4
        os.ftruncate(descriptor, 0)
        assert output.write("room again")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handling)
        os.close(descriptor)
    assert (tmp_path / "log").read_text() == "\nroom again\n"


WRITER = """
import logging, sys
from storage.logs.setup import set_up
set_up("worker", "json", descriptors=[int(sys.argv[1])])
for number in range(500):
    logging.getLogger("x").warning("%s %d", sys.argv[2] * 300, number)
"""


def test_lines_of_several_processes_do_not_mix_and_kill_9_harms_none(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    command = [sys.executable, "-c", WRITER, str(descriptor)]
    writers = [
        subprocess.Popen([*command, name], pass_fds=[descriptor], stderr=subprocess.DEVNULL)
        for name in "abc"
    ]
    wait_until(lambda: log.read_bytes().count(b"\n") > 50, "some lines")
    writers[0].kill()
    for writer in writers:
        writer.wait(60)
    os.close(descriptor)
    found = [json.loads(line)["message"] for line in log.read_text().splitlines()]
    for name in "bc":
        assert [each for each in found if each[0] == name] == [
            f"{name * 300} {number}" for number in range(500)
        ]


def test_a_handler_prints_nothing_of_a_record_that_it_can_not_write(
    capfd: pytest.CaptureFixture[str],
) -> None:
    handler = LineHandler([], format_of("text", "api"))
    handler.handleError(record("password"))
    made = record("x")
    made.created = float("nan")
    handler.handle(made)
    assert capfd.readouterr() == ("", "")
