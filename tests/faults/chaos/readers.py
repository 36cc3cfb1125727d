"""Run clients that do not read answers, and clients that do not end their requests."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from random import Random

from tests.faults.chaos.client import get
from tests.faults.chaos.stack import Stack
from tests.support.bounds import resident

MIB = 1024 * 1024
MAX_BYTES = 400 * MIB  # of an API process; without bounds the heads alone take 420 MiB
ANSWER_SECONDS = 10
BODY_BYTES = 256 * 1024

_PAGES = b"GET /events?limit=1000 HTTP/1.1\r\nHost: chaos\r\n\r\n" * 4
_HEAD = b"GET /health HTTP/1.1\r\n" + b"a:b\r\n" * 12_000
_BODY = (
    b"POST /events HTTP/1.1\r\nHost: chaos\r\nContent-Type: application/json\r\n"
    b'Content-Length: %d\r\n\r\n{"message":"' % BODY_BYTES + b"x" * (BODY_BYTES - 20)
)
KINDS = [(_PAGES, 15), (_HEAD, 300), (_BODY, 150)]  # what is sent to each address, and how often
CLIENTS = sum(count for _, count in KINDS)


@contextmanager
def do_not_read(stack: Stack, rng: Random) -> Iterator[str]:
    """Run such clients while other requests are answered.

    Raises AssertionError if the memory of an API process is not bounded.
    """
    with ExitStack() as clients:
        waiting = [
            (clients.enter_context(_connected(port)), memoryview(sent))
            for port in stack.ports
            for sent, count in KINDS
            for _ in range(count)
        ]
        rng.shuffle(waiting)
        while waiting := [(one, rest) for one, sent in waiting if (rest := _send(one, sent))]:
            _wait_answered(stack)
        yield f"{CLIENTS} clients of each address"
        _wait_answered(stack)
        for pid in stack.pids("api"):
            held = resident(pid, "VmHWM")
            assert held < MAX_BYTES, f"API process {pid} held {held / MIB:.0f} MiB"


def _connected(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    client.setblocking(False)
    return client


def _send(client: socket.socket, sent: memoryview) -> memoryview:
    """Send what fits now; return the rest, which is empty if the client was refused."""
    try:
        return sent[client.send(sent) :]
    except BlockingIOError:
        return sent
    except (BrokenPipeError, ConnectionResetError):
        return sent[:0]


def _wait_answered(stack: Stack) -> None:
    for port in stack.ports:
        stack.wait(partial(_is_answered, port), f"an answer of port {port}", ANSWER_SECONDS)


def _is_answered(port: int) -> bool:
    return get(port, "/health").status == 200
