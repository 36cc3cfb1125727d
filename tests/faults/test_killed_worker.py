"""Kill, stop or remove real workers: every acknowledged event is stored exactly once."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

import pytest
import redis
import sqlalchemy as sa

from storage.queue.scheduler import DRAIN_QUEUE
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.load import Load, load
from tests.support.queued import assert_balanced, assert_stored_once, backlog, state, stored_ids

TAKEOVER_SECONDS = 40  # on a busy machine; without the lease RQ alone would take 70 s or more
RQ_LIST = f"rq:queue:{DRAIN_QUEUE}"


@pytest.fixture
def queue(settings: StorageSettings) -> Iterator[redis.Redis]:
    with connect(settings.queue_url) as client:
        yield client


@pytest.fixture
def control(settings: StorageSettings) -> Iterator[redis.Redis]:
    with connect(settings.control_url) as client:
        yield client


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = sa.create_engine(settings.database_url)  # one holds a lock while another one waits
    yield found
    found.dispose()


def post_some(running: Service, count: int) -> list[str]:
    """Post onto every shard, by keys, if there are many events; else onto one shard."""
    event = {"component": "some", "environment": "test", "message": "x"}
    answers = [
        running.http.post("/events", json=event, headers={"idempotency-key": token_hex()})
        for _ in range(count)
    ]
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["id"] for answer in answers]


def running_shards(queue: redis.Redis, settings: StorageSettings) -> list[int]:
    """Return the shards that a drain holds."""
    return [shard for shard in range(settings.shards) if state(queue, shard).get("st") == "r"]


def trimmed(queue: redis.Redis, shard: int) -> int:
    return int(state(queue, shard).get("trimmed", 0))


def wait_progress(queue: redis.Redis, since: dict[int, int]) -> None:
    """Wait until each of the shards has stored more than before, or has nothing left."""
    for shard, stored in since.items():
        wait_until(
            lambda shard=shard, stored=stored: (  # type: ignore[misc]
                trimmed(queue, shard) > stored or backlog(queue, shard) == 0
            ),
            f"shard {shard} to go on",
            TAKEOVER_SECONDS,
        )


def wait_drained(queue: redis.Redis, settings: StorageSettings) -> None:
    shards = range(settings.shards)
    wait_until(lambda: not any(backlog(queue, shard) for shard in shards), "the queue to be empty")
    for shard in shards:
        wait_until(lambda shard=shard: "st" not in state(queue, shard), "the shard to be idle")  # type: ignore[misc]
        assert_balanced(queue, shard)


def kill(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.wait(10)


@contextmanager
def table_locked(engine: sa.Engine) -> Iterator[None]:
    """Lock the events table against inserts for the block."""
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE events IN SHARE MODE"))
        yield


def blocked(engine: sa.Engine) -> list[str]:
    """Return the drains' sessions that wait for a lock."""
    query = (
        "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE "
        "'activity-drain-%' AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    with engine.connect() as connection:
        return list(connection.scalars(sa.text(query)))


def test_workers_killed_under_load_lose_and_double_nothing(
    settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=2) as running, load(running) as producers:
        for _ in range(5):
            before = len(producers.acknowledged)
            wait_until(
                lambda before=before: len(producers.acknowledged) > before + 300,  # type: ignore[misc]
                "more events to be acknowledged",
            )
            held = wait_until(lambda: running_shards(queue, settings), "drains to run")
            since = {shard: trimmed(queue, shard) for shard in held}
            kill(running.workers.pop(0))
            running.start_worker()
            wait_progress(queue, since)
        acknowledged = producers.stop()
        assert producers.refused == producers.unanswered == []
        wait_drained(queue, settings)
        assert len(acknowledged) > 1_500
        assert_stored_once(engine, acknowledged)


def test_all_workers_killed_at_once_lose_and_double_nothing(
    settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=2) as running, load(running) as producers:
        wait_until(lambda: len(producers.acknowledged) > 300, "events to be acknowledged")
        wait_until(lambda: running_shards(queue, settings), "drains to run")
        for worker in running.workers:
            kill(worker)
        wait_until(
            lambda: sum(backlog(queue, shard) for shard in range(settings.shards)) > 300,
            "a backlog",
        )
        since = {shard: trimmed(queue, shard) for shard in range(settings.shards)}
        running.start_worker()
        wait_progress(queue, since)
        acknowledged = producers.stop()
        wait_drained(queue, settings)
        assert_stored_once(engine, acknowledged)


def test_a_worker_killed_in_the_middle_of_its_insert_is_taken_over(
    settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=1) as running:
        first = post_some(running, 1)  # so that its partition exists
        running.wait_stored(first[0])
        with table_locked(engine):
            ids = post_some(running, 20)
            wait_until(lambda: blocked(engine), "a drain to wait in its insert")
            held = {shard: trimmed(queue, shard) for shard in running_shards(queue, settings)}
            assert held
            kill(running.workers[0])
        running.start_worker()
        wait_progress(queue, held)
        wait_drained(queue, settings)
        assert_stored_once(engine, first + ids)


def test_a_worker_stopped_past_its_lease_is_taken_over_and_wakes_up_harmlessly(
    settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=1) as running:
        first = post_some(running, 1)
        running.wait_stored(first[0])
        with table_locked(engine):
            ids = post_some(running, 20)
            wait_until(lambda: blocked(engine), "a drain to wait in its insert")
            held = {shard: trimmed(queue, shard) for shard in running_shards(queue, settings)}
            assert held
            stopped = running.workers[0]
            stopped.send_signal(signal.SIGSTOP)
        running.start_worker()
        wait_progress(queue, held)
        wait_drained(queue, settings)
        assert_stored_once(engine, first + ids)
        stopped.send_signal(signal.SIGCONT)
        kill(running.workers[1])
        more = post_some(running, 20)  # the stopped worker can work again
        wait_drained(queue, settings)
        assert_stored_once(engine, first + ids + more)


def test_workers_stopped_again_and_again_under_load_lose_and_double_nothing(
    settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=2) as running, load(running, 2) as producers:
        for turn in range(2):
            held = wait_until(lambda: running_shards(queue, settings), "drains to run")
            since = {shard: trimmed(queue, shard) for shard in held}
            stopped = running.workers[turn]
            stopped.send_signal(signal.SIGSTOP)
            wait_progress(queue, since)
            stopped.send_signal(signal.SIGCONT)
        acknowledged = producers.stop()
        wait_drained(queue, settings)
        assert_stored_once(engine, acknowledged)


# Wake-ups


def test_without_a_worker_events_wait_and_rqs_list_does_not_grow(
    settings: StorageSettings, queue: redis.Redis, control: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=0) as running:
        ids = post_some(running, 50)
        # Each sweep that finds the job still waiting extends the wait.
        first = {shard: int(state(queue, shard)["exp"]) for shard in range(settings.shards)}
        wait_until(
            lambda: all(int(state(queue, shard)["exp"]) > first[shard] + 4_000 for shard in first),
            "two prolongations of every shard's wait",
        )
        assert int(control.llen(RQ_LIST)) == settings.shards
        assert stored_ids(engine) == {}
        running.start_worker()
        wait_drained(queue, settings)
        assert_stored_once(engine, ids)


def test_a_job_that_rq_forgot_while_it_waited_is_queued_again(
    settings: StorageSettings, queue: redis.Redis, control: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=0) as running:
        ids = post_some(running, 50)
        wait_until(lambda: control.llen(RQ_LIST) == settings.shards, "the drains to be queued")
        jobs = list(control.scan_iter("rq:job:*"))
        control.delete(*jobs)  # its ttl is over; its id stays in the list
        running.start_worker()
        wait_drained(queue, settings)
        assert_stored_once(engine, ids)


def test_wake_ups_that_control_lost_are_repeated(
    settings: StorageSettings, queue: redis.Redis, control: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=0) as running:
        ids = post_some(running, 50)
        wait_until(lambda: control.llen(RQ_LIST) == settings.shards, "the drains to be queued")
        control.delete(*control.scan_iter("rq:*"))
        running.start_worker()
        wait_drained(queue, settings)
        assert_stored_once(engine, ids)


def test_control_losing_everything_again_and_again_loses_no_event(
    settings: StorageSettings, queue: redis.Redis, control: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=2) as running, load(running, 2) as producers:
        for _ in range(5):
            before = len(producers.acknowledged)
            wait_until(
                lambda before=before: len(producers.acknowledged) > before + 100,  # type: ignore[misc]
                "more events to be acknowledged",
            )
            control.flushall()
        acknowledged = producers.stop()
        assert producers.refused == producers.unanswered == []
        wait_drained(queue, settings)
        assert_stored_once(engine, acknowledged)
        more = post_some(running, 10)
        wait_drained(queue, settings)
        assert_stored_once(engine, acknowledged + more)


def test_a_worker_told_to_stop_ends_after_its_batch_and_passes_the_rest_on(
    settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, workers=2) as running, load(running, 2) as producers:
        wait_until(lambda: len(producers.acknowledged) > 200, "events to be acknowledged")
        held = wait_until(lambda: running_shards(queue, settings), "drains to run")
        since = {shard: trimmed(queue, shard) for shard in held}
        worker = running.workers.pop(0)
        worker.terminate()
        assert worker.wait(10) == 0
        wait_progress(queue, since)
        acknowledged = producers.stop()
        wait_drained(queue, settings)
        assert_stored_once(engine, acknowledged)
        assert all(not state(queue, shard).get("open") for shard in range(settings.shards))


# Other cases


def assert_acknowledged_stored_once(engine: sa.Engine, producers: Load) -> None:
    """Assert this for acknowledged events; events without an answer may be there too."""
    found = stored_ids(engine)
    assert set(found.values()) == {1}
    assert set(producers.acknowledged) <= set(found)
    unsure = len(producers.unanswered) + len(producers.refused)
    assert len(found) <= len(producers.acknowledged) + unsure


def test_api_processes_killed_under_load_lose_and_double_nothing(
    settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    with service(settings, apis=2, workers=1) as running, load(running) as producers:
        for _ in range(3):
            before = len(producers.acknowledged)
            wait_until(
                lambda before=before: len(producers.acknowledged) > before + 200,  # type: ignore[misc]
                "more events to be acknowledged",
            )
            kill(running.apis.pop(0))
            running.start_api()
        producers.stop()
        assert producers.refused == []
        assert producers.unanswered != [], "a kill hits requests that are under way"
        wait_drained(queue, settings)
        assert_acknowledged_stored_once(engine, producers)


@pytest.mark.parametrize("role", ["queue", "postgres", "control"])
def test_a_server_killed_under_load_loses_and_doubles_nothing(
    servers: TestServers,
    settings: StorageSettings,
    queue: redis.Redis,
    engine: sa.Engine,
    role: str,
) -> None:
    [server] = [each for each in servers.servers.all if each.role == role]
    with service(settings, workers=2) as running, load(running) as producers:
        for _ in range(3):
            before = len(producers.acknowledged)
            wait_until(
                lambda before=before: len(producers.acknowledged) > before + 200,  # type: ignore[misc]
                "more events to be acknowledged",
            )
            server.kill()
            server.start()
        producers.stop()
        if role != "queue":
            assert producers.refused == producers.unanswered == []
        engine.dispose()
        for worker in running.workers[:]:
            if worker.poll() is not None:  # as its supervisor does
                running.start_worker()
        wait_drained(queue, settings)
        assert_acknowledged_stored_once(engine, producers)
