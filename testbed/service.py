"""The real processes: API and workers, over real HTTP."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.waiting import wait_until


@dataclass
class Service:
    """API processes on one port and workers beside them; a client for the whole."""

    settings: StorageSettings
    env: dict[str, str]
    http: httpx.Client
    listener: socket.socket
    apis: list[subprocess.Popen[bytes]] = field(default_factory=list)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def answers(self, probe: str) -> bool:
        """Whether it is good; fails at once when a process has ended."""
        ended = [process.args for process in self.apis + self.workers if process.poll() is not None]
        assert not ended, f"ended instead of serving: {ended}"
        return self.http.get(probe).status_code == 200

    def start_api(self) -> None:
        """One more API process on the port."""
        fd = self.listener.fileno()
        command = [sys.executable, "-m", "api", "--fd", str(fd)]
        self.apis.append(subprocess.Popen(command, env=self.env, pass_fds=[fd]))

    def start_worker(self) -> subprocess.Popen[bytes]:
        """One more worker."""
        worker = subprocess.Popen([sys.executable, "-m", "worker"], env=self.env)
        self.workers.append(worker)
        return worker

    def post(self, **event: object) -> dict[str, object]:
        """Post an event that must be accepted; the answer."""
        response = self.http.post("/events", json=event)
        assert response.status_code == 202, response.text
        return response.json()  # type: ignore[no-any-return]

    def events(self, **filters: object) -> list[dict[str, object]]:
        """The first page of a query that must succeed."""
        response = self.http.get("/events", params=filters)  # type: ignore[arg-type]
        assert response.status_code == 200, response.text
        return response.json()["events"]  # type: ignore[no-any-return]

    def by_ids(self, ids: list[str]) -> dict[str, Any]:
        """The answer to a question for these events."""
        response = self.http.get("/events", params=[("id", one) for one in ids])
        assert response.status_code == 200, response.text
        return response.json()  # type: ignore[no-any-return]

    def wait_stored(self, event_id: object) -> None:
        """Until the event's receipt says stored."""
        path = f"/events/{event_id}"
        wait_until(
            lambda: self.http.get(path).json().get("receipt") == "stored", f"{path} to be stored"
        )

    def stop(self) -> None:
        """For good; the client too, for whose next request an API process would wait a while."""
        self.http.close()
        self.end_processes()

    def end_processes(self) -> None:
        """Workers last, as in `activity up`."""
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
    **more: object,
) -> Iterator[Service]:
    """A running service, for which `probe` answers 200: by default, ready to accept."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2048))
        os.set_inheritable(listener.fileno(), True)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        http = stack.enter_context(httpx.Client(base_url=url, timeout=30, trust_env=False))
        running = Service(settings, environment(settings, **more), http, listener)
        stack.callback(running.stop)
        for _ in range(apis):
            running.start_api()
        for _ in range(workers):
            running.start_worker()
        wait_until(lambda: running.answers(probe), f"{probe} to be good")
        yield running
