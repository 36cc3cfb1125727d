"""Count the requests of clients during rolling restarts, which no client may notice."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from tests.support.witness import COMPONENT, Seen, tcp, witness

CLIENTS = 3  # over kept connections, and as many over new ones
FIRST_NUMBER = 1 << 40  # first number of their events; the load counts from 0


@dataclass
class Served:
    """The requests of all rolling restarts of a run, and those that failed."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)
    promised: list[tuple[str, int]] = field(default_factory=list)
    _posted: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def numbers(self) -> range:
        """Return the numbers of the events that were posted."""
        return range(FIRST_NUMBER, FIRST_NUMBER + self._posted)

    @contextmanager
    def watched(self, port: int) -> Iterator[Seen]:
        """Run clients that post and read for the block."""
        with witness(tcp(port), CLIENTS, self._event) as seen:
            yield seen
        self.answered += seen.answered
        self.failures += seen.failures
        if seen.refused:
            self.failures.append(f"{seen.refused} connections were refused")
        self.promised += [_promise(cast(Any, event)) for event in seen.accepted]

    def _event(self) -> dict[str, object]:
        with self._lock:
            number = FIRST_NUMBER + self._posted
            self._posted += 1
        event = {"component": COMPONENT, "environment": "chaos", "message": "served meanwhile"}
        return {**event, "data": {"n": number}}


def _promise(event: dict[str, Any]) -> tuple[str, int]:
    return event["id"], event["data"]["n"]
