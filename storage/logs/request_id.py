"""The id of the request that is being handled, for logs and problem documents.

An id is made only when something asks for it: most requests need none.
"""

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

Headers = Iterable[tuple[bytes, bytes]]

_TRACEPARENT = b"traceparent"
# W3C Trace Context, 3.2: version, trace id, parent id, flags. Later versions may append more.
_FORM = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_FIRST_VERSION = b"00"
_MAX_BYTES = 512


class TraceParent(NamedTuple):
    """The parts of a `traceparent`, in lower-case hexadecimal digits."""

    trace_id: str
    parent_id: str
    flags: str


def trace_parent(headers: Headers) -> TraceParent | None:
    """Return the request's `traceparent`; None without a valid one, or with more than one."""
    values = [value for name, value in headers if name == _TRACEPARENT]
    found = (
        _FORM.fullmatch(values[0]) if len(values) == 1 and len(values[0]) <= _MAX_BYTES else None
    )
    if found is None or (found[1] == _FIRST_VERSION and found[5]):
        return None
    if not found[2].strip(b"0") or not found[3].strip(b"0"):
        return None
    return TraceParent(found[2].decode(), found[3].decode(), found[4].decode())


class RequestId:
    """The id of one request: the trace id of its `traceparent`, or else a random one."""

    __slots__ = ("_id", "headers")

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self._id: str | None = None

    def __str__(self) -> str:
        if self._id is None:
            parent = trace_parent(self.headers)
            self._id = parent.trace_id if parent else secrets.token_hex(16)
        return self._id


_current: ContextVar[RequestId | None] = ContextVar("request_id", default=None)


def current() -> RequestId | None:
    """Return the request that this task or thread handles; None outside of any."""
    return _current.get()


def current_or_new() -> str:
    """Return the id of the current request, or a new id outside of any."""
    return str(_current.get() or RequestId(()))


def begin(headers: Headers) -> RequestId:
    """Let the current task, and what it starts, handle a request with these headers."""
    request = RequestId(headers)
    _current.set(request)
    return request


@contextmanager
def handling(request: RequestId) -> Iterator[None]:
    """Handle the request within the block."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)
