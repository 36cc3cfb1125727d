"""Who can write to control can run nothing in a worker but the drain of a shard."""

import json
import os
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis
from rq import Callback, Queue
from rq.job import Job

from storage.queue.scheduler import DRAIN, DRAIN_QUEUE, DrainScheduler, rq_queue
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until

EVENT = {"component": "c", "environment": "e", "message": "m"}
RQ_LIST = f"rq:queue:{DRAIN_QUEUE}"


class MakesFile:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (self.path,)


@pytest.fixture
def running(settings: StorageSettings) -> Iterator[Service]:
    with service(settings) as started:
        yield started


@pytest.fixture
def control(settings: StorageSettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.control_url) as client:
        yield client


def put(control: redis.Redis, job_id: str | bytes, data: bytes | None, **more: object) -> None:
    """Write an entry of RQ's list, as anybody with access to control can."""
    job_id = job_id.encode() if isinstance(job_id, str) else job_id
    if data is not None:
        fields = {"data": data, "origin": DRAIN_QUEUE, "status": "queued", **more}
        fields |= {"created_at": "2026-11-28T00:00:00.000000Z"}
        control.hset(b"rq:job:" + job_id, mapping=fields)  # type: ignore[arg-type]
    control.rpush(RQ_LIST, job_id)


def call(*arguments: object, function: str = DRAIN) -> bytes:
    return zlib.compress(json.dumps([function, None, arguments, {}]).encode())


def assert_dropped(running: Service, control: redis.Redis, count: int) -> None:
    """Check that no job waits, the worker still drains, and `/status` reports the refused jobs."""
    wait_until(lambda: not control.exists(RQ_LIST), "the list to be worked off", 60)
    for _ in range(2):
        running.wait_stored(running.post(**EVENT)["id"])
    assert [worker.poll() for worker in running.workers] == [None]
    found = running.http.get("/status").json()
    assert found["refused_jobs"] == count
    assert any(f"{count} entries of RQ's list" in text for text in found["attention"])


def test_a_pickled_call_is_not_unpickled(
    running: Service, control: redis.Redis, tmp_path: Path
) -> None:
    evil = pickle.dumps(MakesFile(tmp_path / "made"))
    for number, data in enumerate((evil, zlib.compress(evil)), 1):
        put(control, f"drain-0-{number}", data)
    put(control, "foreign", evil)
    assert_dropped(running, control, 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["meta", "result", "exc_info"])
def test_no_other_field_of_a_job_is_unpickled_either(
    running: Service, control: redis.Redis, tmp_path: Path, field: str
) -> None:
    put(control, "drain-0-1", call(0), **{field: pickle.dumps(MakesFile(tmp_path / "made"))})
    assert_worked_off(running, control)
    assert list(tmp_path.iterdir()) == []


def assert_worked_off(running: Service, control: redis.Redis) -> None:
    wait_until(lambda: not control.exists(RQ_LIST), "the list to be worked off", 60)
    running.wait_stored(running.post(**EVENT)["id"])
    wait_until(lambda: states(control) == [b"idle"], "the worker to be done", 60)
    assert [worker.poll() for worker in running.workers] == [None]


def states(control: redis.Redis) -> list[object]:
    return [control.hget(key, "state") for key in control.smembers("rq:workers")]


def test_another_function_is_not_called(
    running: Service, control: redis.Redis, tmp_path: Path
) -> None:
    Queue(DRAIN_QUEUE, connection=control).enqueue("os.mkdir", str(tmp_path / "pickled"))
    json_queue = Queue(DRAIN_QUEUE, connection=control, serializer="json")
    json_queue.enqueue("os.mkdir", str(tmp_path / "json"))
    put(control, "drain-0-1", call(str(tmp_path / "named"), function="os.mkdir"))
    assert_dropped(running, control, 3)
    assert list(tmp_path.iterdir()) == []


def leave_trace(job: Job, connection: redis.Redis, *_: object) -> None:
    """Return a callback as RQ calls it."""
    connection.set("trace", job.id)


@pytest.mark.parametrize("argument", [0, "no shard"])
def test_a_callback_is_not_called(running: Service, control: redis.Redis, argument: object) -> None:
    callback = Callback(leave_trace)
    rq_queue(control).enqueue(
        DRAIN, argument, job_id="drain-0-1", on_success=callback, on_failure=callback
    )
    assert_worked_off(running, control)
    assert control.get("trace") is None


@pytest.mark.parametrize(
    "arguments",
    [("0",), (-1,), (64,), (2**70,), (0, 1), (), (None,), (True,), (0.0,), ([0],)],
)
def test_a_drain_of_what_is_no_shard_does_not_run(
    running: Service, control: redis.Redis, arguments: tuple[object, ...]
) -> None:
    put(control, "drain-0-1", call(*arguments))
    put(control, "drain-64-1", call(64))
    put(control, "drain-99999999999999999999-1", call(0))
    assert_dropped(running, control, 3)


def test_entries_that_are_no_names_of_jobs_do_not_stop_the_worker(
    running: Service, control: redis.Redis
) -> None:
    put(control, b"\xff\xfe", None)
    put(control, b"x" * 1_000_000, None)
    put(control, "drain-0-1", zlib.compress(bytes(50_000_000)))
    put(control, "drain-0-2", b"[" * 1_000_000)
    control.set("rq:job:drain-0-3", "no hash")
    put(control, "drain-0-3", None)
    control.sadd(f"rq:workers:{DRAIN_QUEUE}", b"\xff\xfe")
    assert_dropped(running, control, 5)


def test_a_worker_takes_no_commands(running: Service, control: redis.Redis) -> None:
    wait_until(lambda: control.scard("rq:workers"), "the worker to work", 60)
    for worker in control.smembers("rq:workers"):
        for command in ("shutdown", "kill-horse", "stop-job", "stop-execution"):
            said = json.dumps({"command": command, "job_id": "drain-0-1", "execution_id": "1"})
            channel = cast(bytes, worker).decode().replace("rq:worker:", "rq:pubsub:")
            assert control.publish(channel, said) == 0, "somebody listens"
    running.wait_stored(running.post(**EVENT)["id"])


def test_a_drain_that_the_service_queues_is_json(settings: StorageSettings) -> None:
    DrainScheduler(settings.queue_url, settings.control_url, settings.shards).enqueue(3, 7)
    with redis.Redis.from_url(settings.control_url) as control:
        data = zlib.decompress(control.hget(Job.key_for("drain-3-7"), "data"))
    assert json.loads(data) == [DRAIN, None, [3], {}]


@pytest.mark.parametrize("kind", ["hash", "text"])
def test_a_spoilt_count_of_refused_entries_stops_no_worker(
    running: Service, control: redis.Redis, kind: str
) -> None:
    if kind == "hash":
        control.hset("rq:refused:drain", "a", "b")
    else:
        control.set("rq:refused:drain", "no number")
    put(control, "no-drain", call(0))
    assert_dropped(running, control, 1)
    running.wait_stored(running.post(**EVENT)["id"])
    assert [worker.poll() for worker in running.workers] == [None] * len(running.workers)


def test_status_says_that_rqs_list_is_no_list(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running, redis.Redis.from_url(settings.control_url) as own:
        own.set(RQ_LIST, "x")
        found = running.http.get("/status").json()["attention"]
        assert "the control can't be asked" in str(found)
        assert "WRONGTYPE" in str(found)


def test_workers_go_on_when_somebody_has_made_rqs_list_another_type(
    running: Service, control: redis.Redis
) -> None:
    control.delete(RQ_LIST)
    control.set(RQ_LIST, "x")
    running.wait_stored(running.post(**EVENT)["id"])
    assert [worker.poll() for worker in running.workers] == [None]


def test_status_outlives_a_count_that_is_no_number(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running, redis.Redis.from_url(settings.control_url) as own:
        own.set("rq:refused:drain", "no number")
        assert running.http.get("/status").json()["refused_jobs"] == 0
