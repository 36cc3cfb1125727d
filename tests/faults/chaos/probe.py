"""Measure recovery: the time until events are accepted and stored again, and pages show them."""

import time
from collections.abc import Callable
from functools import partial

from testbed.waiting import T
from tests.faults.chaos.client import Answer, get, post
from tests.faults.chaos.stack import Stack

DEADLINE_SECONDS = 90
PROBES = 4  # to each address: they go to different shards
COMPONENT = "probe"
PAGE = 100


class Probe:
    """A producer with negative numbers, which records what was acknowledged."""

    def __init__(self, stack: Stack) -> None:
        self.promised: list[tuple[str, int]] = []
        self.stale: list[str] = []
        self.posted = 0  # its numbers are -1, -2 ... down to -posted
        self._stack = stack

    def recovery(self) -> float:
        """Return the seconds until new events, posted to each address, are stored.

        Raises AssertionError past the deadline. Then it reads the events back: a page without an
        event whose receipt says stored is added to `stale`.
        """
        since = time.monotonic()
        end = since + DEADLINE_SECONDS
        ids = [self._accepted(port, end) for port in self._stack.ports for _ in range(PROBES)]
        for event_id in ids:
            self._wait(partial(self._is_stored, event_id), "an event to be stored", end)
        seconds = time.monotonic() - since
        for port in self._stack.ports:
            self._read_back(port, set(ids), time.monotonic() + DEADLINE_SECONDS)
        return seconds

    def _accepted(self, port: int, end: float) -> str:
        return self._wait(lambda: self._post(port), "an event to be accepted", end)

    def _wait(self, condition: Callable[[], T], what: str, end: float) -> T:
        return self._stack.wait(condition, what, end - time.monotonic())

    def _post(self, port: int) -> str:
        self.posted += 1
        number = -self.posted
        event = {"component": COMPONENT, "environment": "chaos", "message": "are you there?"}
        answer = post(port, {**event, "data": {"n": number}})
        if answer.status != 202:
            return ""
        event_id: str = answer.json()["id"]
        self.promised.append((event_id, number))
        return event_id

    def _is_stored(self, event_id: str) -> bool:
        answers = (get(port, f"/events/{event_id}") for port in self._stack.ports)
        return any(a.status == 200 and a.json()["receipt"] == "stored" for a in answers)

    def _read_back(self, port: int, ids: set[str], end: float) -> None:
        def page() -> Answer | None:
            answer = get(port, "/events", component=COMPONENT, limit=PAGE)
            return answer if answer.status == 200 else None

        answer = self._wait(page, "a page to be readable", end)
        shown = {event["id"] for event in answer.json()["events"]} if answer else set()
        self.stale += [
            f"{event_id} is stored, and a page lacks it" for event_id in sorted(ids - shown)
        ]
