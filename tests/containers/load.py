"""Producers that post without a pause, and an account of what became of each event."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import httpx

from testbed.waiting import wait_until
from tests.support.proxies import NAME

PRODUCERS = 3
_PAUSE = 0.005


class Load(AbstractContextManager["Load"]):
    """Post events of one component from several threads while the block runs.

    `acknowledged`: the ids of events that got 202. `refused`: every other outcome, counted.
    """

    def __init__(self, component: str, client: Callable[[], httpx.Client], path: str) -> None:
        self.component = component
        self.acknowledged: list[str] = []
        self.refused: Counter[str] = Counter()
        self._client = client
        self._path = path
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._produce) for _ in range(PRODUCERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int, when: str = "") -> None:
        """Wait until so many more events are acknowledged."""
        wanted = len(self.acknowledged) + count
        try:
            wait_until(lambda: len(self.acknowledged) >= wanted, f"{count} more events {when}", 120)
        except AssertionError as error:
            raise AssertionError(f"{error}; refused: {self.refused}") from None

    def _produce(self) -> None:
        with self._client() as client:
            while not self._ends.wait(_PAUSE):
                outcome = self._post(client)
                if outcome:
                    self.refused[outcome] += 1

    def _post(self, client: httpx.Client) -> str | None:
        event = {"component": self.component, "environment": "containers", "message": "posted"}
        try:
            answer = client.post(self._path, json=event, extensions={"sni_hostname": NAME})
        except httpx.HTTPError as error:
            return type(error).__name__
        if answer.status_code != 202:
            return str(answer.status_code)
        self.acknowledged.append(answer.json()["id"])
        return None


def assert_stored_once(client: httpx.Client, load: Load, path: str = "/events") -> None:
    """Wait until each acknowledged event is found, and check that none is found twice."""

    def missing() -> set[str]:
        return set(load.acknowledged) - set(stored(client, load.component, path))

    wait_until(lambda: not missing(), "every acknowledged event to be stored", 120)
    found = stored(client, load.component, path)
    assert len(found) == len(set(found))


def stored(client: httpx.Client, component: str, path: str = "/events") -> list[str]:
    """Return the id of each stored event of a component; none if it can't be asked now."""
    found: list[str] = []
    question: dict[str, str] = {"component": component, "limit": "1000"}
    while True:
        answer = client.get(path, params=question, extensions={"sni_hostname": NAME})
        if answer.status_code != 200:
            return []
        page = answer.json()
        found += [event["id"] for event in page["events"]]
        if not page["next_cursor"]:
            return found
        question["cursor"] = page["next_cursor"]
