"""What is seen of a run while it goes on: a bar on a terminal, else a line now and then."""

import sys
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from tqdm import tqdm

LINE_SECONDS = 10.0
QUIET_SECONDS = 2.0  # a service that takes some and refuses some is not told of each time
_BAR = "{percentage:3.0f}% |{bar}| {n_fmt}B of {total_fmt}B, {elapsed}<{remaining}{postfix}"
_COUNTER = "{n_fmt}B, {elapsed}{postfix}"


@dataclass
class Tally:
    """How far a run is: all before `offset` bytes and `lines` is done. `blank`: the lines that this
    process passed over."""

    offset: int = 0
    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    blank: int = 0


class Progress(Protocol):
    """What a run shows itself by."""

    def say(self, text: str) -> None:
        """A line of its own."""

    def update(self, tally: Tally, last_error: str | None) -> None:
        """The run is there now; `last_error`: why the service does not take what is sent."""

    def close(self) -> None:
        """The run has ended."""


def progress(total: int | None, start: Tally) -> Progress:
    """For input of `total` bytes, None when nobody knows, that is gone on with at `start`."""
    return _Bar(total, start) if sys.stderr.isatty() else _Lines(start)


class _Rate:
    """Events a second since the start."""

    def __init__(self, start: Tally) -> None:
        self._before = start.accepted + start.rejected
        self._began = time.monotonic()

    def text(self, tally: Tally) -> str:
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (tally.accepted + tally.rejected - self._before) / seconds
        rejected = f", {tally.rejected:,} rejected" if tally.rejected else ""
        return f"{tally.accepted:,} accepted{rejected}, {rate:,.0f}/s"


class _Bar:
    def __init__(self, total: int | None, start: Tally) -> None:
        tqdm.set_lock(threading.RLock())  # its own would be one for many processes,
        tqdm.monitor_interval = 0  # and a thread
        self._rate = _Rate(start)
        self._bar = tqdm(
            total=total,
            initial=start.offset,
            unit="B",
            unit_scale=True,
            bar_format=_COUNTER if total is None else _BAR,
            dynamic_ncols=True,
            leave=False,
        )

    def say(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr)

    def update(self, tally: Tally, last_error: str | None) -> None:
        waiting = f"; waiting for the service: {last_error}" if last_error else ""
        self._bar.set_postfix_str(self._rate.text(tally) + waiting, refresh=False)
        self._bar.update(tally.offset - self._bar.n)
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


class _Lines:
    def __init__(self, start: Tally) -> None:
        self._rate = _Rate(start)
        self._said = time.monotonic()
        self._last_error: str | None = None

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def update(self, tally: Tally, last_error: str | None) -> None:
        silent = time.monotonic() - self._said
        changed = (last_error is None) != (self._last_error is None)
        if silent < (QUIET_SECONDS if changed else LINE_SECONDS):
            return
        waiting = f"waiting for the service: {last_error}; " if last_error else ""
        self.say(f"{waiting}line {tally.lines:,}: {self._rate.text(tally)}")
        self._last_error = last_error
        self._said = time.monotonic()

    def close(self) -> None:
        """There is nothing to take off the screen."""
