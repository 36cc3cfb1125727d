"""The RQ side of the wake-up: what is enqueued, under which id, and for how long."""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import cast

import fakeredis
import pytest
import redis
from rq.job import Job

from storage.errors import ControlUnavailable, QueueUnavailable
from storage.queue.scheduler import DRAIN_QUEUE, JOB_SECONDS, DrainScheduler, rq_queue
from storage.queue.sweeper import Sweeper
from testbed.waiting import wait_until
from worker.drain import drain


@pytest.fixture
def control() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis()


@pytest.fixture
def scheduler(control: fakeredis.FakeRedis, monkeypatch: pytest.MonkeyPatch) -> DrainScheduler:
    monkeypatch.setattr("storage.queue.scheduler.connect", lambda url: control)
    return DrainScheduler("redis://queue", "redis://control", 4)


def waiting_ids(control: fakeredis.FakeRedis) -> list[str]:
    return [cast(bytes, job_id).decode() for job_id in control.lrange(rq_queue(control).key, 0, -1)]


def test_a_drain_is_enqueued_for_its_shard_on_the_one_queue(
    scheduler: DrainScheduler, control: fakeredis.FakeRedis
) -> None:
    scheduler.enqueue(3, 7)
    assert waiting_ids(control) == ["drain-3-7"]
    job = Job.fetch("drain-3-7", connection=control, serializer="json")
    assert job.origin == DRAIN_QUEUE
    assert job.func is drain
    assert job.args == [3]
    assert scheduler.waiting() == 1


def test_a_drain_that_nobody_picks_up_or_that_fails_is_forgotten(
    scheduler: DrainScheduler, control: fakeredis.FakeRedis
) -> None:
    scheduler.enqueue(0, 1)
    job = Job.fetch("drain-0-1", connection=control)
    assert (job.timeout, job.ttl, job.failure_ttl) == (JOB_SECONDS,) * 3
    assert job.result_ttl == 0
    assert 0 < control.ttl(job.key) <= JOB_SECONDS
    assert job.retries_left is None


def test_each_generation_of_each_shard_has_an_id_of_its_own_that_rq_allows(
    scheduler: DrainScheduler, control: fakeredis.FakeRedis
) -> None:
    wanted = [(shard, generation) for shard in (0, 1, 11) for generation in (1, 2, 11, 10**9)]
    for shard, generation in wanted:
        scheduler.enqueue(shard, generation)
    ids = waiting_ids(control)
    assert len(set(ids)) == len(wanted) == scheduler.waiting()
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", job_id) for job_id in ids)


def test_enqueueing_while_control_is_away_says_so(
    scheduler: DrainScheduler, control: fakeredis.FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **more: object) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(control, "llen", away)
    monkeypatch.setattr(control, "pipeline", away)
    with pytest.raises(ControlUnavailable):
        scheduler.waiting()
    with pytest.raises(ControlUnavailable):
        scheduler.enqueue(0, 1)


class StubScheduler:
    """Sweeps as it is told to, and counts."""

    def __init__(self) -> None:
        self.sweeps = 0
        self.sweep_once: Callable[[], None] = lambda: None

    def sweep(self) -> int:
        self.sweeps += 1
        self.sweep_once()
        return 0


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubScheduler]:
    monkeypatch.setattr("storage.queue.sweeper.SWEEP_SECONDS", 0.001)
    found = StubScheduler()
    sweeper = Sweeper(found)  # type: ignore[arg-type]
    sweeper.start()
    yield found
    sweeper.stop()
    assert "sweeper" not in {thread.name for thread in threading.enumerate()}


def more_sweeps(stub: StubScheduler) -> None:
    before = stub.sweeps
    wait_until(lambda: stub.sweeps > before + 3, "more sweeps")


def raising(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_a_sweeper_goes_on_after_an_outage_that_it_reports_once(
    stub: StubScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    more_sweeps(stub)
    for outage in range(1, 3):
        stub.sweep_once = raising(QueueUnavailable("away"))
        more_sweeps(stub)
        stub.sweep_once = lambda: None
        more_sweeps(stub)
        assert caplog.text.count("sweeper failed and retries: away") == outage


def test_a_sweeper_survives_what_nobody_expected(
    stub: StubScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    stub.sweep_once = raising(ValueError("a surprise"))
    more_sweeps(stub)
    stub.sweep_once = lambda: None
    more_sweeps(stub)
    assert [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "a surprise" in caplog.text
