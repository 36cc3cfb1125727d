"""Show the progress of a run: a bar on a terminal, else a line from time to time."""

import sys
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from tqdm import tqdm

from cli.connection_hints import waiting_for
from cli.display_width import escaped_lines

LINE_SECONDS = 10.0
QUIET_SECONDS = 2.0  # the least between two lines if the service keeps coming and going
_BAR = "{percentage:3.0f}% |{bar}| {n_fmt}B of {total_fmt}B, {elapsed}<{remaining}{postfix}"
_COUNTER = "{n_fmt}B, {elapsed}{postfix}"


@dataclass
class Tally:
    """The progress of a run: everything before `offset` bytes and `lines` lines is done.

    `blank` is the number of blank lines that this process skipped. `duplicates`: how many events it
    found accepted before, of an import.
    """

    offset: int = 0
    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    blank: int = 0
    duplicates: int = 0


class Progress(Protocol):
    """A display of the progress."""

    def show_line(self, text: str) -> None:
        """Print a line."""

    def update(self, tally: Tally, last_error: str | None) -> None:
        """Show the progress. `last_error` is why the service does not answer, or None."""

    def close(self) -> None:
        """Remove the display at the end of the run."""


def progress(total: int | None, start: Tally, url: str) -> Progress:
    """Return a display for input of `total` bytes (None: unknown), which starts at `start`.

    `url` is the address of the service.
    """
    return _Bar(total, start, url) if sys.stderr.isatty() else _Lines(start, url)


class _Rate:
    """The counts so far, and the rate since the start."""

    def __init__(self, start: Tally) -> None:
        self._before = start.accepted + start.rejected
        self._began = time.monotonic()

    def text(self, tally: Tally) -> str:
        """Return counts and rate."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (tally.accepted + tally.rejected - self._before) / seconds
        rejected = f", {tally.rejected:,} rejected" if tally.rejected else ""
        return f"{tally.accepted:,} accepted{rejected}, {rate:,.0f}/s"


class _Bar:
    """A progress bar on a terminal."""

    def __init__(self, total: int | None, start: Tally, url: str) -> None:
        tqdm.set_lock(threading.RLock())  # the default lock is shared among processes
        tqdm.monitor_interval = 0  # no thread
        self._rate = _Rate(start)
        self._url, self._waits = url, False
        self._bar = tqdm(
            total=total,
            initial=start.offset,
            unit="B",
            unit_scale=True,
            bar_format=_COUNTER if total is None else _BAR,
            dynamic_ncols=True,
            leave=False,
        )

    def show_line(self, text: str) -> None:
        tqdm.write(escaped_lines(text), file=sys.stderr)

    def update(self, tally: Tally, last_error: str | None) -> None:
        if last_error and not self._waits:
            self.show_line(waiting_for(self._url, last_error))
        self._waits = bool(last_error)
        waiting = f"; waiting for the service: {last_error}" if last_error else ""
        self._bar.set_postfix_str(self._rate.text(tally) + waiting, refresh=False)
        self._bar.update(tally.offset - self._bar.n)
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


class _Lines:
    """A line from time to time."""

    def __init__(self, start: Tally, url: str) -> None:
        self._rate = _Rate(start)
        self._url = url
        self._shown_at = time.monotonic()
        self._last_error: str | None = None

    def show_line(self, text: str) -> None:
        print(escaped_lines(text), file=sys.stderr, flush=True)

    def update(self, tally: Tally, last_error: str | None) -> None:
        silent = time.monotonic() - self._shown_at
        changed = (last_error is None) != (self._last_error is None)
        if silent < (QUIET_SECONDS if changed else LINE_SECONDS):
            return
        waiting = f"waiting for the service: {last_error}; " if last_error else ""
        where = f"; {waiting_for(self._url, last_error)}" if last_error else ""
        self.show_line(f"{waiting}line {tally.lines:,}: {self._rate.text(tally)}{where}")
        self._last_error = last_error
        self._shown_at = time.monotonic()

    def close(self) -> None:
        """Do nothing: printed lines stay."""
