"""Count the events that are refused, by reason."""

import asyncio
from collections.abc import Mapping
from types import TracebackType

from starlette.requests import ClientDisconnect

from api.http.problems import Problem
from storage.errors import KeyReused, KeysFull, QueueFull, StorageError
from storage.metrics.instruments import rejected_events

_REASONS: Mapping[int, str] = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    408: "incomplete",
    409: "idempotency",
    413: "too_large",
    415: "unsupported",
    422: "invalid",
    424: "held_back",
    429: "rate_limited",
    503: "busy",
}
_OF_STORAGE: tuple[tuple[type[StorageError], str], ...] = (
    (KeyReused, "idempotency"),
    (KeysFull, "keys_full"),
    (QueueFull, "backlog_full"),
    (StorageError, "queue_unavailable"),
)


def count_rejected(error: BaseException, events: int = 1) -> None:
    """Count events that are refused with this error."""
    rejected_events[reason_of(error)].add(events)


def reason_of(error: BaseException) -> str:
    """Return the reason, as the catalogue names it."""
    if isinstance(error, Problem):
        return _REASONS.get(error.status, "internal")
    found = (reason for kind, reason in _OF_STORAGE if isinstance(error, kind))
    return next(found, "internal")


class Rejections:
    """The events that one request loses, counted when the block ends, however it ends.

    `pending`: the events that an exception in the block refuses; 1 until it is known how many there
    are. `reason`: why they are refused, if the exception does not say. `items`: the events that are
    refused in any case, by reason.
    """

    def __init__(self) -> None:
        self.pending = 1
        self.reason = ""
        self.items: Mapping[str, int] = {}

    def __enter__(self) -> "Rejections":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for reason, count in self.items.items():
            rejected_events[reason].add(count)
        # Of a client that has gone nobody was told a refusal.
        if error is not None and not isinstance(error, ClientDisconnect | asyncio.CancelledError):
            rejected_events[self.reason or reason_of(error)].add(self.pending)
