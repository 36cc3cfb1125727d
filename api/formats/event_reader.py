"""What an input format provides: a reader from one event's bytes to the event. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api.formats.native_fast import EventIn

Schema = dict[str, Any]


def _reject_many(bodies: list[bytes]) -> list[EventIn] | None:
    return None


def _as_sent(body: bytes) -> bytes:
    return body


@dataclass(frozen=True, slots=True)
class EventReader:
    """Reads events of one format.

    `parse` returns the event of a plainly good body, and None for any other body. It is called in
    the event loop, so it must return None if a body is large and slow to read.
    `validate` returns the event or raises Problem with every fault. It may run in a thread.
    `parse_many` returns the events of bodies that are all plainly good, and None otherwise.
    `identity` returns bytes that differ if the requests differ: an Idempotency-Key stands for them.
    """

    parse: Callable[[bytes], EventIn | None]
    validate: Callable[[bytes], EventIn]
    parse_many: Callable[[list[bytes]], list[EventIn] | None] = _reject_many
    identity: Callable[[bytes], bytes] = _as_sent
