"""The servers' logs: for their user alone, and small however long the servers run."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg2
import pytest

from cli.embedded import Servers, embedded_servers, log_file
from testbed.servers import data_folder
from testbed.waiting import wait_until

SMALL = 4096


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Servers whose logs are large once they have 4 KiB."""
    monkeypatch.setattr(log_file, "MAX_BYTES", SMALL)
    with data_folder() as folder, embedded_servers(folder) as servers:
        yield servers


def say(servers: Servers, *words: str) -> None:
    """Make PostgreSQL log these."""
    connection = psycopg2.connect(servers.urls.database_url.replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        for word in words:
            cursor.execute("DO $$ BEGIN RAISE WARNING '%', repeat('x', 200); END $$")
            cursor.execute(f"DO $$ BEGIN RAISE WARNING 'word {word}'; END $$")
    connection.close()


def test_a_log_is_begun_anew_while_its_server_runs_and_one_older_file_is_kept(
    running: Servers,
) -> None:
    log = running.layout.log("postgres")
    older = log.with_suffix(".log.1")

    def has(word: str) -> bool:
        return word in log.read_text()

    for turn in range(5):
        say(running, *(f"{turn}-{number}" for number in range(20)))
        wait_until(partial(has, f"word {turn}-19"), "the words", 30)
        running.rotate_logs()
        assert log.stat().st_size <= SMALL
        assert older.stat().st_size <= SMALL
        assert f"word {turn}-19" in older.read_text()
        say(running, "after")
        wait_until(lambda: "word after" in log.read_text(), "the next word", 30)
        assert "\0" not in log.read_text()
    assert sorted(path.name for path in log.parent.iterdir()) == [
        "control.log", "postgres.log", "postgres.log.1", "queue.log",
    ]  # fmt: skip


def test_logs_are_their_users_alone_also_those_of_an_earlier_version(running: Servers) -> None:
    log = running.layout.log("postgres")
    say(running, *map(str, range(20)))
    log.chmod(0o644)
    running.postgres.restart()
    running.rotate_logs()
    for path in log.parent.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_full_disk_costs_the_older_log_and_not_the_bound(
    running: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    say(running, *map(str, range(20)))
    log: Path = running.layout.log("postgres")
    wait_until(lambda: log.stat().st_size > SMALL, "the log to be large", 30)
    monkeypatch.setattr("shutil.copyfileobj", full)
    running.rotate_logs()
    assert log.stat().st_size == 0
