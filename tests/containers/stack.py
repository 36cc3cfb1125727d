"""The project as its users have it: its files, with compose.yaml, in a folder of its own."""

import json
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from testbed.waiting import wait_until
from tests.containers.engine import Engine
from tests.containers.images import BASE, POSTGRES, VALKEY

PROJECT = Path(__file__).parents[2]
# The engine makes no network that leads outside, so builds use the machine's.
_OVERRIDE = "services:\n  api: {build: {network: host}}\n  worker: {build: {network: host}}\n"
SECRETS = ("postgres-password", "queue-password", "control-password")


def copy_project(folder: Path) -> None:
    """Copy every file that git knows or would know, as they lie here."""
    listing = ["git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others"]
    names = subprocess.run(
        [*listing, "--exclude-standard"], capture_output=True, text=True, check=True
    )
    for name in filter(None, names.stdout.split("\0")):
        if (PROJECT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)


@dataclass
class Stack:
    """compose.yaml of a copy of the project, run by an engine."""

    engine: Engine
    folder: Path
    port: int
    token: str = ""

    @property
    def url(self) -> str:
        """Return the base URL of the API."""
        return f"http://127.0.0.1:{self.port}"

    def configure(self, **more: str) -> None:
        """Write .env, as an operator does who has images of his own."""
        shutil.copy(self.folder / ".env.example", self.folder / ".env")
        given = {
            "API_LISTEN": f"127.0.0.1:{self.port}",
            "BASE_IMAGE": BASE,
            "POSTGRES_IMAGE": POSTGRES,
            "VALKEY_IMAGE": VALKEY,
            **more,
        }
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in given.items())
        (self.folder / "compose.override.yaml").write_text(_OVERRIDE)

    def run_line(self, line: str) -> str:
        """Run a line of shell of a page in the project's folder; return what it prints."""
        return self.engine.run("sh", "-ec", line, cwd=self.folder).stdout

    def compose(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `docker compose` in the project's folder."""
        ran = self.engine.run("docker", "compose", *words, cwd=self.folder, check=False)
        if check and ran.returncode:
            raise AssertionError(f"{words}: {ran.stderr[-3000:]}{self._states()}")
        return ran

    def _states(self) -> str:
        """Return what each container says of its health, and its last lines."""
        told = ""
        for container in self.compose("ps", "-aq", check=False).stdout.split():
            state = self.inspect(container)
            logs = self.engine.run("docker", "logs", "--tail", "15", container, check=False)
            told += f"\n{state['Name']}: {state['State']}\n{logs.stdout}{logs.stderr}"
        return told

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's containers, also of those that have ended."""
        return self.compose("ps", "-aq", service).stdout.split()

    def inspect(self, container: str) -> Mapping[str, Any]:
        """Return what the engine knows of a container or an image."""
        (found,) = json.loads(self.engine.docker("inspect", container))
        return dict(found)

    def kill(self, container: str) -> None:
        """Kill a container's processes, wait for its end, and start it again.

        Compose's restart policy does not start what `docker kill` has ended.
        """
        self.engine.docker("kill", container)
        self.engine.docker("start", container)

    def wait_healthy(self) -> None:
        """Wait until every container that has a health check is healthy."""

        def unfit() -> list[str]:
            lines = self.compose("ps", "-a", "--format", "{{.Service}} {{.Health}}").stdout
            states = [line.partition(" ") for line in lines.splitlines()]
            return [name for name, _, health in states if health != "healthy" and name != "migrate"]

        wait_until(lambda: not unfit(), "every container to be healthy", 180)

    def client(self) -> httpx.Client:
        """Return a client of the API with the administrator's key."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=30, trust_env=False)

    @property
    def headers(self) -> dict[str, str]:
        """Return the header with the administrator's key."""
        return {"authorization": f"Bearer {self.token}"}


def two_free_ports() -> int:
    """Return a port of loopback that is free, as is the next one."""
    for _ in range(100):
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports beside each other")
