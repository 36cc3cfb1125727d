"""Post a batch over HTTP, and retry until the response is final."""

import re
import ssl
import threading
from collections.abc import Callable, Iterator
from os import PathLike

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    TimeoutError,
)
from urllib3.util import Timeout, parse_url

from activity_client.answers import Answer, Done, Refused, Reply, Retry, Split, Verdict, read
from activity_client.backoff import Backoff
from activity_client.batch import Batch
from activity_client.credentials import KEY, KEY_FILE, Credentials
from activity_client.errors import BadCaFile, BadUrl

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
MAX_PAUSE = 30.0
_UNAUTHORIZED, _FORBIDDEN, _CHALLENGE = 401, 403, "WWW-Authenticate"
_TOO_MANY = 429  # the service took nothing: it says so, and a proxy has not forwarded the request
_PIECE_BYTES = 64 * 1024
_missing_scope = re.compile(r'.*\binsufficient_scope\b.*\bscope="(\w+)"').match

Pause = Callable[[float, str], None]
"""Waits the seconds before the next retry, for the given reason; raises to stop retrying."""

OnRefusal = Callable[[float, Refused], None]
"""As `Pause`, for a refused request whose events may be valid."""


class Transport:
    """Posts batches to one service; ignores proxies of the environment.

    Args:
        url: The service's base URL.
        connections: The number of threads that may use the transport at the same time.
        max_pause: Seconds between two requests, at most, unless the service asks for more.
        credentials: The API key of every request; by default that of the environment.
        trusted: The certificates to trust (`trust`); without them the system's.
        target: Where batches are posted to: the path and the query.

    Raises:
        BadUrl: `url` is not a service URL.
        BadKey: The key of the environment is none.
    """

    def __init__(
        self,
        url: str,
        connections: int = 1,
        max_pause: float = MAX_PAUSE,
        credentials: Credentials | None = None,
        trusted: ssl.SSLContext | None = None,
        target: str = "/events/batch",
    ) -> None:
        self._credentials = credentials or Credentials.of_environment()
        self._url = service_address(url)
        self._endpoint = f"{self._url}{target}"
        self._max_pause = max_pause
        self._lock = threading.Lock()
        self._maybe_taken = 0  # requests, including those in flight
        self._pools = urllib3.PoolManager(
            maxsize=connections,
            retries=False,
            timeout=Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
            ssl_context=trusted,
        )

    @property
    def took_nothing(self) -> bool:
        """Tell whether the service certainly took none of the requests so far."""
        with self._lock:
            return self._maybe_taken == 0

    def deliver(self, batch: Batch, pause: Pause, refused: OnRefusal) -> list[Verdict]:
        """Return the verdict for each event of the batch, in order.

        A batch that is too large is sent in parts. Otherwise like `deliver_whole`.
        """
        verdicts = self.deliver_whole(batch, pause, refused)
        if verdicts is None:
            parts = [self.deliver(half, pause, refused) for half in batch.halves()]
            verdicts = [verdict for part in parts for verdict in part]
        return verdicts

    def deliver_whole(self, batch: Batch, pause: Pause, refused: OnRefusal) -> list[Verdict] | None:
        """Return the verdict for each event of the batch, in order, None if it is too large.

        Retry lost responses, refused connections, 408, 409, 425, 429 and 5xx with the same key and
        the same bytes. Before each retry call `pause`, or `refused` if the request was refused;
        an exception of either ends the retries. A single event that is too large is rejected.
        """
        backoff = Backoff(self._max_pause)
        while True:
            match self._attempt(batch):
                case Done(verdicts):
                    return verdicts
                case Split(problem) if len(batch.lines) == 1:
                    return [Verdict(problem=problem)]
                case Split():
                    return None
                case Retry(reason, seconds):
                    pause(backoff.next(seconds), reason)
                case Refused() as answer:
                    refused(backoff.next(answer.seconds), answer)

    def close(self) -> None:
        """Close idle connections."""
        self._pools.clear()

    def _attempt(self, batch: Batch) -> Answer:
        self._count(batch, 1)
        answer = self._post(batch)
        if isinstance(answer, Split) or (isinstance(answer, Retry | Refused) and answer.untaken):
            self._count(batch, -1)
        return answer

    def _count(self, batch: Batch, requests: int) -> None:
        """Add requests by which the service may take events."""
        batch.maybe_taken += requests
        with self._lock:
            self._maybe_taken += requests

    def _explained(self, answer: Refused, status: int, challenge: str) -> Refused:
        reason = f"POST {self._endpoint}: {answer.reason.rstrip('.')}"
        if status == _FORBIDDEN and (scope := _missing_scope(challenge)):
            reason += f"; make a key with `activity keys create NAME --scope {scope[1]}`"
        elif status == _UNAUTHORIZED and "Bearer" in challenge:
            reason += f"; is there one in {KEY}, or in the file that {KEY_FILE} names?"
        elif not answer.key_reused:
            reason += f"; is {self._url} an Activity Service?"
        return answer._replace(reason=reason)

    def _post(self, batch: Batch) -> Answer:
        headers, body = batch.request
        headers = {**headers, **self._credentials.headers()}
        try:
            response = self._pools.urlopen(
                "POST", self._endpoint, body=_pieces(body), headers=headers, redirect=False
            )
        except (HTTPError, OSError) as error:
            untaken = isinstance(error, NewConnectionError | ConnectTimeoutError)
            return Retry(_reason(error), untaken=untaken)
        told = response.headers
        reply = Reply(response.status, told.get("Retry-After"), response.data, told.get("Location"))
        answer = read(reply, len(batch.lines))
        if isinstance(answer, Retry):
            return answer._replace(untaken=reply.status == _TOO_MANY)
        if not isinstance(answer, Refused):
            return answer
        return self._explained(answer, response.status, told.get(_CHALLENGE, ""))


def service_address(url: str) -> str:
    """Return the URL without a trailing slash.

    Raises:
        BadUrl: `url` is not a service URL.
    """
    try:
        parts = parse_url(url)
    except LocationParseError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.host:
        shown = url.rpartition("@")[2]  # credentials may precede it
        raise BadUrl(f"{shown!r} is not a service URL (expected one like http://127.0.0.1:5000)")
    return url.rstrip("/")


def trust(ca_file: "str | PathLike[str] | None") -> ssl.SSLContext | None:
    """Return what to trust: the certificates in the file, or without one the system's (None).

    Raises:
        BadCaFile: The file can't be read, or has no certificates.
    """
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # also ssl.SSLError
        raise BadCaFile(f"{ca_file} has no certificates to trust: {error}") from None


def _pieces(body: bytes) -> Iterator[bytes]:
    """Yield the body in pieces, because a socket's timeout applies to each piece.

    Sent at once, a large body would time out on a slow connection at every retry.
    """
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]


def _reason(error: Exception) -> str:
    """Return the original error below the exceptions of urllib3."""
    # A refused connection is a TimeoutError in urllib3.
    if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
        return "timed out waiting for a response"
    inner = [arg for arg in error.args if isinstance(arg, Exception)]
    cause = error.__cause__ or (inner[-1] if inner else error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
