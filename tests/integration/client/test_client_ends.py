"""How a client ends: closed, with its process, in a forked child, in a signal handler."""

import multiprocessing
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from activity_client import ClientClosed
from testbed.waiting import wait_until
from tests.support.client_runs import client_of, send_all
from tests.support.stub_service import (
    StubService,
    refuse,
)


def test_a_client_that_sends_nothing_starts_no_thread(stub: StubService) -> None:
    before = threading.active_count()
    with client_of(stub):
        assert threading.active_count() == before


def test_a_closed_client_says_so_and_may_be_closed_again(stub: StubService) -> None:
    client = client_of(stub)
    send_all(client, "m")
    assert client.close()
    assert client.close()
    with pytest.raises(ClientClosed):
        client.send(message="late")
    assert stub.messages == ["m"]


def test_what_close_can_not_send_in_time_is_told(
    stub: StubService, caplog: pytest.LogCaptureFixture
) -> None:
    stub.stop()
    client = client_of(stub)
    send_all(client, "1", "2", "3")
    assert not client.close(0.2)
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"events not acknowledged by {stub.url} before the deadline: 3: " in said
    assert client.stats.pending == 3


SCRIPT = """
from activity_client import ActivityClient
client = ActivityClient({url!r}, component="c", environment="e")
client.send(message="at the end")
"""


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )


def test_what_waits_at_the_end_of_the_process_is_sent(stub: StubService) -> None:
    assert run_python(SCRIPT.format(url=stub.url)).stderr == ""
    assert stub.messages == ["at the end"]


def test_what_can_not_be_sent_at_the_end_of_the_process_is_told_on_stderr(
    stub: StubService,
) -> None:
    stub.stop()
    code = SCRIPT.format(url=stub.url).replace('"e")', '"e", limits=Limits(exit_seconds=0.2))')
    ended = run_python(code.replace("import ", "import Limits, "))
    assert "before the deadline: 1: " in ended.stderr
    assert "refused" in ended.stderr


def test_events_sent_while_the_process_ends_are_sent(stub: StubService) -> None:
    """The first of them, so that there is no thread yet."""
    code = SCRIPT.format(url=stub.url).replace(
        "client.send(", "import atexit; atexit.register(client.send, "
    )
    assert run_python(code).stderr == ""
    assert stub.messages == ["at the end"]


def test_without_a_thread_to_be_had_close_sends(
    stub: StubService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python 3.12 on there is none any more when the interpreter ends."""

    def refuse_to_start(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    client = client_of(stub)
    with monkeypatch.context() as patch:
        patch.setattr("activity_client.client.threading.Thread.start", refuse_to_start)
        send_all(client, "1", "2")
    assert client.close(20)
    assert stub.messages == ["1", "2"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_an_error_ends_leaves_its_batch_to_the_next_under_its_key(
    stub: StubService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(sender: object, batch: object, verdicts: object) -> None:
        raise AssertionError("a bug of ours")

    client = client_of(stub)
    with monkeypatch.context() as patch:
        patch.setattr("activity_client.sender.Sender._report", fail)
        send_all(client, "1")
        assert not client.flush(20)
        wait_until(lambda: client._thread and not client._thread.is_alive(), "its end")
    send_all(client, "2")
    assert client.flush(20)
    assert client.close()
    assert stub.messages == ["1", "2"]
    assert client.stats.accepted == 2


def forked(work: Any) -> int:
    """Return the exit status of a child that does this work."""
    child = os.fork()
    if child == 0:
        status = 4
        try:
            status = 0 if work() else 3
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_sends_what_is_its_own_and_nothing_of_its_parents(
    stub: StubService,
) -> None:
    stub.stop()
    client = client_of(stub)
    send_all(client, "parent's")
    wait_until(lambda: client.stats.retries > 0, "the parent to be at it")
    stub.start()
    stub.script += [refuse(503, retry_after="1")]

    def work() -> bool:
        assert client.stats.sent == 0
        send_all(client, "child's")
        return client.flush(20)

    assert forked(work) == 0
    assert client.flush(20)
    assert sorted(stub.messages) == ["child's", "parent's"]
    assert client.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_of_multiprocessing_sends_what_waits_when_it_ends(stub: StubService) -> None:
    client = client_of(stub)
    send_all(client, "parent's")
    context = multiprocessing.get_context("fork")
    child = context.Process(target=send_all, args=(client, "child's"))
    child.start()
    child.join(30)
    assert client.close(20)
    assert sorted(stub.messages) == ["child's", "parent's"]


def test_a_signal_handler_that_sends_does_not_hang(stub: StubService) -> None:
    code = f"""
import signal
from activity_client import ActivityClient, Limits
roomy = Limits(buffer_events=10**7, buffer_bytes=10**9)
client = ActivityClient({stub.url!r}, component="c", environment="e", limits=roomy)
handled = sent = 0
def handle(*_):
    global handled
    client.send(message="from the handler")
    handled += 1
signal.signal(signal.SIGPROF, handle)
signal.setitimer(signal.ITIMER_PROF, 0.0005, 0.0005)
while handled < 100:
    client.send(message="x")
    sent += 1
signal.setitimer(signal.ITIMER_PROF, 0)
assert client.close(30)
print(client.stats.sent - handled - sent)
"""
    assert run_python(code).stdout == "0\n"
