"""Run producers that post all the time and record what was acknowledged."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from testbed.service import Service


class Load:
    """Producers that post one event after the other, and the acknowledged ids."""

    def __init__(self, url: str, producers: int) -> None:
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.unanswered: list[str] = []
        self._stop = threading.Event()
        self._url = url
        self._threads = [threading.Thread(target=self._run) for _ in range(producers)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[str]:
        """Stop, and return the acknowledged ids."""
        self._stop.set()
        for thread in self._threads:
            thread.join(40)
        return self.acknowledged

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30, trust_env=False) as http:
            while not self._stop.is_set():
                try:
                    self._post(http)
                except httpx.TransportError as error:
                    self.unanswered.append(repr(error))

    def _post(self, http: httpx.Client) -> None:
        event = {"component": "load", "environment": "test", "message": "x" * 300}
        response = http.post("/events", json=event)
        if response.status_code == 202:
            self.acknowledged.append(response.json()["id"])
        else:
            self.refused.append(response.text)
            self._stop.wait(0.05)


@contextmanager
def load(running: Service, producers: int = 4) -> Iterator[Load]:
    """Run producers for the block."""
    started = Load(running.url, producers)
    try:
        yield started
    finally:
        started.stop()
