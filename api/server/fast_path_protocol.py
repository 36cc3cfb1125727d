"""The bounded protocol with fast paths, whose requests need neither a task nor an ASGI message."""

import asyncio
from typing import Any, NamedTuple, cast

from api.auth.principal import Principal
from api.server.bounded_protocol import FEW_HEADERS, PIECE_BYTES, BoundedHeadProtocol
from api.server.framing import VERSIONS
from api.server.known_heads import HEAD_END, KnownPost, KnownRead
from api.server.page_fast_path import PageFastPath
from api.server.post_fast_path import Post, PostFastPath

HOLD_SECONDS = 0.1  # many clients send a body right after its head, in a packet of its own


class FastPaths(NamedTuple):
    """The requests that FastAPI need not answer: plainly valid events, and pages in memory."""

    post: PostFastPath
    page: PageFastPath


class FastPathProtocol(BoundedHeadProtocol):
    """A protocol that holds a post for the fast path until its body is complete.

    After HOLD_SECONDS, or if the fast path does not take the post, FastAPI gets it: later than
    without a fast path, but by the same callbacks in the same order.
    """

    def __init__(self, *arguments: Any, fast_paths: FastPaths | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # The fast paths write no access log, and uvicorn does not count their requests.
        if fast_paths is None or self.access_log or self.limit_concurrency:
            self._posts = self._pages = None
        else:
            self._posts, self._pages = fast_paths
        self._held_parts: list[bytes] | None = None  # of a body, of a post that is held
        self._held_bytes = 0
        self._held_principal: Principal | None = None  # who sends it
        self._hold_timer: asyncio.TimerHandle | None = None
        # What a fast path took last, of the bytes that are being parsed.
        self._taken_post: KnownPost | None = None
        self._taken_read: KnownRead | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the post that is held: nobody waits for its answer."""
        self._end_hold()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a whole request whose head is known as the parser would; or let it parse."""
        if (
            self._posts is None
            or self._pages is None
            or self._message_is_open
            or self._closes_next
            or self._refusal is not None
            or self.flow.has_backlog
            or len(data) > PIECE_BYTES
            or not (self.cycle is None or self.cycle.response_complete)
        ):
            super().data_received(data)
            return
        head, end, body = data.partition(HEAD_END)
        if body:
            post = self._posts.heads.found.get(head)
            if post is not None and self._take_known_post(self._posts, post, body):
                return
        elif end:
            read = self._pages.heads.found.get(head)
            if read is not None and self._take_known_read(self._pages, read):
                return
        self._taken_post = self._taken_read = None
        super().data_received(data)
        if end:
            self._remember(head, body)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Pass the post on that is held: its body is refused like any that ends too early.

        TLS has no half-closed connections: what is written by now is sent, and nothing more.
        """
        if self._held_parts is not None:
            self._pass_on()
        return super().eof_received() and self.scheme != "https"

    def shutdown(self) -> None:
        """Pass the post on that is held: it is refused like any incomplete request."""
        if self._held_parts is not None:
            self._pass_on()
        super().shutdown()

    def on_headers_complete(self) -> None:
        """Hold a post that the fast path may take; pass any other request on."""
        if self.parser.get_method() == b"POST" and (principal := self._may_take()):
            self._held_parts, self._held_principal = [], principal
            self._end_head()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hold a part of the body together with its head."""
        if self._held_parts is None:
            super().on_body(body)
        else:
            self._overhead = -PIECE_BYTES  # as for any body
            self._held_parts.append(body)

    def on_message_complete(self) -> None:
        """Give a complete post that is held to the fast path."""
        if self._held_parts is None or not self._take(self._held_parts):
            super().on_message_complete()

    def _may_take(self) -> Principal | None:
        if (
            self._posts is None
            or self._overhead > PIECE_BYTES
            or len(self.headers) > FEW_HEADERS
            or self.parser.should_upgrade()
        ):
            return None
        return self._posts.takes(self.url, self.headers)

    def _take_known_post(self, posts: PostFastPath, known: KnownPost, body: bytes) -> bool:
        """Start the post of a known head on the idle connection, if the fast path takes its body.

        The parser is between two requests, and stays there.
        """
        if len(body) != known.body_bytes:
            return False
        self.headers = known.headers
        post = posts.post(self, body, known.principal)
        if post is None:
            return False
        self._unset_keepalive_if_required()
        if self._deadline is not None:
            self._stop_deadline()
        self.cycle = cast(Any, post)
        post.start()
        return True

    def _take_known_read(self, pages: PageFastPath, known: KnownRead) -> bool:
        """Start the read of a known head in the same way, if its page is in memory."""
        read = None if self.flow.write_paused else pages.read(self, known)
        if read is None:
            return False
        self._unset_keepalive_if_required()
        if self._deadline is not None:
            self._stop_deadline()
        self.cycle = cast(Any, read)
        return True

    def _remember(self, head: bytes, body: bytes) -> None:
        """Remember a head that was parsed, and taken, if the connection goes on after it.

        The request began with the bytes that were parsed. So if it is complete and its body has
        the length of `body`, `head` is all that came before its body.
        """
        post, read = self._taken_post, self._taken_read
        if not (post or read) or not self._goes_on():
            return
        if post is not None and self._posts is not None and len(body) == post.body_bytes:
            self._posts.heads.add(head, post)
        elif read is not None and self._pages is not None and not body:
            self._pages.heads.add(head, read)

    def _goes_on(self) -> bool:
        """Return whether the connection goes on after the last request, which is complete."""
        return self.cycle.keep_alive and not (self._message_is_open or self._closes_next)

    def _take(self, held: list[bytes]) -> bool:
        """Start the post on the fast path; or else pass it on and return False."""
        posts, principal = self._posts, self._held_principal
        assert posts is not None
        assert principal is not None
        version, body = self.parser.get_http_version(), b"".join(held)
        post = posts.post(self, body, principal) if version in VERSIONS else None
        if post is None:
            self._pass_on()
            return False
        self._end_hold()
        self._message_is_open = False
        post.keep_alive = not self._closes_next and (
            version != "1.0" and self.parser.should_keep_alive()
        )
        self._taken_post = KnownPost(principal, self.headers, len(body))
        waits = self._is_busy()
        self.cycle = cast(Any, post)
        if waits:
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            post.start()
        return True

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, Post):
            cycle.start()
        elif self.flow.write_paused:  # the client has not read the previous answer
            self._deferred = cycle, app
        elif self._pages is None or not (
            taken := self._pages.takes(cycle, app, super()._start_asgi_task)
        ):
            super()._start_asgi_task(cycle, app)
        else:
            self._taken_read = taken

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _bound_unfinished(self, size: int) -> None:
        super()._bound_unfinished(size)
        if self._held_parts is None:
            return
        if self._is_busy():
            self._pass_on()  # it waits by the same rules as any request
        elif self._hold_timer is None:
            self._hold_timer = self.loop.call_later(HOLD_SECONDS, self._pass_on)

    def _reserve_body(self, size: int) -> None:
        if self._held_parts is None:
            super()._reserve_body(size)
            return
        self._held_bytes += size
        if not self.flow.unfinished.resize(self._held_bytes):
            self._held_parts.clear()
            self._pass_on()
            self._drop_body()

    def _pass_on(self) -> None:
        """Make an ASGI request of the post that is held."""
        held = self._held_parts or ()
        self._end_hold()
        super().on_headers_complete()
        for part in held:
            super().on_body(part)

    def _end_hold(self) -> None:
        self._held_parts = self._held_principal = None
        self._held_bytes = 0
        if self.flow.unfinished.held:
            self.flow.unfinished.resize(0)
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
