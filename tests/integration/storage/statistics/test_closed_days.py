"""Counts of closed days are kept on control, and are used only while they are provably right."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from storage.cache.day_cache import DayCache
from storage.model.event import Event, encode_event, now_ms, to_datetime
from storage.queue.lease import ShardLease
from storage.statistics import kept_days as of_days
from tests.support import watched_drain
from tests.support.facets import Watched, after, components, facets, in_table, watch
from tests.support.reading import made, store
from tests.support.watched_drain import STEPS, Killed, Step, World
from worker.drain import Drain

world = watched_drain.world

DAY_MS = 86_400_000
DAY = timedelta(days=1)


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    with facets(world.settings) as read:
        yield watch(monkeypatch, read)


def midnight_ms() -> int:
    return now_ms() // DAY_MS * DAY_MS


def post(world: World, event: Event) -> None:
    items = [UUID(event.id).bytes, encode_event(event)]
    world.reader.run(world.reader.producer.append(0, now_ms(), items))


def drain(world: World, step: Step = lambda name: None) -> None:
    """Run a whole drain of shard 0, watched; a kill ends it."""
    world.writer.step = world.invalidator.step = step
    world.writer.on_commit = lambda events: None
    lease = ShardLease(world.resources.queue, 0, 0)
    lease.acquire(world.writer.last_fence(0))
    with suppress(Killed):
        Drain(world.resources, lease, 0).run()


def store_days(world: World, count: int = 5) -> None:
    """Store some events of each of the last days, and of today."""
    start = midnight_ms()
    days = range(count)
    store(
        world.settings,
        [made(start - day * DAY_MS + 1 + n, f"c{n % 3}") for day in days for n in range(7)],
    )


def kept_keys(world: World) -> list[Any]:
    return list(world.reader.control.keys("cache:day:*"))


def kept_days(world: World) -> list[int]:
    return sorted(int(bytes(key).rpartition(b":")[2]) for key in kept_keys(world))


def watermark(world: World) -> int:
    return world.reader.run(world.reader.producer.watermark_ms())


def test_years_without_events_are_not_walked(world: World, asked: Watched) -> None:
    store_days(world)
    decades = [midnight_ms() - years * 365 * DAY_MS for years in (10, 20, 40)]
    store(world.settings, [made(ms + 5, "old") for ms in decades])
    first = asked.ask(watermark(world))
    assert (first.is_complete, components(first)) == (True, in_table(world.settings))
    assert len(asked.spans) < 20
    assert len(kept_days(world)) < 200
    again = asked.ask(watermark(world))
    assert (again.is_complete, components(again)) == (True, in_table(world.settings))
    assert [start for start, _ in asked.spans] == [to_datetime(midnight_ms())]


def test_a_repeat_reads_nothing_but_today(world: World, asked: Watched) -> None:
    store_days(world)
    first = asked.ask(watermark(world))
    assert asked.spans[-1][0] == to_datetime(midnight_ms() - 4 * DAY_MS)
    again = asked.ask(watermark(world))
    assert [start for start, _ in asked.spans] == [to_datetime(midnight_ms())]
    assert components(first) == components(again) == in_table(world.settings)
    assert again.is_complete


def test_days_are_kept_with_a_time_to_live(world: World, asked: Watched) -> None:
    store_days(world)
    asked.ask(watermark(world))
    kept = kept_keys(world)
    assert len(kept) == 4
    assert all(0 < world.reader.control.ttl(key) <= 3_600 for key in kept)


@pytest.mark.parametrize("step", [*STEPS, ""])
def test_a_late_event_is_counted_from_its_commit_on_wherever_its_drain_is_killed(
    world: World, asked: Watched, step: str
) -> None:
    store_days(world)
    for _ in range(2):
        asked.ask(watermark(world))

    def ask_and_die(name: str) -> None:
        assert components(asked.ask(watermark(world))) == in_table(world.settings)
        if name == step:
            raise Killed

    post(world, made(now_ms() - 2 * DAY_MS, "late"))
    drain(world, ask_and_die)
    for _ in range(2):
        assert components(asked.ask(watermark(world))) == in_table(world.settings)
    drain(world)
    for _ in range(2):
        assert components(asked.ask(watermark(world))) == in_table(world.settings)
    assert components(asked.ask(watermark(world)))["late"] == 1
    assert [start for start, _ in asked.spans] == [to_datetime(midnight_ms())]


def test_a_day_counted_before_a_late_commit_and_kept_after_it_is_never_used(
    world: World, asked: Watched
) -> None:
    store_days(world)
    post(world, made(now_ms() - 2 * DAY_MS, "late"))
    wanted = iter([False] * 2)

    def store_it_meanwhile() -> bool:  # asked between two slices, in the snapshot
        if next(wanted, True):
            drain(world)
        return False

    counted = asked.ask(now_ms(), is_unwanted=store_it_meanwhile)
    assert "late" not in components(counted)
    assert kept_keys(world)
    assert components(asked.ask(now_ms())) == in_table(world.settings)


def test_no_day_is_used_while_a_writer_may_change_it_nor_afterwards(world: World) -> None:
    today = now_ms() // DAY_MS
    cache = DayCache(world.settings.control_url, 60, 0)
    days = cache.open("digest", now_ms())
    days.keep(today - 1, b"counts")
    days.flush()
    assert days.kept([today - 2, today - 1]) == {today - 1: b"counts"}
    world.invalidator.begin_write(0, now_ms() - 5 * DAY_MS, ["component:1"], fence=1)
    assert days.kept([today - 1]) == {}
    world.invalidator.end_write(0, now_ms() - 5 * DAY_MS, ["component:1"], fence=1)
    assert days.kept([today - 1]) == {}
    assert cache.open("digest", now_ms()).kept([today - 1]) == {}
    cache.close()


def test_only_days_that_end_before_the_watermark_are_kept(world: World, asked: Watched) -> None:
    store_days(world)
    today = midnight_ms() // DAY_MS
    asked.ask(midnight_ms() - 1)
    assert kept_days(world) == [today - 4, today - 3, today - 2]
    asked.ask(midnight_ms())
    assert kept_days(world) == [today - 4, today - 3, today - 2, today - 1]


def test_no_day_is_closed_over_a_batch_about_to_be_committed(world: World, asked: Watched) -> None:
    store_days(world)
    world.invalidator.begin_write(0, midnight_ms() - 2 * DAY_MS, ["component:1"], fence=1)
    asked.ask(now_ms())
    assert max(kept_days(world)) == midnight_ms() // DAY_MS - 3


def test_days_kept_before_control_lost_its_data_are_not_used(world: World, asked: Watched) -> None:
    store_days(world)
    asked.ask(watermark(world))
    control: Any = world.reader.control
    saved = {key: control.dump(key) for key in kept_keys(world)}
    control.flushall()
    for key, dumped in saved.items():
        control.restore(key, 60_000, dumped)
    asked.ask(watermark(world))
    assert len(asked.spans) > 1
    assert asked.spans[-1][0] == to_datetime(midnight_ms() - 4 * DAY_MS)


def test_in_the_grace_after_a_loss_no_day_is_used_and_none_is_kept(world: World) -> None:
    store_days(world)
    with facets(world.settings, grace_ms=60_000) as read:
        for _ in range(2):
            counted = Watched(read).ask(watermark(world))
            assert components(counted) == in_table(world.settings)
    assert kept_keys(world) == []


def test_without_control_facets_are_right(world: World) -> None:
    store_days(world)
    away = world.settings.model_copy(update={"control_url": "redis://127.0.0.1:1/0"})
    with facets(away) as read:
        counted = Watched(read).ask(watermark(world))
        assert components(counted) == in_table(world.settings)
        assert counted.is_complete


def test_with_control_full_facets_are_right(world: World, asked: Watched) -> None:
    store_days(world)
    control: Any = world.reader.control
    before = control.config_get("maxmemory")["maxmemory"]
    control.config_set("maxmemory", 1)
    try:
        counted = asked.ask(watermark(world))
    finally:
        control.config_set("maxmemory", before)
    assert components(counted) == in_table(world.settings)
    assert kept_keys(world) == []


def test_what_is_no_count_is_not_used(world: World, asked: Watched) -> None:
    store_days(world)
    asked.ask(watermark(world))
    for key in kept_keys(world):
        world.reader.control.hset(key, "body", b"\xc1 no count")
    assert components(asked.ask(watermark(world))) == in_table(world.settings)


def test_a_question_asked_again_goes_on_where_the_budget_ended(
    world: World, asked: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_days(world, 70)
    monkeypatch.setattr("storage.statistics.table_counts.FIRST_ROWS", 3)
    monkeypatch.setattr("storage.statistics.slices._GROWTH", 1.0)
    since: list[datetime] = []
    for _ in range(300):
        counted = asked.ask(watermark(world), is_unwanted=after(5))
        assert components(counted) == in_table(world.settings, counted.since)
        assert not since or counted.since < since[-1]
        since.append(counted.since)
        if counted.is_complete:
            break
    assert counted.is_complete
    assert len(since) > 10
    assert components(counted) == in_table(world.settings)
    assert any(at % DAY != timedelta(0) for at in (each - of_days.EPOCH for each in since))
