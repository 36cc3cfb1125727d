"""Periodic jobs: an outage is logged once, only a stop ends a job, and a stop is prompt."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator

import psycopg2.errors
import pytest
import sqlalchemy as sa

from storage.errors import ControlUnavailable, QueueUnavailable
from storage.periodic import OutageLog, PeriodicTask, PeriodicThread
from testbed.waiting import wait_until

SOON, LATE = 0.001, 3600.0
AWAY = QueueUnavailable("away")


class Job:
    """Counts its rounds; `act` is what one does."""

    def __init__(self) -> None:
        self.rounds = 0
        self.act: Callable[[], None] = lambda: None

    def round(self) -> None:
        self.rounds += 1
        self.act()

    def fail(self, error: Exception | None) -> None:
        def act() -> None:
            if error is not None:
                raise error

        self.act = act


class JobThread(PeriodicThread):
    def __init__(self, job: Job, seconds: float, *, at_once: bool = False) -> None:
        super().__init__("counting", seconds, at_once=at_once)
        self._job = job

    def run_once(self) -> None:
        self._job.round()


class JobTask(PeriodicTask):
    def __init__(self, job: Job, seconds: float) -> None:
        super().__init__("counting", seconds)
        self._job = job

    async def run_once(self) -> None:
        self._job.round()


class LoopThread:
    """A `JobTask` in an event loop of its own, started and stopped from here as a thread is."""

    def __init__(self, job: Job, seconds: float) -> None:
        self._job, self._seconds = job, seconds
        self._loop = asyncio.new_event_loop()
        self._runner = threading.Thread(target=self._loop.run_forever)

    def start(self) -> None:
        self._runner.start()
        self._task = asyncio.run_coroutine_threadsafe(self._started(), self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._task.stop(), self._loop).result(timeout=60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._runner.join()
        self._loop.close()

    async def _started(self) -> JobTask:
        task = JobTask(self._job, self._seconds)
        task.start()
        return task


@pytest.fixture
def job() -> Job:
    return Job()


@pytest.fixture(params=[JobThread, LoopThread])
def running(request: pytest.FixtureRequest, job: Job) -> Iterator[Job]:
    periodic = request.param(job, SOON)
    periodic.start()
    yield job
    periodic.stop()
    assert "counting" not in {thread.name for thread in threading.enumerate()}


def more_rounds(job: Job) -> None:
    before = job.rounds
    wait_until(lambda: job.rounds > before + 3, "more rounds")


def test_an_outage_is_logged_once_and_so_is_its_end(
    running: Job, caplog: pytest.LogCaptureFixture
) -> None:
    more_rounds(running)
    assert not caplog.records
    for outage in (1, 2):
        running.fail(AWAY)
        more_rounds(running)
        assert caplog.text.count("counting failed and retries: away") == outage
        assert caplog.text.count("counting recovered") == outage - 1
        running.fail(None)
        more_rounds(running)
        assert caplog.text.count("counting recovered") == outage
    assert len(caplog.records) == 4
    assert "Traceback" not in caplog.text


def test_an_unexpected_error_is_logged_with_its_traceback_and_ends_nothing(
    running: Job, caplog: pytest.LogCaptureFixture
) -> None:
    running.fail(ValueError("a surprise"))
    more_rounds(running)
    running.fail(None)
    more_rounds(running)
    (failure, _) = caplog.records
    assert failure.levelno == logging.ERROR
    assert "ValueError: a surprise" in caplog.text
    assert caplog.text.count("Traceback") == 1


def test_each_kind_of_failure_within_an_outage_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outages = OutageLog("counting")
    for error in (AWAY, ControlUnavailable("away too"), ValueError("a surprise")) * 3:
        with outages.round():
            raise error
    assert len(caplog.records) == 3


def test_the_values_of_a_statement_that_failed_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    value = "".join(["se", "cret"])  # for the line below is in the traceback
    cause = psycopg2.errors.UniqueViolation(f"duplicate key\nDETAIL: Key (gram)=({value}) exists")
    with OutageLog("counting").round():
        raise sa.exc.IntegrityError("INSERT", {"gram": value}, cause)
    assert "duplicate key" in caplog.text
    assert "test_periodic.py" in caplog.text, "the traceback"
    assert value not in caplog.text


@pytest.mark.parametrize("kind", [JobThread, LoopThread])
def test_stopping_does_not_wait_for_the_next_round(
    job: Job, kind: type[JobThread] | type[LoopThread]
) -> None:
    periodic = kind(job, LATE)
    periodic.start()
    before = time.monotonic()
    periodic.stop()
    assert time.monotonic() - before < LATE / 10
    assert "counting" not in {thread.name for thread in threading.enumerate()}
    assert job.rounds <= 1


def test_the_first_round_of_a_thread_runs_after_a_pause_or_at_once(job: Job) -> None:
    late, early = JobThread(Job(), LATE), JobThread(job, LATE, at_once=True)
    for thread in (late, early):
        thread.start()
    wait_until(lambda: job.rounds, "the round at once")
    for thread in (late, early):
        thread.stop()
    assert late._job.rounds == 0


def test_a_round_can_end_its_own_thread(job: Job) -> None:
    thread = JobThread(job, SOON)
    job.act = thread.request_stop
    thread.start()
    wait_until(lambda: "counting" not in {one.name for one in threading.enumerate()}, "its end")
    assert job.rounds == 1
