"""One batch over HTTP, again and again until the answer is definite."""

from collections.abc import Callable, Iterator

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError, TimeoutError
from urllib3.util import Timeout, parse_url

from client.answers import Again, Answer, Done, Halve, Reply, Verdict, read
from client.backoff import Backoff
from client.batch import Batch
from client.errors import BadUrl

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
LONGEST_PAUSE = 30.0
_PIECE_BYTES = 64 * 1024

Pause = Callable[[float, str], None]
"""Waits some seconds before the next try, for the reason given; raises (GaveUp, as a rule) to end
the tries."""


class Transport:
    """Posts batches to one service. Safe for use by as many threads as it has `connections`.

    `longest_pause`: seconds between two tries, at most, unless the service asks for more.
    Raises BadUrl. No proxy of the environment is used.
    """

    def __init__(
        self, url: str, connections: int = 1, longest_pause: float = LONGEST_PAUSE
    ) -> None:
        self._endpoint = f"{_checked(url)}/events/batch"
        self._longest_pause = longest_pause
        self._pools = urllib3.PoolManager(
            maxsize=connections,
            retries=False,
            timeout=Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
        )

    def deliver(self, batch: Batch, pause: Pause) -> list[Verdict]:
        """The service's verdict for each event of the batch, in order.

        Lost answers, refused connections, 408, 409, 429 and 5xx are tried again, under the same
        key and byte for byte, for as long as `pause` returns; what that raises is raised here.
        """
        backoff = Backoff(self._longest_pause)
        while True:
            match self._attempt(batch):
                case Done(verdicts):
                    return verdicts
                case Halve(problem) if len(batch.lines) == 1:
                    return [Verdict(problem=problem)]
                case Halve():
                    first, second = batch.halves()
                    return self.deliver(first, pause) + self.deliver(second, pause)
                case Again(reason, seconds):
                    pause(backoff.next(seconds), reason)

    def close(self) -> None:
        """Close idle connections."""
        self._pools.clear()

    def _attempt(self, batch: Batch) -> Answer:
        headers, body = batch.request
        try:
            response = self._pools.urlopen(
                "POST", self._endpoint, body=_pieces(body), headers=headers, redirect=False
            )
        except (HTTPError, OSError) as error:
            return Again(_reason(error))
        reply = Reply(response.status, response.headers.get("Retry-After"), response.data)
        return read(reply, len(batch.lines))


def _checked(url: str) -> str:
    try:
        parts = parse_url(url)
    except LocationParseError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.host:
        raise BadUrl(f"{url!r} is not the address of a service, like http://127.0.0.1:5000")
    return url.rstrip("/")


def _pieces(body: bytes) -> Iterator[bytes]:
    """A socket's timeout is for all that is given to it at once: on a slow line a large body would
    never get through, however often it is tried."""
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]


def _reason(error: Exception) -> str:
    """What really happened, below the layers of urllib3."""
    # urllib3 calls a refused connection a kind of timeout.
    if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
        return "no answer in time"
    inner = [arg for arg in error.args if isinstance(arg, Exception)]
    cause = error.__cause__ or (inner[-1] if inner else error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
