"""Errors as `application/problem+json` (RFC 9457), every fault with its location."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import msgspec

from api.http.answer import LINE_FEED, Answer, content_headers
from api.http.error_detail import ErrorDetail
from api.http.headers import CLOSE, Headers
from storage.errors import (
    ControlUnavailable,
    ControlUnsuitable,
    DatabaseMismatch,
    DatabaseUnavailable,
    DatabaseUnsuitable,
    KeyReused,
    KeysFull,
    QueryTooSlow,
    QueueFull,
    QueueUnavailable,
    QueueUnsuitable,
    StorageError,
)

MEDIA_TYPE = b"application/problem+json"
RETRY_SECONDS = 2
KEYS_SECONDS = 60  # some of a day's keys may be forgotten by then

_TITLES = {
    400: ("malformed", "The request can't be read"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "This path has no such method"),
    408: ("too-slow", "The request took too long to arrive"),
    409: ("under-way", "The first request is still under way"),
    413: ("too-large", "The request is too large"),
    415: ("unsupported-media-type", "This media type is not understood"),
    421: ("misdirected", "This service does not answer to that host"),
    422: ("invalid", "The request is not valid"),
    424: ("held-back", "Others of this atomic batch are bad"),
    431: ("headers-too-large", "The request's headers are too large"),
    500: ("internal", "Internal error"),
    501: ("not-implemented", "The service does not support this"),
    503: ("unavailable", "The service can't do this right now"),
    505: ("unsupported-version", "This version of HTTP is not supported"),
}


@dataclass(eq=False)
class Problem(Exception):
    """An answer other than the one asked for. Its body never names what is inside the service."""

    status: int
    detail: str
    faults: Sequence[ErrorDetail] = ()
    headers: Headers = ()
    more: Mapping[str, object] = field(default_factory=dict)  # extension members (RFC 9457, 3.2)

    def with_hint(self, hint: str | None) -> "Problem":
        """The same with one more sentence, if there is one."""
        return replace(self, detail=f"{self.detail} {hint}") if hint else self

    def answer(self, body: bytes | None = None, media_type: bytes = MEDIA_TYPE) -> Answer:
        """Return the whole answer; `body` describes the problem in another form than JSON."""
        if body is None:
            body = self.body() + LINE_FEED
        return Answer(self.status, [*content_headers(media_type, body), *self.headers], body)

    def body(self) -> bytes:
        """Return the problem document as JSON."""
        return msgspec.json.encode(self.document())

    def document(self) -> dict[str, object]:
        """The problem document."""
        name, title = _TITLES[self.status]
        document: dict[str, object] = {
            "type": f"urn:activity:problem:{name}",
            "title": title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.faults:
            document["errors"] = [_without_none(fault) for fault in self.faults]
        return {**document, **self.more}


def closing(status: int, detail: str, *headers: tuple[bytes, bytes]) -> Problem:
    """For a body that is not read to its end, so that the connection can't be used again."""
    return Problem(status, detail, headers=(CLOSE, *headers))


def unavailable(detail: str, retry_seconds: int = RETRY_SECONDS) -> Problem:
    """503, with when to try again."""
    return Problem(503, detail, headers=((b"retry-after", str(retry_seconds).encode()),))


INTERNAL_ERROR = Problem(500, "It was logged. The request may be sent again.")

# The one table from what storage reports to what a client is told, most special first.
_OF_STORAGE: tuple[tuple[type[StorageError], str], ...] = (
    (QueueFull, "The queue is full; nothing was accepted. Workers are emptying it."),
    (
        KeysFull,
        "As many Idempotency-Keys as allowed are remembered, each for 24 hours. Nothing was "
        "accepted; without a key it would be, and whoever runs this service can allow more.",
    ),
    (
        QueueUnavailable,
        "The queue does not answer. The event was not acknowledged, but may be stored all the "
        "same: sent again with the same Idempotency-Key it counts once.",
    ),
    (QueryTooSlow, "The query took longer than allowed. Narrow it by date, or by another filter."),
    (DatabaseUnavailable, "History can't be read right now. Events are accepted all the same."),
    (DatabaseMismatch, "The database is not of this version: it must be migrated."),
    (ControlUnavailable, "The cache does not answer."),
    (StorageError, "Storage can't do this right now."),
)


def of_storage(error: StorageError) -> Problem:
    """What a client is told about a storage error."""
    if isinstance(error, KeyReused):
        fault = ErrorDetail("was used for another request before", header="Idempotency-Key")
        detail = "The same key must come with the same body, and the same items of it be good."
        return Problem(422, detail, [fault])
    if isinstance(error, DatabaseUnsuitable):
        return unavailable(f"History can't be read: {error}.")
    if isinstance(error, QueueUnsuitable | ControlUnsuitable):
        return unavailable(f"Nothing was done: {error}.")
    text = next(text for kind, text in _OF_STORAGE if isinstance(error, kind))
    return unavailable(text, _retry_seconds(error))


def _retry_seconds(error: StorageError) -> int:
    match error:
        case QueueFull(retry_seconds=int(seconds)):
            return seconds
        case KeysFull():
            return KEYS_SECONDS
    return RETRY_SECONDS


def _without_none(fault: ErrorDetail) -> dict[str, str]:
    return {name: value for name, value in asdict(fault).items() if value is not None}
