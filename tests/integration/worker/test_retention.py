"""The thread of retention beside the workers."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from storage.errors import RetentionStopped
from storage.postgres.engine import plain_engine
from storage.redis.client import connect
from storage.retention.plan import Policy
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.retention import History, history
from worker.background import Background
from worker.retention import Retention, policy_of
from worker.settings import WorkerSettings


@pytest.fixture
def world(settings: StorageSettings) -> Iterator[History]:
    with history(settings) as found:
        yield found


def test_it_removes_what_is_due_at_its_start(world: History, settings: StorageSettings) -> None:
    world.run(days=6)
    world.execute("UPDATE retention_state SET days = 5")  # a run of yesterday left nothing
    background = Background(settings, WorkerSettings(retention_days=5))
    background.start()
    try:
        wait_until(lambda: world.stored() == list(world.days[3:]), "the day to be removed", 60)
    finally:
        background.stop()
    assert world.end_state()["unfinished"] == []


def test_what_needs_an_operator_is_a_failure_that_says_so(
    world: History, settings: StorageSettings
) -> None:
    engine = plain_engine(settings.database_url, pool=2)
    with closing(connect(settings.control_url)) as control:
        thread = Retention(engine, control, Policy(3))
        with pytest.raises(RetentionStopped, match="activity retention run --yes"):
            thread.run_once()
        assert world.stored() == list(world.days)
        over = Retention(engine, control, Policy(None, 1))
        world.run(days=2)
        with pytest.raises(RetentionStopped, match="over ACTIVITY_DISK_BUDGET"):
            over.run_once()
    engine.dispose()


@pytest.mark.parametrize(
    ("given", "budget"), [("1000", 1000), ("500GiB", 500 * 2**30), ("2 TB", 2 * 10**12)]
)
def test_the_budget_is_bytes_or_a_size_with_a_unit(
    given: str, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIVITY_DISK_BUDGET", given)
    assert policy_of(WorkerSettings()) == Policy(None, budget)
