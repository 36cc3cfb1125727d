"""Heads of posts that the fast path has taken, so that the same bytes need no parser again.

A producer sends the same head with nearly every event: only `Content-Length` varies, and takes few
values. To parse a head costs more than to accept the event.
"""

from typing import NamedTuple

from api.auth.principal import Principal

HEAD_END = b"\r\n\r\n"
MAX_HEADS = 1024
MAX_HEAD_BYTES = 1024


class KnownHead(NamedTuple):
    """What the parser and the fast path made of a head: who posts, and how many bytes follow.

    Nothing of it changes later but `principal.ends_at`, which is checked for each post.
    """

    principal: Principal
    headers: list[tuple[bytes, bytes]]
    body_bytes: int


class KnownHeads:
    """The heads of one process, by their bytes without the blank line at the end."""

    def __init__(self) -> None:
        self.found: dict[bytes, KnownHead] = {}

    def add(self, head: bytes, known: KnownHead) -> None:
        """Remember a head, and forget all others if there are too many."""
        if len(head) > MAX_HEAD_BYTES:
            return
        if len(self.found) >= MAX_HEADS:
            self.found.clear()
        self.found[head] = known
