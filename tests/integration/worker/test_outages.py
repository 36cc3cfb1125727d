"""An outage of a server, as each periodic job meets it: logged once, and over once it is back."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import redis

from storage.postgres.engine import plain_engine
from storage.queue import backlog_monitor, sweeper
from storage.queue.backlog_monitor import BacklogMonitor
from storage.queue.inspector import Inspector
from storage.queue.lease import ShardLease
from storage.queue.scheduler import DrainScheduler
from storage.queue.sweeper import Sweeper
from storage.redis import keys
from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.queued import append, make_events
from tests.support.relayed import RelayedServers, relayed_servers
from worker import maintenance
from worker.heartbeat import Heartbeat
from worker.maintenance import Maintenance

Job = Callable[[StorageSettings], AbstractContextManager[object]]


@pytest.fixture
def servers(settings: StorageSettings) -> Iterator[RelayedServers]:
    append(settings, make_events(1))  # something to sweep
    with redis.Redis.from_url(settings.queue_url) as queue:
        queue.hdel(keys.state(0), "st", "exp")
    with relayed_servers(settings) as relayed:
        yield relayed


@contextmanager
def sweeping(settings: StorageSettings) -> Iterator[None]:
    running = Sweeper(DrainScheduler(settings.queue_url, settings.control_url, settings.shards))
    running.start()
    yield
    running.stop()


@contextmanager
def maintaining(settings: StorageSettings) -> Iterator[None]:
    running = Maintenance(plain_engine(settings.database_url), "day", 1)
    running.start()
    yield
    running.stop()


@contextmanager
def renewing(settings: StorageSettings) -> Iterator[None]:
    lease = ShardLease(connect(settings.queue_url), 0, 600_000)
    assert lease.acquire(0)
    with Heartbeat(lease, 30):
        yield


@contextmanager
def monitoring(settings: StorageSettings) -> Iterator[None]:
    end = threading.Event()

    async def monitor() -> None:
        client = connect_async(settings.queue_url)
        running = BacklogMonitor(Inspector(client, settings.shards))
        running.start()
        await asyncio.to_thread(end.wait)
        await running.stop()
        await client.aclose()

    thread = threading.Thread(target=asyncio.run, args=[monitor()])
    thread.start()
    yield
    end.set()
    thread.join()


@pytest.mark.parametrize(
    ("job", "name", "role"),
    [
        (sweeping, "sweeper", "queue"),
        (sweeping, "sweeper", "control"),
        (maintaining, "maintenance", "postgres"),
        (renewing, "heartbeat", "queue"),
        (monitoring, "backlog monitor", "queue"),
    ],
)
def test_an_outage_is_logged_once_and_so_is_its_end(
    servers: RelayedServers,
    job: Job,
    name: str,
    role: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for module, constant in (
        (sweeper, "SWEEP_SECONDS"),
        (backlog_monitor, "POLL_SECONDS"),
        (maintenance, "PERIOD_SECONDS"),
    ):
        monkeypatch.setattr(module, constant, 0.01)
    with job(servers.settings):
        for outage in (1, 2):
            wait_until(lambda: asked(servers, role), f"{role} to be asked")
            servers.take_away(role)
            wait_for_line(caplog, f"{name} failed", outage)
            servers.bring_back(role)
            wait_for_line(caplog, f"{name} recovered", outage)
    assert [caplog.text.count(f"{name} {said}") for said in ("failed", "recovered")] == [2, 2]
    assert "Traceback" not in caplog.text


def asked(servers: RelayedServers, role: str) -> bool:
    return servers.relays[role].turns > 3


def wait_for_line(caplog: pytest.LogCaptureFixture, text: str, times: int) -> None:
    wait_until(lambda: caplog.text.count(text) == times, f"{text!r} for the {times}. time")
