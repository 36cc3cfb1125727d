"""Run a real Prometheus with the rules and the configuration of deploy/prometheus."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from testbed.waiting import wait_until
from tests.support.prometheus import FOLDER

PROMETHEUS = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed")


class Prometheus:
    """The API of a running Prometheus."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer that must be successful."""
        answer = self._http.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression at this moment."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule, with its health and its last error."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def target(self, job: str) -> dict[str, Any]:
        """Return the first target of a job, with the error of its last scrape."""
        targets = self.get("targets")["activeTargets"]
        return next((each for each in targets if each["labels"]["job"] == job), {})


@contextmanager
def prometheus(folder: Path, target: str, key: str) -> Iterator[Prometheus]:
    """Run Prometheus as the example says, but each second, on `target` with this API key."""
    port = _free_port()
    (folder / "key").write_text(key)
    (folder / "alerts.yaml").write_bytes((FOLDER / "alerts.yaml").read_bytes())
    example = (FOLDER / "prometheus.yaml").read_text()
    config = (
        example.replace("15s", "1s")
        .replace("/etc/prometheus/activity-observe-key", str(folder / "key"))
        .replace("127.0.0.1:5000", target)
    )
    (folder / "prometheus.yaml").write_text(config)
    url = f"127.0.0.1:{port}"
    command = [
        str(PROMETHEUS),
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={url}",
        "--log.level=error",
    ]
    process = subprocess.Popen(command)
    try:
        with httpx.Client(base_url=f"http://{url}", trust_env=False, timeout=60) as http:
            wait_until(lambda: _is_ready(http) or process.poll() is not None, "Prometheus")
            assert process.poll() is None
            yield Prometheus(http)
    finally:
        process.terminate()
        process.wait(60)


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as plug:
        port: int = plug.getsockname()[1]
        return port
