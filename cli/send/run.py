"""Send the input in chunks, until its end, a stop signal, or the retry deadline."""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from activity_client.credentials import Credentials
from activity_client.errors import GaveUp
from activity_client.transport import Transport, trust
from cli.errors import RequestRefused, SendError
from cli.process.signals import StopSignals
from cli.send.chunks import Chunks
from cli.send.delivery import Delivery
from cli.send.outcome import Outcome, SettledChunk, import_of
from cli.send.outcome import batch_of as post_of
from cli.send.pipeline import Pipeline
from cli.send.progress import Progress, Tally
from cli.send.retry_deadline import RetryDeadline

SAVE_SECONDS = 0.5
GRACE_SECONDS = 5.0  # for unfinished requests, after a stop signal
MAX_PAUSE = 5.0
_POST, _IMPORT = "/events/batch", "/events/batch?import=true"


@dataclass(frozen=True)
class SendOptions:
    """The options of a run.

    `give_up`: seconds without an answer until it stops (None: never). `ca`: certificates to trust
    (None: the system's). `imports`: the events are of the past.
    """

    url: str
    connections: int
    give_up: float | None
    credentials: Credentials = field(default_factory=Credentials)
    ca: Path | None = None
    imports: bool = False

    @property
    def command(self) -> str:
        """Return the command that sends so."""
        return "activity import" if self.imports else "activity send"


@dataclass(frozen=True)
class RunResult:
    """Where a run started and ended, and why.

    `last_error`: why it stopped early, or None. `took_nothing`: the service certainly accepted
    nothing. `remembers_rejected`: the next run of the file sends only the rejected lines.
    `was_sent_before`: there was nothing to send.
    """

    start: Tally
    tally: Tally
    seconds: float
    interrupted: bool = False
    last_error: str | None = None
    took_nothing: bool = False
    remembers_rejected: bool = False
    was_sent_before: bool = False

    @property
    def is_complete(self) -> bool:
        """Return whether everything was sent."""
        return not self.interrupted and self.last_error is None


@dataclass(frozen=True)
class Snapshot:
    """The progress of a run: everything before the `tally` is done, and these chunks behind it.

    `is_final`: the run has stopped. `is_certain`: nothing else was accepted either.
    """

    tally: Tally
    settled: list[SettledChunk]
    is_final: bool = False
    is_certain: bool = False


class Run:
    """A run that sends chunks from `start` on, with idempotency keys derived from `run_id`.

    Calls `record` with each outcome, in order, and `save` with the progress, every SAVE_SECONDS and
    at the end. `cut` and `settled` are those of `Delivery`. Raises BadUrl, BadCaFile.
    """

    def __init__(
        self,
        send_options: SendOptions,
        run_id: str,
        start: Tally,
        record: Callable[[Outcome], None],
        progress: Progress,
        save: Callable[[Snapshot], None],
        cut: Callable[[Collection[int]], None],
        settled: Iterable[SettledChunk] = (),
    ) -> None:
        self._connections = send_options.connections
        self._transport = Transport(
            send_options.url,
            send_options.connections,
            MAX_PAUSE,
            send_options.credentials,
            trust(send_options.ca),
            _IMPORT if send_options.imports else _POST,
        )
        self._deadline = RetryDeadline(send_options.give_up)
        batch_of = import_of if send_options.imports else post_of
        self._delivery = Delivery(self._transport, run_id, self._deadline, cut, settled, batch_of)
        self._start, self._tally = start, replace(start)
        self._record = record
        self._progress = progress
        self._save = save
        self._saved = time.monotonic()
        self._stop_deadline: float | None = None

    def send(self, chunks: Chunks) -> RunResult:
        """Send all chunks. Raises OSError if the input or an output file fails."""
        started = time.monotonic()
        pipeline = Pipeline(iter(chunks), self._delivery.deliver, self._connections)
        with StopSignals() as signals:
            try:
                self._follow(pipeline, signals)
            finally:
                is_certain = self._delivery.end()
                self._advance()
                self._save(Snapshot(self._tally, self._delivery.settled(), True, is_certain))
                self._transport.close()
        seconds = time.monotonic() - started
        result = RunResult(
            self._start,
            self._tally,
            seconds,
            took_nothing=self.took_nothing,
        )
        if signals.requested and not pipeline.is_complete:
            return replace(result, interrupted=True)
        try:
            pipeline.raise_failure()
        except GaveUp as error:
            return replace(result, last_error=f"gave up: {error}")
        except RequestRefused as error:
            return replace(result, last_error=str(error))
        except SendError as error:  # input that can't be read on
            if self.took_nothing:
                raise
            return replace(result, last_error=str(error))
        return result

    @property
    def took_nothing(self) -> bool:
        """Return whether the service certainly accepted nothing so far."""
        return self._transport.took_nothing

    def _follow(self, pipeline: Pipeline, signals: StopSignals) -> None:
        for outcome in pipeline.outcomes():
            self._advance()
            self._save_in_a_while()
            self._progress.update(self._tally, self._deadline.last_error)
            if signals.requested or pipeline.has_failed:
                self._begin_stop(pipeline)
                if outcome is None and (pipeline.is_idle or self._is_time_up()):
                    break

    def _advance(self) -> None:
        """Count what is done, in the order of the input."""
        while (outcome := self._delivery.take(self._tally.offset)) is not None:
            self._record(outcome)
            self._tally.offset = outcome.end
            self._tally.lines = outcome.last_line
            self._tally.accepted += outcome.accepted
            self._tally.rejected += len(outcome.rejected)
            self._tally.blank += outcome.blank
            self._tally.duplicates += outcome.duplicates

    def _save_in_a_while(self) -> None:
        if time.monotonic() - self._saved >= SAVE_SECONDS:
            self._save(Snapshot(self._tally, self._delivery.settled()))
            self._saved = time.monotonic()

    def _begin_stop(self, pipeline: Pipeline) -> None:
        """Wait for the answers to unfinished requests, but don't repeat any request."""
        if self._stop_deadline is None:
            self._stop_deadline = time.monotonic() + GRACE_SECONDS
            pipeline.stop()
            self._deadline.stop()

    def _is_time_up(self) -> bool:
        return self._stop_deadline is not None and time.monotonic() >= self._stop_deadline
