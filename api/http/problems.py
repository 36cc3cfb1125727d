"""Errors as `application/problem+json` (RFC 9457), each fault with its location."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import msgspec

from api.http.answer import LINE_FEED, Answer, content_headers
from api.http.error_detail import ErrorDetail
from api.http.headers import CLOSE, Headers
from storage.errors import (
    AccessError,
    ControlUnavailable,
    ControlUnsuitable,
    DatabaseMismatch,
    DatabaseUnavailable,
    DatabaseUnsuitable,
    FeedNotReady,
    FeedReplaced,
    Held,
    KeyReused,
    KeysFull,
    NotReplicated,
    QueryTooSlow,
    QueueFull,
    QueueUnavailable,
    QueueUnsuitable,
    StorageError,
)
from storage.logs.redaction import redact
from storage.logs.request_id import current_or_new

MEDIA_TYPE = b"application/problem+json"
REQUEST_ID = b"x-request-id"
RETRY_SECONDS = 2
KEYS_SECONDS = 60  # by then some keys may have expired

_TITLES = {
    400: ("malformed", "Malformed request"),
    401: ("unauthorized", "A valid API key is needed"),
    403: ("forbidden", "The API key does not allow this"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    408: ("too-slow", "The request arrived too slowly"),
    409: ("under-way", "The first request is still in progress"),
    410: ("gone", "The feed has begun anew"),
    413: ("too-large", "The request is too large"),
    415: ("unsupported-media-type", "Unsupported media type"),
    421: ("misdirected", "The service does not answer to this host"),
    422: ("invalid", "The request is not valid"),
    424: ("held-back", "Other items of this atomic batch are invalid"),
    429: ("rate-limited", "The key's limit is reached"),
    431: ("headers-too-large", "The request's headers are too large"),
    500: ("internal", "Internal error"),
    501: ("not-implemented", "The service does not support this"),
    503: ("unavailable", "Temporarily unavailable"),
    505: ("unsupported-version", "Unsupported HTTP version"),
}


@dataclass(eq=False)
class Problem(Exception):
    """An error answer. Its text never shows internals of the service."""

    status: int
    detail: str
    faults: Sequence[ErrorDetail] = ()
    headers: Headers = ()
    more: Mapping[str, object] = field(default_factory=dict)  # extension members (RFC 9457, 3.2)

    def with_hint(self, hint: str | None) -> "Problem":
        """Return the problem with the hint as one more sentence, if there is a hint."""
        return replace(self, detail=f"{self.detail} {hint}") if hint else self

    def answer(self, body: bytes | None = None, media_type: bytes = MEDIA_TYPE) -> Answer:
        """Return the whole answer; `body` describes the problem in another form than JSON."""
        request = current_or_new()
        if body is None:
            body = msgspec.json.encode(self.document(request)) + LINE_FEED
        described = content_headers(media_type, body)
        headers = [*described, (REQUEST_ID, request.encode()), *self.headers]
        return Answer(self.status, headers, body)

    def body(self) -> bytes:
        """Return the problem document of an item of a batch as JSON."""
        return msgspec.json.encode(self.document())

    def document(self, request: str | None = None) -> dict[str, object]:
        """Return the problem document; `request` is the id of a request that is refused whole."""
        name, title = _TITLES[self.status]
        document: dict[str, object] = {
            "type": f"urn:activity:problem:{name}",
            "title": title,
            "status": self.status,
            "detail": self.detail,
        }
        if request:
            document["request_id"] = request
        if self.faults:
            document["errors"] = [_without_none(fault) for fault in self.faults]
        return {**document, **self.more}


def closing(status: int, detail: str, *headers: tuple[bytes, bytes]) -> Problem:
    """Return a problem that closes the connection, because the body is not read to its end."""
    return Problem(status, detail, headers=(CLOSE, *headers))


def unavailable(detail: str, retry_seconds: int = RETRY_SECONDS) -> Problem:
    """Return a 503 with `Retry-After`."""
    return Problem(503, detail, headers=((b"retry-after", str(retry_seconds).encode()),))


FEED_REPLACED = (
    "The token is from before the database was restored, or from another one, so it is not known "
    "what was read. Begin again: with `after=start`, and skip the events whose `id` you have, or "
    "without a token from now on."
)
INTERNAL_ERROR = Problem(500, "The error was logged. The request may be sent again.")

# The one table from errors of storage to texts for clients, the most specific first.
_OF_STORAGE: tuple[tuple[type[StorageError], str], ...] = (
    (QueueFull, "The queue is full; nothing was accepted. Workers are draining it."),
    (
        KeysFull,
        "The limit of remembered Idempotency-Keys is reached; each is kept for 24 hours. Nothing "
        "was accepted. Without a key it would be; the operator of the service can raise the limit.",
    ),
    (
        NotReplicated,
        "Too few replicas of the queue have confirmed a write in time, or a failover may have "
        "replaced the queue's server. The event was not acknowledged, but may be stored. Send it "
        "again with the same Idempotency-Key, and it is stored once.",
    ),
    (
        QueueUnavailable,
        "The queue does not answer. The event was not acknowledged, but may be stored. Send it "
        "again with the same Idempotency-Key, and it is stored once.",
    ),
    (QueryTooSlow, "The query took longer than allowed. Narrow it by date or by another filter."),
    (
        FeedNotReady,
        "The feed can't be read yet: after an upgrade, maintenance first makes its index for what "
        "was stored before, while the service runs.",
    ),
    (DatabaseUnavailable, "History can't be read right now. Events are still accepted."),
    (DatabaseMismatch, "The database has the schema of another version. It must be migrated."),
    (ControlUnavailable, "The cache does not answer."),
    (StorageError, "Storage is unavailable right now."),
)


def of_storage(error: StorageError) -> Problem:
    """Return the problem that tells a client about an error of storage."""
    if isinstance(error, KeyReused):
        fault = ErrorDetail("was used for another request before", header="Idempotency-Key")
        detail = (
            "A repeated key must come with the same body, and the same items of it must be valid."
        )
        return Problem(422, detail, [fault])
    if isinstance(error, Held):
        held = {"type": "urn:activity:problem:held", "title": "A legal hold keeps it"}
        return Problem(409, f"Nothing was done: {error}.", more=held)
    if isinstance(error, FeedReplaced):
        return Problem(410, FEED_REPLACED)
    if isinstance(error, DatabaseUnsuitable):
        return unavailable(redact(f"History can't be read: {error}."))
    if isinstance(error, QueueUnsuitable | ControlUnsuitable | AccessError):
        return unavailable(redact(f"Nothing was done: {error}."))
    text = next(text for kind, text in _OF_STORAGE if isinstance(error, kind))
    return unavailable(text, _retry_seconds(error))


def _retry_seconds(error: StorageError) -> int:
    match error:
        case QueueFull(retry_seconds=int(seconds)):
            return seconds
        case KeysFull():
            return KEYS_SECONDS
    return RETRY_SECONDS


def _without_none(fault: ErrorDetail) -> dict[str, str | int]:
    return {name: value for name, value in asdict(fault).items() if value is not None}
