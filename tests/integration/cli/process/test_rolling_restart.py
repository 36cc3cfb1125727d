"""A rolling restart replaces a process only by one that serves."""

import errno
import os
import select
import socket
import sys

import pytest

from api.process import SHUTDOWN_SECONDS
from api.server.draining_server import LEAVE_SECONDS
from cli.process import listener as listening
from cli.process.commands import API_STOP_SECONDS
from cli.process.inspection import alive
from cli.process.supervisor import Command, Supervisor
from testbed.waiting import wait_until

ENV = {"PATH": os.defpath}
# A successor has two arguments more: `--ready-fd N`.
SUCCESSOR = "import os, sys, time; successor = len(sys.argv) > 1; "
ENDS = SUCCESSOR + "successor and sys.exit(1); time.sleep(1000)"
SERVES = SUCCESSOR + "successor and os.write(int(sys.argv[2]), b'ready'); time.sleep(1000)"
SILENT = "import time; time.sleep(1000)"
SECONDS = 30


def supervised(script: str, count: int = 2) -> Supervisor:
    supervisor = Supervisor(
        [Command("api", [sys.executable, "-I", "-S", "-c", script], ENV)] * count
    )
    supervisor.start()
    return supervisor


def restarted(supervisor: Supervisor, caplog: pytest.LogCaptureFixture, until: str) -> None:
    def said() -> bool:
        supervisor.turn()
        return until in caplog.text

    supervisor.restart(SECONDS)
    wait_until(said, until, SECONDS)


def test_each_process_is_replaced_and_the_one_before_is_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = supervised(SERVES)
    before = [pid for _, pid in supervisor.pids()]
    try:
        restarted(supervisor, caplog, "the rolling restart is complete")
        after = [pid for _, pid in supervisor.pids()]
        assert not set(before) & set(after)

        def have_left() -> bool:
            supervisor.turn()
            return not any(map(alive, before))

        wait_until(have_left, "them to leave")
        assert all(map(alive, after))
    finally:
        supervisor.stop(SECONDS)


@pytest.mark.parametrize(("script", "why"), [(ENDS, "ended before"), (SILENT, "did not serve")])
def test_when_a_successor_does_not_serve_the_processes_that_run_stay(
    script: str, why: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cli.process.rolling_restart.READY_SECONDS", 1.0 if script == SILENT else SECONDS
    )
    supervisor = supervised(script)
    before = supervisor.pids()
    try:
        restarted(supervisor, caplog, "the rolling restart was given up")
        assert why in caplog.text
        supervisor.turn()
        assert supervisor.pids() == before
        assert all(alive(pid) for _, pid in before)
    finally:
        supervisor.stop(SECONDS)


def test_an_api_process_has_the_time_that_its_stop_takes_before_it_is_killed() -> None:
    assert API_STOP_SECONDS > LEAVE_SECONDS + SHUTDOWN_SECONDS + 10


def test_a_connection_that_waits_when_the_service_stops_can_still_be_accepted() -> None:
    with listening.listen("127.0.0.1", 0) as listener, listener.dup() as of_a_process:
        client = socket.create_connection(listener.getsockname(), SECONDS)
        listening.stop_listening(listener)  # nobody accepts: it waits no longer than it may
        with client, of_a_process.accept()[0] as accepted:
            client.sendall(b"?")
            assert accepted.recv(1) == b"?"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can hold clients off")
def test_a_client_that_comes_while_the_service_stops_is_refused_and_not_reset() -> None:
    with listening.listen("127.0.0.1", 0) as listener, listener.dup() as of_a_process:
        address = listener.getsockname()
        listening.stop_listening(listener)
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex(address)
            of_a_process.close()
            assert select.select([], [client], [], SECONDS)[1]
            assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
