"""Counters never fall, and their sums are true to the event, whatever happens to the processes."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.waiting import wait_until
from tests.support.api_command import ApiCommand, api_command
from tests.support.counted_load import CountedLoad, Scraper, counted_load
from tests.support.scraped import Scrape, scrape

SECONDS = 60
PROCESSES = 3
KILLS = 8


@pytest.fixture
def api(settings: StorageSettings) -> Iterator[ApiCommand]:
    with api_command(settings, "--port", "0", "--processes", str(PROCESSES)) as running:
        wait_until(lambda: len(running.pids()) == PROCESSES, "the API processes", SECONDS)
        wait_until(lambda: answers(running), "the first answer", SECONDS)
        yield running


@pytest.fixture
def worker(settings: StorageSettings) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-m", "worker"], env=environment(settings))
    yield started
    started.kill()
    started.wait()


def url(api: ApiCommand) -> str:
    return f"http://127.0.0.1:{api.port}"


def answers(api: ApiCommand) -> bool:
    try:
        return httpx.get(f"{url(api)}/health/ready", timeout=SECONDS).status_code == 200
    except httpx.TransportError:
        return False


def wait_for_more(load: CountedLoad, scraper: Scraper) -> None:
    events, scrapes = len(load.acknowledged) + 100, scraper.scrapes + 3
    wait_until(
        lambda: len(load.acknowledged) > events and scraper.scrapes > scrapes, "events", SECONDS
    )


def stored_messages(settings: StorageSettings) -> list[str]:
    engine = sa.create_engine(settings.database_url)
    with engine.begin() as connection:
        found = list(connection.scalars(sa.text("SELECT message FROM events")))
    engine.dispose()
    return found


def once_stored(api: ApiCommand) -> Scrape:
    """Return a scrape of when everything that was accepted is stored."""

    def stored() -> Scrape | None:
        with httpx.Client(base_url=url(api), timeout=SECONDS) as http:
            found = scrape(http)
        totals = [
            sum(found.by(f"activity_{name}_events_total", "shard").values())
            for name in ("accepted", "stored")
        ]
        return found if totals[0] == totals[1] and found.by("activity_unaccounted_events") else None

    found = wait_until(stored, "everything to be stored", SECONDS)
    assert found is not None
    return found


@pytest.mark.usefixtures("worker")
def test_counters_never_fall_and_are_true_to_the_event_while_processes_are_killed(
    api: ApiCommand, settings: StorageSettings
) -> None:
    chance = random.Random(11)
    with counted_load(url(api)) as (load, scraper):
        for _ in range(KILLS):
            wait_for_more(load, scraper)
            os.kill(chance.choice(api.pids()), signal.SIGKILL)
        wait_for_more(load, scraper)
    assert scraper.fallen == []
    assert load.other == []
    found = once_stored(api)
    stored = stored_messages(settings)
    unknown_stored = set(load.unknown) & set(stored)
    ledger = len(load.acknowledged) + len(unknown_stored)
    assert len(stored) == len(set(stored)) == ledger
    assert sum(found.by("activity_accepted_events_total", "shard").values()) == ledger
    assert sum(found.by("activity_stored_events_total", "shard").values()) == ledger
    assert found["activity_duplicate_events_total"] == found["activity_unaccounted_events"] == 0
    # An answer is counted before it is sent. Killed in between, it was counted and not sent.
    answered = found.by("activity_http_requests_total", "method", "route", "code")
    counted = answered["POST", "/events", "202"]
    assert len(load.acknowledged) <= counted <= ledger
    refused = found.by("activity_rejected_events_total", "reason")["invalid",]
    assert load.refused <= refused <= load.refused + load.refused_unknown
    assert load.unknown or load.refused_unknown, "a kill hits requests that are under way"


@pytest.mark.usefixtures("worker")
def test_rolling_restarts_lose_no_count(api: ApiCommand, settings: StorageSettings) -> None:
    with counted_load(url(api)) as (load, scraper):
        for _ in range(2):
            wait_for_more(load, scraper)
            api.restart()
        wait_for_more(load, scraper)
    assert scraper.fallen == []
    assert (load.unknown, load.other, load.refused_unknown) == ([], [], 0)
    found = once_stored(api)
    answered = found.by("activity_http_requests_total", "method", "route", "code")
    assert answered["POST", "/events", "202"] == len(load.acknowledged)
    assert answered["POST", "/events", "422"] == load.refused
    assert found.by("activity_rejected_events_total", "reason")["invalid",] == load.refused
    assert found["activity_group_commit_events_sum"] == len(load.acknowledged)
    assert sum(found.by("activity_accepted_events_total", "shard").values()) == len(
        load.acknowledged
    )


def test_any_process_answers_for_all(api: ApiCommand) -> None:
    def held() -> set[int]:
        """Return the API processes that have the file open."""
        folders = {pid: Path(f"/proc/{pid}/fd") for pid in api.pids()}
        return {
            pid
            for pid, folder in folders.items()
            if any("memfd:activity-slots" in os.readlink(fd) for fd in folder.iterdir())
        }

    wait_until(lambda: len(held()) == PROCESSES, "all to count in one file", SECONDS)
    for _ in range(20):
        httpx.get(f"{url(api)}/health", timeout=SECONDS)  # each over a connection of its own
    with httpx.Client(base_url=url(api), timeout=SECONDS) as http:
        found = scrape(http)
    answered = found.by("activity_http_requests_total", "method", "route", "code")
    assert answered["GET", "/health", "200"] == 20
    resident = found.by("activity_process_resident_bytes", "role")
    assert resident.keys() == {("api",), ("supervisor",)}
