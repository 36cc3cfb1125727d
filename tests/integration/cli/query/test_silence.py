"""What `activity query --all` does with a service that takes a request, and then sends nothing."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from activity_client.credentials import Credentials
from cli.errors import NoAnswer
from cli.query import reader
from cli.query.export_form import JsonForm
from cli.query.export_stream import Rows, exported
from cli.query.patience import Patience
from cli.query.reader import ServiceReader
from cli.query.service import Service

ID = "019a9b0c-6d2e-7b43-a1f0-5a3c2f1e0d9b"
ROW = json.dumps({"id": ID}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(row: bytes) -> bytes:
    return b"%x\r\n%b\n\r\n" % (len(row) + 1, row)


@contextmanager
def silent_service(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Answer each connection with the next bytes, the last ones again and again, and stay silent.

    Yields the address and the requests.
    """
    asked: list[bytes] = []
    open_: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):  # the listener is shut down
            while True:
                connection, _ = listener.accept()
                open_.append(connection)
                asked.append(connection.recv(65_536))
                connection.sendall(answers[min(len(asked), len(answers)) - 1])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in open_:
                connection.close()


def rows_of(url: str, give_up: float) -> list[Rows]:
    service = Service(url, Credentials(), None)
    return list(exported(ServiceReader(service, Patience(give_up)), (), JsonForm()))


@pytest.mark.parametrize(
    ("limit", "answer", "said"),
    [
        ("_ANSWER_SECONDS", b"", "timed out waiting for an answer"),
        ("_QUIET_SECONDS", HEAD, "the service sent nothing for"),
    ],
)
def test_silence_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch, limit: str, answer: bytes, said: str
) -> None:
    monkeypatch.setattr(reader, limit, 0.3)
    with silent_service(answer) as (url, _), pytest.raises(NoAnswer, match=said):
        rows_of(url, give_up=0.1)


def test_an_answer_that_falls_silent_after_a_row_is_continued_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "_QUIET_SECONDS", 0.3)
    with silent_service(HEAD + chunk(ROW), HEAD + END) as (url, asked):
        assert rows_of(url, give_up=60) == [Rows([ROW], 1)]
    assert [b"cursor=" in request for request in asked] == [False, True]
    assert ID.encode() in asked[1]
