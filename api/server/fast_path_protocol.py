"""The bounded protocol with fast paths: what they take becomes no ASGI request."""

import asyncio
from typing import Any, NamedTuple, cast

from api.server.bounded_protocol import FEW_HEADERS, PIECE_BYTES, BoundedHeadProtocol
from api.server.framing import VERSIONS
from api.server.page_fast_path import PageFastPath
from api.server.post_fast_path import Post, PostFastPath

HOLD_SECONDS = 0.1  # many clients send a body right behind its head, in a packet of its own


class FastPaths(NamedTuple):
    """What is answered without FastAPI: events that are plainly good, and pages at hand."""

    post: PostFastPath
    page: PageFastPath


class FastPathProtocol(BoundedHeadProtocol):
    """Holds a request that the fast path may take until its body is whole: HOLD_SECONDS at most.

    What the fast path does not take then becomes a request as if there were no fast path: late, but
    by the same callbacks in the same order. Without a fast path nothing is held.
    """

    def __init__(self, *arguments: Any, fast_paths: FastPaths | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # They write no access log, and uvicorn would not count what they take.
        if fast_paths is None or self.access_log or self.limit_concurrency:
            self._posts = self._pages = None
        else:
            self._posts, self._pages = fast_paths
        self._held: list[bytes] | None = None  # parts of a body
        self._held_bytes = 0
        self._hold: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody wants an answer to what is held."""
        self._end_hold()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Make a request of what is held: its body is refused as any that ends too early."""
        if self._held is not None:
            self._let_go()
        return super().eof_received()

    def shutdown(self) -> None:
        """What is held is a request like any other."""
        if self._held is not None:
            self._let_go()
        super().shutdown()

    def on_headers_complete(self) -> None:
        """The parser saw the end of a head."""
        if self.parser.get_method() == b"POST" and self._may_take():
            self._held = []
            self._end_head()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The parser saw a part of a body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._overhead = -PIECE_BYTES  # as for any body
            self._held.append(body)

    def on_message_complete(self) -> None:
        """The parser saw the end of a request."""
        if self._held is None or not self._take(self._held):
            super().on_message_complete()

    def _may_take(self) -> bool:
        return (
            self._posts is not None
            and self._overhead <= PIECE_BYTES
            and len(self.headers) <= FEW_HEADERS
            and not self.parser.should_upgrade()
            and self._posts.takes(self.url, self.headers)
        )

    def _take(self, held: list[bytes]) -> bool:
        """Whether the fast path takes it; else the request has been made."""
        assert self._posts is not None
        version = self.parser.get_http_version()
        post = self._posts.post(self, b"".join(held)) if version in VERSIONS else None
        if post is None:
            self._let_go()
            return False
        self._end_hold()
        self._message_is_open = False
        post.keep_alive = not self._closes_next and (
            version != "1.0" and self.parser.should_keep_alive()
        )
        waits = self._is_busy()
        self.cycle = cast(Any, post)
        if waits:
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            post.start()
        return True

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, Post):  # its turn has come
            cycle.start()
        elif self.flow.write_paused:  # the client has not read the answer before
            self._deferred = cycle, app
        elif self._pages is None or not self._pages.takes(cycle, app, super()._start_asgi_task):
            super()._start_asgi_task(cycle, app)

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _bound_unfinished(self, size: int) -> None:
        super()._bound_unfinished(size)
        if self._held is None:
            return
        if self._is_busy():
            self._let_go()  # it waits as any request does, by the same rules
        elif self._hold is None:
            self._hold = self.loop.call_later(HOLD_SECONDS, self._let_go)

    def _reserve_body(self, size: int) -> None:
        if self._held is None:
            super()._reserve_body(size)
            return
        self._held_bytes += size
        if not self.flow.unfinished.resize(self._held_bytes):
            self._held.clear()
            self._let_go()
            self._drop_body()

    def _let_go(self) -> None:
        """Make a request of what is held."""
        held = self._held or ()
        self._end_hold()
        super().on_headers_complete()
        for part in held:
            super().on_body(part)

    def _end_hold(self) -> None:
        self._held = None
        self._held_bytes = 0
        if self.flow.unfinished.held:
            self.flow.unfinished.resize(0)
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
