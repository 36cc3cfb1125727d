"""What the machine of `test_never_stale` finds rarely or can't make, each by itself."""

from contextlib import suppress
from uuid import UUID

import pytest

from storage.cache.page_cache import Miss
from storage.model.cached_page import CachedPage
from storage.model.event import Event, encode_event, now_ms, to_datetime
from storage.model.filters import Filters
from storage.queue.lease import ShardLease
from tests.support import watched_drain
from tests.support.reading import local_page, made, opened
from tests.support.watched_drain import STEPS, Killed, Step, World
from worker.drain import Drain

world = watched_drain.world

A_DAY_MS = 86_400_000
NAME, ORDERS, BILLING = "d" * 32, "component:1", "component:2"


def post_one(world: World, component: str = "orders", age_ms: int = 0) -> Event:
    event = made(now_ms() - age_ms, component)
    items = [UUID(event.id).bytes, encode_event(event)]
    world.reader.run(world.reader.producer.append(0, now_ms(), items))
    return event


def drain(world: World, step: Step = lambda name: None) -> None:
    """Run a whole drain of shard 0, watched; a kill ends it."""
    world.writer.step = world.invalidator.step = step
    world.writer.on_commit = lambda events: None
    lease = ShardLease(world.resources.queue, 0, 0)
    lease.acquire(world.writer.last_fence(0))
    with suppress(Killed):
        Drain(world.resources, lease, 0).run()


def ids(world: World, filters: Filters) -> list[str]:
    return [event["id"] for event in world.reader.page(filters)[0]]


def kept(world: World, tag: str, watermark_ms: int = 0) -> None:
    """Keep a page of that tag, as closed if there is a watermark."""
    miss = looked_up(world, tag, watermark_ms)
    keep(world, miss.closed if watermark_ms else miss.generations)


def looked_up(world: World, tag: str, watermark_ms: int = 0) -> Miss:
    found = world.reader.run(world.reader.cache.lookup_or_lead(NAME, [tag], watermark_ms))
    assert isinstance(found, Miss)
    return found


def keep(world: World, generations: bytes) -> None:
    world.reader.run(world.reader.cache.keep(NAME, generations, CachedPage(b"page", b"tag")))


def is_served(world: World, tag: str) -> bool:
    cache, run = world.reader.cache, world.reader.run
    held = run(local_page(cache, NAME, [tag]))
    found = run(cache.lookup(NAME, [tag]))
    assert held is None or held == found
    return isinstance(found, CachedPage)


def test_no_page_is_served_between_a_commit_and_its_publication(world: World) -> None:
    assert ids(world, Filters()) == []
    event = post_one(world)
    at_steps: dict[str, tuple[str, list[str]]] = {}

    def ask(step: str) -> None:
        served = world.reader.served(Filters())
        at_steps[step] = served.verdict, [event["id"] for event in opened(served)[0]]

    drain(world, ask)
    assert at_steps == {
        "inserted": ("HIT", []),
        "begun": ("MISS", []),
        "committed": ("MISS", [event.id]),
        "ended": ("MISS", [event.id]),
    }


def test_a_page_that_excludes_a_component_is_not_served_after_an_event_of_another(
    world: World,
) -> None:
    filters = Filters(not_component=("billing",))
    assert [world.reader.served(filters).verdict for _ in range(2)] == ["MISS", "HIT"]
    event = post_one(world, "orders")
    drain(world)
    assert ids(world, filters) == [event.id]


def test_a_page_whose_query_ran_before_a_commit_and_is_kept_after_it_is_never_served(
    world: World,
) -> None:
    post_one(world)
    world.store.after = lambda: drain(world)
    assert ids(world, Filters()) == []
    del world.store.after
    served = world.reader.served(Filters())
    assert served.verdict == "MISS"
    assert len(opened(served)[0]) == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_drain_killed_at_any_step_leaves_no_stale_page_and_no_pending_tag_for_long(
    world: World, step: str
) -> None:
    def kill(name: str) -> None:
        if name == step:
            raise Killed

    assert ids(world, Filters()) == []
    event = post_one(world)
    drain(world, kill)
    committed = [event.id] if step in ("committed", "ended") else []
    assert [ids(world, Filters()) for _ in range(2)] == [committed] * 2
    drain(world)
    assert [ids(world, Filters()) for _ in range(2)] == [[event.id]] * 2
    assert world.reader.served(Filters()).verdict == "HIT"


def test_what_a_killed_drain_has_committed_is_ended_with_a_smaller_batch_of_the_next(
    world: World,
) -> None:
    world.invalidator.begin_write(0, now_ms(), [ORDERS, BILLING], fence=1)
    kept(world, BILLING)  # read before the commit of the drain that is killed then
    world.invalidator.begin_write(0, now_ms(), [ORDERS], fence=1)
    world.invalidator.end_write(0, now_ms(), [ORDERS], fence=1)
    assert not is_served(world, BILLING)
    kept(world, BILLING)
    assert is_served(world, BILLING)


def test_a_paused_drain_that_wakes_up_ends_no_write_for_the_one_that_took_over(
    world: World,
) -> None:
    world.invalidator.begin_write(0, now_ms(), [ORDERS], fence=1)  # commits, then is paused
    world.invalidator.begin_write(0, now_ms(), [ORDERS], fence=2)
    world.invalidator.end_write(0, now_ms(), [ORDERS], fence=2)
    world.invalidator.begin_write(0, now_ms(), [BILLING], fence=2)
    world.invalidator.end_write(0, now_ms(), [ORDERS], fence=1)
    kept(world, BILLING)  # read before the second one's commit
    assert not is_served(world, BILLING)
    world.invalidator.end_write(0, now_ms(), [BILLING], fence=2)
    assert not is_served(world, BILLING)


def test_a_paused_drain_that_wakes_up_before_its_write_leaves_no_pending_tag(world: World) -> None:
    world.invalidator.begin_write(0, now_ms(), [ORDERS], fence=2)
    world.invalidator.end_write(0, now_ms(), [ORDERS], fence=2)
    world.invalidator.begin_write(0, now_ms(), [ORDERS], fence=1)  # and its commit is refused
    kept(world, ORDERS)
    assert is_served(world, ORDERS)


def test_an_event_that_falls_into_a_closed_window_makes_its_pages_unfit(world: World) -> None:
    filters = Filters(end=to_datetime(now_ms() - 60_000))
    assert [world.reader.served(filters).verdict for _ in range(2)] == ["MISS", "HIT"]
    late = post_one(world, age_ms=90_000)  # a clock went back
    asked: list[list[str]] = []
    drain(world, lambda step: asked.append(ids(world, filters)))
    assert asked == [[], [], [late.id], [late.id]]
    assert [world.reader.served(filters).verdict for _ in range(2)] == ["HIT", "HIT"]


def test_a_window_asked_for_first_between_a_late_batchs_write_and_its_commit_is_not_closed(
    world: World,
) -> None:
    filters = Filters(end=to_datetime(now_ms() - 60_000))
    late = post_one(world, age_ms=90_000)
    asked: list[list[str]] = []

    def ask(step: str) -> None:
        if step != "inserted":
            asked.append(ids(world, filters))

    drain(world, ask)
    assert asked == [[], [late.id], [late.id]]


def test_a_batch_that_reaches_into_a_window_just_being_closed_makes_its_page_unfit(
    world: World,
) -> None:
    late_ms = now_ms() - 90_000
    miss = looked_up(world, BILLING, watermark_ms=now_ms() - 60_000)
    world.invalidator.begin_write(0, late_ms, [ORDERS], fence=1)
    keep(world, miss.closed)
    assert not is_served(world, BILLING)
    world.invalidator.end_write(0, late_ms, [ORDERS], fence=1)
    assert not is_served(world, BILLING)


def test_no_window_is_closed_over_a_batch_about_to_be_committed(world: World) -> None:
    late_ms = now_ms() - 90_000
    watermark_ms = now_ms() - 60_000
    world.invalidator.begin_write(0, late_ms, [ORDERS], fence=1)
    assert looked_up(world, BILLING, watermark_ms).watermark_ms == late_ms
    world.invalidator.end_write(0, late_ms, [ORDERS], fence=1)
    assert looked_up(world, BILLING, watermark_ms).watermark_ms == watermark_ms


def test_after_a_late_event_pages_are_closed_again(world: World) -> None:
    kept(world, ORDERS, watermark_ms=now_ms() - 60_000)
    world.invalidator.begin_write(0, now_ms() - A_DAY_MS, [BILLING], fence=1)
    world.invalidator.end_write(0, now_ms() - A_DAY_MS, [BILLING], fence=1)
    assert not is_served(world, ORDERS)
    kept(world, ORDERS, watermark_ms=now_ms() - 60_000)
    world.invalidator.begin_write(0, now_ms(), [ORDERS], fence=1)
    world.invalidator.end_write(0, now_ms(), [ORDERS], fence=1)
    assert is_served(world, ORDERS)
