"""uvicorn's HTTP protocol with deadlines and refusals, which close a connection in order.

uvicorn answers a request that is not HTTP before those ahead of it, and waits for a head, or for
the rest of a body, without end. This protocol first answers what came complete before.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.problems import Problem
from api.http.request_metrics import REQUEST, UNREAD_ROW
from api.server import refusals
from api.server.access_log import Answered, access_log
from api.server.connection_flow import ConnectionFlow
from api.server.process_memory import ProcessMemory
from api.server.single_write import SingleWriteCycle
from storage.logs.request_id import RequestId, handling
from storage.metrics.http_requests import count_answer


class RefusingProtocol(HttpToolsProtocol):
    """A connection that is refused with a problem, and closed after the answers that are due."""

    flow: ConnectionFlow

    def __init__(
        self, *arguments: Any, head_seconds: float, memory: ProcessMemory, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._memory = memory
        self._head_seconds = head_seconds
        self._head_is_open = False  # of the request that is being received
        self._message_is_open = False
        self._unparsed = b""  # bytes that wait for the answers to the requests before them
        self._refusal: Problem | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closes_next = False  # the next answer closes the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head until the deadline, unless too many clients are connected."""
        super().connection_made(transport)
        self.flow = ConnectionFlow(transport, self._memory)
        self._memory.answers.watch(transport)
        self._start_deadline()
        if len(self.connections) > self._memory.connections:
            self._refuse(refusals.TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the memory that the connection keeps."""
        self._stop_deadline()
        self._unparsed = b""
        self.flow.unfinished.resize(0)
        self.flow.waiting.resize(0)
        super().connection_lost(exc)
        self._memory.answers.forget(self.transport)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what the client sent before it closed its side; return whether an answer is due.

        All of it is parsed: nothing is read while something is not.
        """
        if self._refusal is not None:
            return True
        if self._message_is_open:
            self._refuse(refusals.CUT_SHORT)
            return True
        if self.cycle is None or self.cycle.response_complete:
            return False
        cycle: Any = self.cycle
        cycle.keep_alive = False
        cycle.is_half_closed = True
        cycle.message_event.set()  # whoever waits for the client to leave learns so
        return True

    def announce_close(self) -> None:
        """Send `Connection: close` with the current answer, or else with the next one."""
        self._closes_next = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close after the answers to complete requests; refuse an incomplete one with 503.

        An answer that takes long is told to end.
        """
        if isinstance(self.cycle, SingleWriteCycle) and self.cycle.stopping is not None:
            self.cycle.stopping.set()
        if self._message_is_open and self._refusal is None:
            self._refuse(refusals.STOPPING)
        else:
            super().shutdown()

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(self._head_seconds, self._refuse, refusals.TOO_SLOW)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, problem: Problem) -> None:
        """Read no further, and close with this problem after the answers to earlier requests."""
        self._stop_deadline()
        self._refusal, self._unparsed = problem, b""
        self.flow.unfinished.resize(0)
        if self._message_is_open and not self._head_is_open:
            self._give_up_request(problem)
        elif self.cycle is None or (self.cycle.response_complete and not self.pipeline):
            self._hang_up(problem)

    def _give_up_request(self, problem: Problem) -> None:
        """End the request whose body can't be read to its end."""
        if self.pipeline:
            self.pipeline.popleft()  # the newest; those ahead of it are answered first
            return
        self.cycle.disconnected = True  # whoever reads its body learns so
        self.cycle.message_event.set()
        if self.cycle.response_started:
            self.transport.close()
        else:
            self._hang_up(problem, self.cycle)

    def _hang_up(self, problem: Problem, cycle: Any = None) -> None:
        """Send the last answer. `cycle`: the request that it answers, if its head was read."""
        if not self.transport.is_closing():
            with handling(self._count(problem.status, cycle)):
                self.transport.write(refusals.answer(problem))
            self.transport.close()

    def _count(self, status: int, cycle: Any) -> RequestId:
        """Count and record the last answer; return the request that it answers."""
        request = RequestId(self.headers if self._message_is_open else ())
        if isinstance(cycle, SingleWriteCycle):
            scope: Any = cycle.scope
            request = cast(RequestId, scope.setdefault(REQUEST, request))
            cycle.count(status, None)
            return request
        count_answer(UNREAD_ROW, status, 0)
        if access_log.every:
            access_log.record(Answered("", "", status, None, 0, request, self.client))
        return request
