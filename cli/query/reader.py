"""GET documents of a service, and wait within bounds while it is away or busy."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
    TimeoutError,
)
from urllib3.util import Timeout

from activity_client.backoff import Backoff, retry_after
from cli.connection_hints import waiting_for
from cli.errors import CliError, ReadRefused
from cli.query.events import JSON
from cli.query.patience import Patience
from cli.query.refusals import refusal, told
from cli.query.service import Service

Parameters = Sequence[tuple[str, str]]

MAX_PAUSE = 5.0

_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 60.0
_QUIET_SECONDS = 600.0  # a search through a long time finds nothing for as long
_PIECE_BYTES = 1024 * 1024
_MAX_ANSWER_BYTES = 512 * _PIECE_BYTES  # a page of 1,000 events of 256 KiB, and half of that
_BUSY = (429, 503)  # if the answer says when to come again
_PASSING = (408, 502, 504)


class Answer(NamedTuple):
    """The body of a good answer."""

    body: bytes


class NotNow(Exception):
    """There is no answer yet, or it broke off.

    `seconds`: what the service asks to wait. `unconnected`: no connection came about. `silent`:
    nothing came for too long.
    """

    def __init__(
        self,
        reason: str,
        seconds: float = 0.0,
        unconnected: bool = False,
        silent: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds
        self.unconnected = unconnected
        self.silent = silent


class Stream(NamedTuple):
    """A long answer. Its pieces raise `NotNow` if it breaks off."""

    headers: Mapping[str, str]
    pieces: Iterator[bytes]


class ServiceReader:
    """Asks one service; the proxies of the environment are ignored."""

    def __init__(self, service: Service, patience: Patience) -> None:
        self._service = service
        self._patience = patience
        self._has_answered = self._has_progressed = False
        self._pool = urllib3.PoolManager(retries=False, ssl_context=service.tls)

    def get(self, path: str, parameters: Parameters = ()) -> Answer:
        """Return the answer to a GET. Raises `ReadError`, `BadQuestion`."""
        backoff = Backoff(MAX_PAUSE)
        while True:
            try:
                answer = Answer(self._body(self._ask(path, parameters)))
            except NotNow as why:
                self.wait(backoff, why)
            else:
                self._has_answered = True
                self.progressed()
                return answer

    def stream(self, path: str, parameters: Parameters) -> Stream:
        """Return the answer to a GET that may be endless, tried once.

        It begins soon, but may pause for _QUIET_SECONDS. The caller says when it `progressed`.
        Raises `NotNow`, `ReadError`, `BadQuestion`.
        """
        response = self._ask(path, parameters)
        if response.headers.get("Transfer-Encoding", "").lower() != "chunked":
            response.close()
            raise ReadRefused(
                f"{self._service.url}: the answer does not tell where it ends, so that a part of "
                "it could pass for the whole; is a proxy of HTTP/1.0 in between?"
            )
        _let_pause(response)
        self._has_answered, self._has_progressed = True, False
        self._patience.reached()
        return Stream(response.headers, self._excused(self._pieces(response)))

    def _excused(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the pieces, and leave out their time unless nothing came of it but silence."""
        begun, excused = time.monotonic(), True
        try:
            yield from pieces
        except NotNow as why:
            excused = self._has_progressed or not why.silent
            if not excused:
                seconds = time.monotonic() - begun
                raise NotNow(f"the service sent nothing for {seconds:.0f} s") from None
            raise
        finally:
            if excused:
                self._patience.excuse(time.monotonic() - begun)

    def wait(self, backoff: Backoff, why: NotNow) -> None:
        """Wait before the next try. Raises `NoAnswer` if that would be too long."""
        self._patience.pause(backoff.next(why.seconds), why.reason, why.unconnected)

    def progressed(self) -> None:
        """Note that something came of an answer: from now on the patience is new."""
        self._has_progressed = True
        self._patience.answered()

    def _ask(self, path: str, parameters: Parameters) -> urllib3.BaseHTTPResponse:
        """Return a good answer, of which only the head is read."""
        query = urlencode(parameters)
        headers = {"Accept": JSON, **self._service.credentials.headers()}
        try:
            response = self._pool.request(
                "GET",
                f"{self._service.url}{path}{'?' if query else ''}{query}",
                headers=headers,
                redirect=False,
                preload_content=False,
                timeout=Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS),
            )
        except (HTTPError, OSError) as error:
            raise self._not_now(error) from None
        if response.status == 200:
            return response
        body = self._body(response)
        raise self._refused(response.status, body, response.headers.get("Retry-After"))

    def _not_now(self, error: Exception) -> NotNow:
        """Return the error with the address and remedies, unless the service has answered there."""
        unconnected = isinstance(error, NewConnectionError | ConnectTimeoutError)
        reason = _reason(error)
        if not self._has_answered:
            reason = f"{reason}; {waiting_for(self._service.url, reason)}"
        return NotNow(reason, 0.0, unconnected, isinstance(error, ReadTimeoutError))

    def _body(self, response: urllib3.BaseHTTPResponse) -> bytes:
        pieces, size = [], 0
        for piece in self._pieces(response):
            pieces.append(piece)
            size += len(piece)
            if size > _MAX_ANSWER_BYTES:
                raise ReadRefused(f"{self._service.url}: the answer is too large")
        return b"".join(pieces)

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            # `stream` raises if the answer ends too early; one `read` does not.
            yield from response.stream(_PIECE_BYTES)
        except (HTTPError, OSError) as error:
            raise self._not_now(error) from None
        else:
            response.release_conn()
        finally:
            response.close()  # of a connection that is not released

    def _refused(self, status: int, body: bytes, later: str | None) -> NotNow | CliError:
        asked = status in _BUSY and later is not None
        if asked or status in _PASSING or (status >= 500 and self._patience.is_lasting):
            return NotNow(told(status, body), retry_after(later))
        return refusal(self._service.url, status, body)


def _let_pause(response: urllib3.BaseHTTPResponse) -> None:
    """Wait longer for the rest of the answer than for its beginning."""
    sock = getattr(response.connection, "sock", None)  # None: it closes the connection
    if sock is not None:
        sock.settimeout(_QUIET_SECONDS)


def _reason(error: Exception) -> str:
    """Return the original error below those of urllib3."""
    if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
        return "timed out waiting for an answer"
    inner = [each for each in error.args if isinstance(each, Exception)]
    cause = error.__cause__ or (inner[-1] if inner else error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
