"""Act as hostile clients, and check every answer they get."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from storage.redis import keys
from storage.redis.client import connect
from testbed.service import Service
from tests.support.problems import INSIDE, document
from tests.support.raw_http import Answer, Raw, request

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
BODY = json.dumps(EVENT).encode()
JSON = b"Content-Type: application/json"
LAST = request(b"", b"GET", b"/health", b"Connection: close")

# No text of a client may become a header of its answer.
_HEADERS = frozenset(
    (
        *("content-type", "content-length", "transfer-encoding", "connection", "date", "location"),
        *("etag", "x-cache", "cache-control", "allow", "retry-after", "vary"),
        *("activity-ack", "activity-lag", "accept-encoding", "x-request-id"),
    )
)


def fuzz(examples: int) -> settings:
    """Set the number of examples, whatever time one of them takes."""
    return settings(max_examples=examples, suppress_health_check=list(HealthCheck))


def accepted(running: Service) -> int:
    """Return the number of events ever put on the queue."""
    with connect(running.settings.queue_url) as queue:
        tags = keys.tags(queue)[: running.settings.shards]
        found = [queue.hget(keys.state(tag), "accepted") for tag in tags]
    return sum(int(count or 0) for count in found)


def post(body: bytes, *headers: bytes) -> bytes:
    """Build a request that posts a body as JSON, with its length."""
    return request(body, b"POST", b"/events", JSON, b"Content-Length: %d" % len(body), *headers)


def get(path: bytes, *headers: bytes) -> bytes:
    """Build a GET request."""
    return request(b"", b"GET", path, *headers)


def talk(running: Service, sent: bytes) -> list[Answer]:
    """Send bytes, then a last request; return every answer until the server closes, each checked.

    Asserts that each 202 stands for one accepted event, and that nothing else was accepted.
    """
    before = accepted(running)
    with Raw(running) as raw:
        raw.send(sent, LAST)
        answers = read_all(raw)
    assert answers, "closed without a word"
    for answer in answers:
        check(answer)
    assert accepted(running) - before == sum(answer.status == 202 for answer in answers)
    return answers


def read_all(raw: Raw) -> list[Answer]:
    """Read all answers of a connection that the server closes."""
    answers: list[Answer] = []
    while True:
        try:
            answers.append(raw.answer("GET"))
        except http.client.RemoteDisconnected:
            return answers
        if answers[-1].headers["connection"] == "close":
            return answers


_ABOUT_THE_REQUEST = (501, 505)  # RFC 9112: an unknown transfer coding, an unsupported version


def check(answer: Answer) -> None:
    """Assert that an answer is no internal error, and has known headers and a valid problem."""
    assert answer.status < 500 or answer.status in _ABOUT_THE_REQUEST, answer
    assert {name.lower() for name in answer.headers} <= _HEADERS
    if answer.status >= 400:
        document(answer.status, answer.headers, answer.body, answer.status)


def refused(running: Service, sent: bytes, *statuses: int) -> Answer:
    """Return the one answer before the last, which has one of these statuses."""
    answer = talk(running, sent)[0]
    assert answer.status in statuses, answer
    return answer


def flood(running: Service, parts: Iterable[bytes]) -> Answer:
    """Send all bytes, even if the server answers early; return its answer."""
    with Raw(running) as raw:
        sender = threading.Thread(target=lambda: raw.send(*parts))
        sender.start()
        answer = raw.answer()
        sender.join(30)
    check(answer)
    return answer


def drip(running: Service, sent: bytes, drop: bytes, seconds: float) -> bytes:
    """Send bytes, then a drop every 50 ms until the server closes; return its answer."""
    start = time.monotonic()
    said = b""
    with Raw(running) as raw:
        raw.send(sent)
        raw.socket.settimeout(0.05)
        while time.monotonic() - start < seconds:
            try:
                part = raw.socket.recv(65536)
            except TimeoutError:
                raw.send(drop)
            except ConnectionResetError:
                return said
            else:
                if not part:
                    return said
                said += part
    raise AssertionError(f"still open after {seconds} s of {drop!r}; it said {said!r}")


def pipelined(running: Service, one: bytes, count: int) -> int:
    """Send a request many times without waiting; return how many were answered with 200."""
    with Raw(running) as raw:
        sender = threading.Thread(target=lambda: raw.send(*[one * 100] * (count // 100), LAST))
        sender.start()
        found, rest = 0, b""
        while part := raw.socket.recv(1 << 18):
            rest += part
            found += rest.count(b"HTTP/1.1 200 ")
            rest = rest[-12:]
        sender.join(30)
    return found - 1


def at_once(calls: Iterable[Callable[[], object]]) -> None:
    """Run all calls at the same time. Raises the first exception."""
    every = list(calls)
    with ThreadPoolExecutor(len(every)) as threads:
        for future in [threads.submit(call) for call in every]:
            future.result()


def idle(running: Service, count: int) -> list[socket.socket]:
    """Open connections that send nothing."""
    address = running.listener.getsockname()
    return [socket.create_connection(address, 20) for _ in range(count)]


# --- what to send ------------------------------------------------------------------------------


def words(most: int) -> st.SearchStrategy[str]:
    """Return texts of a given length.

    Leaves out words that look like internals of the service when an answer repeats them: hypothesis
    also tries words from the source of this project.
    """
    return st.text(st.characters(), max_size=most).filter(lambda text: not INSIDE.search(text))


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | words(20)
    | st.sampled_from(["\0", "\ud800", "\udfff\ud800", " ", "", "a@b", "x" * 300])
)
_NAMES = st.sampled_from([*EVENT, "email", "data", "id", "created_at", "__proto__"]) | words(5)

json_of_any_shape = st.builds(
    lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only).encode(
        errors="surrogatepass"
    ),
    st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_NAMES, inner, max_size=7),
        max_leaves=20,
    ),
    st.booleans(),
)

_PIECES = st.binary(max_size=6) | st.sampled_from(
    [
        *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\0", b"\xff", b"\xed\xa0\x80", b"%"),
        *(b'\\u0000"', b"\\ud800", b"NaN", b"-Infinity", b"1e999", b"1" * 5000, b"[" * 100),
        *(b'"data":', b'"component":"a",', b"null", b"\xef\xbb\xbf", b"%00", b"%ff", b"%2", b"&"),
        *(b"&component=", b"&limit=9", b"&data.a=", b"+", b"#", b"//", b"/..", b"\xc3\xbc", b"\t"),
    ]
)


@st.composite
def mutations(
    draw: st.DrawFn, good: Iterable[bytes], pieces: st.SearchStrategy[bytes] = _PIECES
) -> bytes:
    """Cut a valid text, repeat it, or overwrite a few places of it."""
    text = draw(st.sampled_from(list(good)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 8)))
        middle = draw(st.one_of(st.just(b""), pieces, st.just(text[start:end] * 2)))
        text = text[:start] + middle + text[end:]
    return text
