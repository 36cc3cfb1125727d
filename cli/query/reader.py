"""GET documents of a service, and wait within bounds while it is away or busy."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    TimeoutError,
)
from urllib3.util import Timeout

from activity_client.backoff import Backoff, retry_after
from cli.connection_hints import waiting_for
from cli.errors import ReadRefused
from cli.query.events import JSON
from cli.query.patience import Patience
from cli.query.refusals import refusal, told
from cli.query.service import Service

Parameters = Sequence[tuple[str, str]]

_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 60.0
_MAX_PAUSE = 5.0
_PIECE_BYTES = 1024 * 1024
_MAX_ANSWER_BYTES = 512 * _PIECE_BYTES  # a page of 1,000 events of 256 KiB, and half of that
_BUSY = (429, 503)  # if the answer says when to come again
_PASSING = (408, 502, 504)


class Answer(NamedTuple):
    """The body of a good answer."""

    body: bytes


class _NotNow(NamedTuple):
    """No answer yet. `seconds`: what the service asks to wait."""

    reason: str
    seconds: float = 0.0
    unconnected: bool = False


class ServiceReader:
    """Asks one service; the proxies of the environment are ignored."""

    def __init__(self, service: Service, patience: Patience) -> None:
        self._service = service
        self._patience = patience
        self._has_answered = False
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS),
            ssl_context=service.tls,
        )

    def get(self, path: str, parameters: Parameters = ()) -> Answer:
        """Return the answer to a GET. Raises `ReadError`, `BadQuestion`."""
        backoff = Backoff(_MAX_PAUSE)
        while True:
            answer = self._attempt(path, parameters)
            if isinstance(answer, Answer):
                self._patience.answered()
                self._has_answered = True
                return answer
            self._patience.pause(backoff.next(answer.seconds), answer.reason, answer.unconnected)

    def _attempt(self, path: str, parameters: Parameters) -> Answer | _NotNow:
        query = urlencode(parameters)
        headers = {"Accept": JSON, **self._service.credentials.headers()}
        try:
            response = self._pool.request(
                "GET",
                f"{self._service.url}{path}{'?' if query else ''}{query}",
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            body = self._body(response)
        except (HTTPError, OSError) as error:
            unconnected = isinstance(error, NewConnectionError | ConnectTimeoutError)
            return _NotNow(self._explained(_reason(error)), unconnected=unconnected)
        if response.status == 200:
            return Answer(body)
        return self._refused(response.status, body, response.headers.get("Retry-After"))

    def _explained(self, reason: str) -> str:
        """Add the address and remedies, unless the service has answered there before."""
        if self._has_answered:
            return reason
        return f"{reason}; {waiting_for(self._service.url, reason)}"

    def _body(self, response: urllib3.BaseHTTPResponse) -> bytes:
        pieces, size = [], 0
        try:
            # `stream` raises if the answer ends too early; one `read` does not.
            for piece in response.stream(_PIECE_BYTES):
                pieces.append(piece)
                size += len(piece)
                if size > _MAX_ANSWER_BYTES:
                    raise ReadRefused(f"{self._service.url}: the answer is too large")
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return b"".join(pieces)

    def _refused(self, status: int, body: bytes, later: str | None) -> _NotNow:
        asked = status in _BUSY and later is not None
        if asked or status in _PASSING or (status >= 500 and self._patience.is_lasting):
            return _NotNow(told(status, body), retry_after(later))
        raise refusal(self._service.url, status, body)


def _reason(error: Exception) -> str:
    """Return the original error below those of urllib3."""
    if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
        return "timed out waiting for an answer"
    inner = [each for each in error.args if isinstance(each, Exception)]
    cause = error.__cause__ or (inner[-1] if inner else error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
