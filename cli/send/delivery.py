"""Deliver chunks from several threads, and know at any time what the service may have taken."""

import threading
from collections.abc import Callable, Collection, Iterable

from activity_client.answers import Verdict
from activity_client.batch import Batch
from activity_client.errors import GaveUp
from activity_client.transport import Transport
from cli.errors import KeyReused
from cli.send import outcome
from cli.send.chunks import Chunk
from cli.send.outcome import ChunkResult, Outcome, SettledChunk
from cli.send.retry_deadline import RetryDeadline, stop_refused


class Delivery:
    """The chunks of a run that are in flight or done. Safe for many threads.

    `cut` records the last lines of parts; they are on disk when `cut` returns. `settled` are chunks
    that an earlier run finished, which are not sent again. `batch_of` makes the request of a chunk.
    """

    def __init__(
        self,
        transport: Transport,
        run_id: str,
        deadline: RetryDeadline,
        cut: Callable[[Collection[int]], None],
        settled: Iterable[SettledChunk],
        batch_of: Callable[[str, Chunk], Batch] = outcome.batch_of,
    ) -> None:
        self._transport = transport
        self._run_id = run_id
        self._batch_of = batch_of
        self._deadline = deadline
        self._cut = cut
        self._earlier = {chunk.start: chunk for chunk in settled}
        self._lock = threading.Lock()
        self._in_flight: dict[int, Batch] = {}  # by the offset of their start
        self._done: dict[int, ChunkResult] = {}  # the same
        self._ended = False

    def deliver(self, chunk: Chunk) -> Outcome:
        """Send a chunk. Raises RequestRefused, GaveUp, OSError."""
        earlier = self._earlier.get(chunk.start)
        if earlier is None:
            return outcome.deliver(chunk, self._post, self._cut, self._finish)
        result = outcome.result_of(chunk, earlier)
        self._finish(result)
        return result.outcome

    def take(self, offset: int) -> Outcome | None:
        """Return the outcome of the chunk or part that starts there, if it is done."""
        with self._lock:
            result = self._done.pop(offset, None)
            if result is None:  # a chunk of an earlier run stays settled until it is delivered
                return None
            self._earlier.pop(offset, None)
        return result.outcome

    def settled(self) -> list[SettledChunk]:
        """Return the chunks that are done while an earlier one is not."""
        with self._lock:
            done = {start: result.settled() for start, result in self._done.items()}
            return list({**self._earlier, **done}.values())

    def end(self) -> bool:
        """Send nothing more. Return whether the result of everything that was sent is known."""
        with self._lock:
            self._ended = True
            return not self._in_flight

    def _post(self, chunk: Chunk) -> list[Verdict] | None:
        batch = self._batch_of(self._run_id, chunk)
        with self._lock:
            if self._ended:
                raise GaveUp("stopped")
            self._in_flight[chunk.start] = batch
        try:
            verdicts = self._transport.deliver_whole(batch, self._deadline.pause, stop_refused)
        except KeyReused:
            raise outcome.lines_changed(chunk) from None
        finally:
            self._forget_untaken(chunk, batch)
        self._deadline.answered()
        if verdicts is None:
            self._land(chunk)
        return verdicts

    def _forget_untaken(self, chunk: Chunk, batch: Batch) -> None:
        if not batch.maybe_taken:
            self._land(chunk)

    def _land(self, chunk: Chunk) -> None:
        with self._lock:
            self._in_flight.pop(chunk.start, None)

    def _finish(self, result: ChunkResult) -> None:
        with self._lock:
            self._in_flight.pop(result.chunk.start, None)
            self._done[result.chunk.start] = result
