"""Let a real Prometheus scrape the whole service, with the rules and the dashboard of `deploy/`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.embedded.lock import is_held
from testbed.servers import data_folder
from testbed.waiting import wait_until
from tests.support.dashboard import expressions
from tests.support.running_prometheus import Prometheus, needs_prometheus, prometheus

pytestmark = needs_prometheus

ACTIVITY = [sys.executable, "-m", "cli.main"]
EVENT = {"component": "c", "environment": "e", "message": "m"}
SECONDS = 180
# There is no horizon before retention has removed something, and no standby that is read from.
ABSENT = ("activity_retention_horizon", "activity_standby_")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ACTIVITY_")}


@pytest.fixture
def folder() -> Iterator[Path]:
    with data_folder() as data:
        yield data
        wait_until(lambda: not is_held(data / "lock"), "the last process to be gone")


@contextmanager
def up(data: Path) -> Iterator[str]:
    """Yield the URL of a whole service."""
    command = [*ACTIVITY, "up", "--port", "0", "--data-dir", str(data)]
    variables = {**environment(), "ACTIVITY_DISK_BUDGET": "500GiB"}
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("ready: ").strip()
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def make_key(data: Path, name: str, *grants: str) -> str:
    command = [*ACTIVITY, "keys", "create", name, *grants, "--quiet", "--data-dir", str(data)]
    made = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    return made.stdout.strip()


def is_known(client: httpx.Client) -> bool:
    """Return whether the service has noticed the client's key, which takes up to a second."""
    return client.get("/events").status_code != 401


def use(url: str, key: str) -> None:
    """Let the service count something of each kind."""
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        wait_until(lambda: is_known(client), "the key to be noticed")
        posted = client.post("/events?ack=stored", json=EVENT)
        assert posted.status_code in (201, 202)
        assert client.post("/events", json={}).status_code == 422
        for _ in range(3):
            assert client.get("/events?component=c").status_code == 200


def test_prometheus_scrapes_every_figure_and_evaluates_every_rule(
    folder: Path, tmp_path: Path
) -> None:
    with up(folder) as url:
        observe = make_key(folder, "prometheus", "--scope", "observe", "--expires", "3d")
        use(url, make_key(folder, "all", "--scope", "write", "--scope", "read"))
        with prometheus(tmp_path, url.removeprefix("http://"), observe) as running:
            wait_until(lambda: running.target("activity").get("health") == "up", "a scrape")
            missing = {each for each in expressions() if not any(name in each for name in ABSENT)}

            def has_all() -> bool:
                missing.difference_update({each for each in missing if running.query(each)})
                return not missing

            try:
                wait_until(has_all, "data of every query", 90)
            except AssertionError:
                raise AssertionError(f"no data: {sorted(missing)}") from None
            wait_until(lambda: all_evaluated(running), "every rule", SECONDS)
            assert [rule for rule in running.rules() if rule.get("lastError")] == []
            assert firing(running) == set()


def all_evaluated(running: Prometheus) -> bool:
    return {rule["health"] for rule in running.rules()} == {"ok"}


def firing(running: Prometheus) -> set[str]:
    """Return the alerts that fire. A key that expires in 3 days is a ticket after 15 minutes."""
    return {rule["name"] for rule in running.rules() if rule.get("state") == "firing"}


def was_refused(target: dict[str, Any]) -> bool:
    """Return whether a scrape was answered with 403. Prometheus notes error and health in turn."""
    return target.get("health") == "down" and "403" in target.get("lastError", "")


def test_a_key_without_the_scope_is_refused(folder: Path, tmp_path: Path) -> None:
    with up(folder) as url:
        other = make_key(folder, "reader", "--scope", "read")
        with prometheus(tmp_path, url.removeprefix("http://"), other) as running:
            wait_until(lambda: was_refused(running.target("activity")), "a 403")
