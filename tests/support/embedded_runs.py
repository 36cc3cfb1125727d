"""Runs of the embedded servers in folders that another user can reach."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis

from cli.embedded import Servers, embedded_servers
from cli.embedded.lock import is_held
from testbed.waiting import wait_until
from tests.support.data_folders import CHECKOUT, reachable_folder

ROOT = os.geteuid() == 0

HOLD = """
    import json, signal, sys
    from pathlib import Path
    from cli.embedded import embedded_servers
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    with embedded_servers(Path(sys.argv[1])) as servers:
        urls = vars(servers.urls)
        print(json.dumps({"pids": list(servers.pids().values()), **urls}), flush=True)
        signal.sigwait([signal.SIGTERM])
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Return an empty folder."""
    with reachable_folder() as folder:
        yield folder
        wait_until(lambda: not is_held(folder / "lock"), "a killed run is gone")


@pytest.fixture(scope="module")
def written_once() -> Iterator[Path]:
    with reachable_folder() as folder:
        with embedded_servers(folder) as servers:
            write(servers)
        yield folder


@pytest.fixture
def seeded(written_once: Path, data_dir: Path) -> Path:
    """Return a folder on which a run has ended that wrote what `check_kept` looks for."""
    subprocess.run(["cp", "-a", f"{written_once}/.", data_dir], check=True)
    return data_dir


@pytest.fixture
def scripts() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a script in a process of its own, which is gone after the test."""
    started = []

    def start(
        script: str, *arguments: object, python: str = sys.executable, **options: Any
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [python, "-c", textwrap.dedent(script), *map(str, arguments)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def sql(servers: Servers, statement: str) -> Any:
    connection = psycopg2.connect(servers.urls.database_url.replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def write(servers: Servers) -> None:
    sql(servers, "CREATE TABLE kept AS SELECT 'row' AS what")
    with client(servers.urls.queue_url) as queue, client(servers.urls.control_url) as control:
        queue.set("kept", "key")
        control.set("kept", "hint")


def check_kept(servers: Servers) -> None:
    assert sql(servers, "SELECT what FROM kept") == [("row",)]
    with client(servers.urls.queue_url) as queue:
        assert queue.get("kept") == "key"
