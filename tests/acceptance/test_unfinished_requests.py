"""Begin many requests and never end them: memory is bounded, and others are served."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from storage.settings import StorageSettings
from testbed.service import service
from testbed.waiting import wait_until
from tests.support.bounds import connections, resident
from tests.support.hostile import BODY, EVENT, JSON
from tests.support.problems import document
from tests.support.raw_http import Raw, request
from tests.support.uploads import upload

MIB = 1024 * 1024
CLIENTS = 1_200
EVENT_BYTES = 256 * 1024
PART = BODY[:-1] + b',"data":"' + b"x" * (EVENT_BYTES - 200)
# Without a bound a process grew by 437 MiB for bodies and by 1.7 GiB for heads. With it: two
# budgets of 64 MiB, running requests, and 1,200 connections, about 200 MiB in all.
GROWTH_BYTES = 256 * MIB
LEFT_BYTES = 48 * MIB
SECONDS = 60
NDJSON = {"content-type": "application/x-ndjson"}

UNFINISHED = {
    "body": request(PART, b"POST", b"/events", JSON, b"Content-Length: %d" % (len(PART) + 2)),
    "chunks": request(
        b"%x\r\n%b" % (len(PART) + 2, PART),
        *(b"POST", b"/events", JSON, b"Transfer-Encoding: chunked"),
    ),
    "batch": request(
        PART, b"POST", b"/events/batch", JSON, b"Content-Length: %d" % (len(PART) + 2)
    ),
    "trailer": request(
        b"0\r\n" + b"a:b\r\n" * 13_000,
        *(b"POST", b"/events", JSON, b"Transfer-Encoding: chunked"),
    ),
    "head": b"GET /health HTTP/1.1\r\n" + b"a:b\r\n" * 12_000,
}


@contextmanager
def many_files() -> Iterator[None]:
    """Let this process and its children open enough sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * CLIENTS)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Sender:
    """A client that sends as much of an unfinished request as the service takes."""

    def __init__(self, raw: Raw, sent: bytes) -> None:
        self.raw = raw
        self._left = memoryview(sent)
        raw.socket.setblocking(False)

    def send(self) -> bool:
        """Send more; return whether all of it was sent."""
        try:
            self._left = self._left[self.raw.socket.send(self._left) :]
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):  # it was refused
            return True
        return not self._left

    def was_refused(self) -> bool:
        """Return whether an answer can be read: only a refused client has any."""
        try:
            return bool(self.raw.socket.recv(1, socket.MSG_PEEK))
        except (BlockingIOError, ConnectionResetError):
            return False


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_requests_that_never_end_take_bounded_memory_and_others_are_served(
    settings: StorageSettings, sent: bytes
) -> None:
    with many_files(), service(settings, workers=0) as running, ExitStack() as stack:
        (api,) = running.apis
        running.post(**EVENT)
        before = resident(api.pid)
        clients = [Sender(stack.enter_context(Raw(running)), sent) for _ in range(CLIENTS)]

        def all_sent() -> bool:
            running.post(**EVENT)
            return sum([not client.send() for client in clients]) == 0

        wait_until(all_sent, "all to be sent", SECONDS)
        refused = wait_until(
            lambda: next((client for client in clients if client.was_refused()), None),
            "one to be refused",
            SECONDS,
        )
        assert refused is not None
        refused.raw.socket.setblocking(True)
        answer = refused.raw.answer()
        told = document(answer.status, answer.headers, answer.body, 503)
        assert "use all the memory for requests" in told["detail"]
        assert answer.headers["retry-after"]
        running.post(**EVENT)
        growth = resident(api.pid, "VmHWM") - before
        assert growth < GROWTH_BYTES, f"grew by {growth / MIB:.0f} MiB"
        stack.close()

        def is_back() -> bool:
            return resident(api.pid) < before + LEFT_BYTES

        wait_until(is_back, "the memory to come back", SECONDS)
        batch = upload(8 * MIB, 100)
        answer_to = running.http.post("/events/batch", content=batch, headers=NDJSON)
        assert answer_to.status_code == 202


def test_more_clients_than_the_limit_get_503_until_one_leaves(
    settings: StorageSettings,
) -> None:
    with service(settings, workers=0, connections=20) as running, ExitStack() as stack:
        running.post(**EVENT)
        before = connections(running)
        first = stack.enter_context(Raw(running))
        for _ in range(20 - before - 1):
            stack.enter_context(Raw(running))
        wait_until(lambda: connections(running) == 20, "all to be connected", SECONDS)
        with Raw(running) as one_more:
            answer = one_more.answer()
            document(answer.status, answer.headers, answer.body, 503)
            assert answer.headers["retry-after"]
            assert one_more.is_closed()
        running.post(**EVENT)
        first.socket.close()
        wait_until(lambda: connections(running) == 19, "one to have left", SECONDS)
        with Raw(running) as another:
            another.send(request(b"", b"GET", b"/health"))
            assert another.answer().status == 200
