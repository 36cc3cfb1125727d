"""Heads that a fast path has taken, so that the same bytes need no parser again.

A producer sends the same head with nearly every event: only `Content-Length` varies, and takes few
values. A reader that polls sends the same request. To parse a head costs more than to accept the
event, or to find the page.
"""

from typing import Generic, NamedTuple, TypeVar

from starlette.types import Scope

from api.auth.principal import Principal
from api.query.question import PageQuestion

HEAD_END = b"\r\n\r\n"
MAX_HEADS = 1024
MAX_HEAD_BYTES = 1024


class KnownPost(NamedTuple):
    """What the parser and the fast path made of a post's head: who posts, and how much follows.

    Nothing of it changes later but `principal.ends_at`, which is checked for each post.
    """

    principal: Principal
    headers: list[tuple[bytes, bytes]]
    body_bytes: int


class KnownRead(NamedTuple):
    """What the parser and the fast path made of a `GET /events`, which has no body.

    Nothing of it changes later but `principal.ends_at`, which is checked for each read. `question`:
    None if it follows from the time too. `scope`: as uvicorn makes it, for FastAPI; copy it.
    """

    principal: Principal
    question: PageQuestion | None
    if_none_match: bytes
    scope: Scope


Known = TypeVar("Known", KnownPost, KnownRead)


class KnownHeads(Generic[Known]):
    """Heads of one process, by their bytes without the blank line at the end."""

    def __init__(self) -> None:
        self.found: dict[bytes, Known] = {}

    def add(self, head: bytes, known: Known) -> None:
        """Remember a head, and forget all others if there are too many."""
        if len(head) > MAX_HEAD_BYTES:
            return
        if len(self.found) >= MAX_HEADS:
            self.found.clear()
        self.found[head] = known
