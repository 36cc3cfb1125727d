"""Stream IDs that another program has chosen: the last possible one, future ones, lower ones."""

from typing import Any

import pytest
import redis

from api.formats.status_schemas import StatusAnswer
from storage.events.ledger import read_ledger
from storage.queue.inspector import LAST_ID
from storage.redis import keys
from storage.settings import MAX_SHARDS, StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support import drain_bench
from tests.support.queued import append, assert_stored_once, backlog, dead_ids, make_events, state

Bench = drain_bench.Bench
bench = drain_bench.bench

AHEAD = "9999999999999-0"
STREAM = keys.stream(0)
EVENT = {"component": "c", "environment": "e", "message": "m"}


def accounted(bench: Bench) -> int:
    return read_ledger(bench.engine).accounts[0].total


def drain_all(bench: Bench) -> None:
    assert bench.drain(bench.worker()) == "done"
    assert backlog(bench.queue) == 0
    assert "last_error" not in state(bench.queue)


@pytest.mark.parametrize("count", [0, 5, 255, 256, 300])
def test_a_shard_with_the_last_possible_id_is_drained(bench: Bench, count: int) -> None:
    good = make_events(count)
    if good:
        append(bench.settings, good)
    bench.queue.xadd(STREAM, {"e": "x"}, id=LAST_ID)
    drain_all(bench)
    assert_stored_once(bench.engine, good)
    assert len(dead_ids(bench.engine)) == 1
    assert accounted(bench) == count + 1


@pytest.mark.parametrize("ahead", [AHEAD, LAST_ID])
@pytest.mark.parametrize(
    "mend", [["DEL", STREAM], ["XSETID", STREAM, "0-0"]], ids=["deleted", "set back"]
)
def test_the_accounts_balance_when_the_ids_of_a_stream_start_again(
    bench: Bench, ahead: str, mend: list[str]
) -> None:
    bench.queue.xadd(STREAM, {"e": "x"}, id=ahead)
    drain_all(bench)
    bench.queue.execute_command(*mend)  # type: ignore[no-untyped-call]
    good = make_events(7)
    for some in (good[:4], good[4:]):
        append(bench.settings, some)
        drain_all(bench)
    assert_stored_once(bench.engine, good)
    assert accounted(bench) == len(good) + 1


def test_a_drain_killed_before_it_acknowledges_counts_a_new_stream_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.queue.xadd(STREAM, {"e": "x"}, id=AHEAD)
    drain_all(bench)
    bench.queue.delete(STREAM)
    good = make_events(7)
    append(bench.settings, good)
    with monkeypatch.context() as broken:

        def fail(*_: Any) -> None:
            raise redis.exceptions.ConnectionError("injected")

        broken.setattr("storage.queue.lease.ShardLease.acknowledge", fail)
        assert bench.drain(bench.worker()) == "paused"
    assert accounted(bench) == len(good) + 1
    drain_all(bench)
    assert_stored_once(bench.engine, good)
    assert accounted(bench) == len(good) + 1


@pytest.fixture
def running(settings: StorageSettings) -> Any:
    with service(settings, workers=0) as found:
        yield found


def status(running: Service) -> StatusAnswer:
    answer = running.http.get("/status")
    assert answer.status_code == 200, answer.text
    return StatusAnswer.model_validate(answer.json())


def test_the_lag_is_unknown_behind_an_id_ahead_of_the_clock(
    running: Service, settings: StorageSettings
) -> None:
    with redis.Redis.from_url(settings.queue_url) as queue:
        queue.xadd(STREAM, {"e": "x"}, id=AHEAD)
    found = status(running)
    assert found.lag_seconds is None
    assert found.shards is not None
    assert found.shards[0].lag_seconds is None
    assert "ids are ahead of the clock" in str(found.attention)


def test_a_shard_that_can_take_no_more_events_is_named_with_its_remedy(
    running: Service, settings: StorageSettings
) -> None:
    with redis.Redis.from_url(settings.queue_url) as queue:
        queue.xadd(STREAM, {"e": "x"}, id=LAST_ID)
        running.start_worker()
        for _ in range(20):
            assert running.http.post("/events", json=EVENT).status_code == 202
        wait_until(lambda: status(running).backlog == 0, "the drain", 60)
        assert "shard 0: its stream accepts no more events" in str(status(running).attention)
        assert "XSETID events:{0} 0-0" in str(status(running).attention)
        queue.execute_command("XSETID", STREAM, "0-0")
        assert "accepts no more" not in str(status(running).attention)


@pytest.mark.parametrize("count", ["inf", "300000", "-inf"])
def test_a_foreign_number_of_shards_neither_breaks_nor_slows_anything(
    running: Service, settings: StorageSettings, count: str
) -> None:
    with redis.Redis.from_url(settings.queue_url) as queue:
        queue.zadd(keys.SHARD_COUNT, {"count": count})
    event = running.post(**EVENT)
    found = status(running)
    assert found.shards is not None
    assert len(found.shards) <= MAX_SHARDS
    assert f"events:shards says {count}" in str(found.attention) or count == "300000"
    assert running.http.get(f"/events/{event['id']}").status_code == 200
    running.start_worker()
    running.wait_stored(event["id"])
