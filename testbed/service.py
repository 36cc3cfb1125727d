"""Run the real processes, API and workers, and talk to them over real HTTP."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import httpx

from storage.settings import StorageSettings
from testbed.processes import start
from testbed.servers import environment
from testbed.waiting import wait_until


@dataclass
class Service:
    """Running API processes on one port, running workers, and an HTTP client."""

    settings: StorageSettings
    env: dict[str, str]
    http: httpx.Client
    listener: socket.socket
    apis: list[subprocess.Popen[bytes]] = field(default_factory=list)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    log: IO[bytes] | None = None  # where the processes log; None: our stderr

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def answers(self, probe: str) -> bool:
        """Return whether a probe answers 200. Raises AssertionError when a process has ended."""
        ended = [process.args for process in self.apis + self.workers if process.poll() is not None]
        assert not ended, f"ended instead of serving: {ended}"
        return self.http.get(probe).status_code == 200

    def start_api(self) -> None:
        """Start one more API process on the port."""
        self.apis.append(self._start("api", self.listener.fileno()))

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start one more worker."""
        self.workers.append(self._start("worker"))
        return self.workers[-1]

    def _start(self, module: str, listener: int | None = None) -> subprocess.Popen[bytes]:
        log = None if self.log is None else self.log.fileno()
        return start(module, self.env, listener, log)

    def post(self, **event: object) -> dict[str, object]:
        """Post an event that must be accepted; return the answer."""
        response = self.http.post("/events", json=event)
        assert response.status_code == 202, response.text
        return response.json()  # type: ignore[no-any-return]

    def events(self, **filters: object) -> list[dict[str, object]]:
        """Return the first page of a query that must succeed."""
        response = self.http.get("/events", params=filters)  # type: ignore[arg-type]
        assert response.status_code == 200, response.text
        return response.json()["events"]  # type: ignore[no-any-return]

    def by_ids(self, ids: list[str]) -> dict[str, Any]:
        """Return the answer to `GET /events?id=...` for these ids."""
        response = self.http.get("/events", params=[("id", one) for one in ids])
        assert response.status_code == 200, response.text
        return response.json()  # type: ignore[no-any-return]

    def wait_stored(self, event_id: object) -> None:
        """Wait until the receipt of the event is `stored`."""
        path = f"/events/{event_id}"
        wait_until(
            lambda: self.http.get(path).json().get("receipt") == "stored", f"{path} to be stored"
        )

    def stop(self) -> None:
        """Stop everything. Closes the client first: an API process waits for idle connections."""
        self.http.close()
        self.end_processes()

    def end_processes(self) -> None:
        """Stop API processes and then workers, as `activity up` does."""
        processes = [*self.apis, *self.workers]
        try:
            for process in processes:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                process.wait(60)
        finally:
            for process in processes:
                process.kill()
                process.wait()
            self.apis.clear()
            self.workers.clear()


@contextmanager
def service(
    settings: StorageSettings,
    apis: int = 1,
    workers: int = 1,
    probe: str = "/health/ready",
    log_to: IO[bytes] | None = None,
    **more: object,
) -> Iterator[Service]:
    """Run the service for the block, which starts when `probe` answers 200.

    `ack=stored` and the limits of keys wait for long unless `more` says otherwise: the machine may
    be busy.
    """
    more = {"ack_seconds": 60, "limit_wait_ms": 5_000, **more}
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2048))
        os.set_inheritable(listener.fileno(), True)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        http = stack.enter_context(httpx.Client(base_url=url, timeout=120, trust_env=False))
        running = Service(settings, environment(settings, **more), http, listener, log=log_to)
        stack.callback(running.stop)
        for _ in range(apis):
            running.start_api()
        for _ in range(workers):
            running.start_worker()
        wait_until(lambda: running.answers(probe), f"{probe} to be good")
        yield running
