"""The promise of the cache, against every order of posting, draining, dying and asking.

A machine in Python knows which events are committed at each moment. Whatever is served must be
exactly the page of those; and what is asked twice in a quiet moment must be a hit.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from api.query.service import Served
from storage.cache.invalidation import CacheInvalidator
from storage.cache.page_cache import Miss
from storage.errors import LeaseLost
from storage.events.page_rows import Page
from storage.events.reader import EventStore
from storage.events.writer import BatchTransaction, BatchWriter
from storage.model.cached_page import CachedPage
from storage.model.event import Event, created_ms, encode_event, now_ms, to_datetime
from storage.model.filters import Filters, digest
from storage.postgres.engine import writing_engine
from storage.queue import producer
from storage.queue.lease import ShardLease
from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support.matching import page_of
from tests.support.reading import Reader, local_page, made, opened, reader
from worker.drain import Drain
from worker.resources import Resources, open_resources
from worker.settings import WorkerSettings

SHARDS = 2
SLOT_MS = 60_000  # events lie in ten slots a minute apart; the watermark always lies between two
SLOTS = 10

EXAMPLES = 80
STEP_COUNT = 40
WORTHWHILE = (
    "HIT",
    "held",
    "held, refused",
    "MISS",
    "closed HIT",
    "asked twice, quiet",
    "late event",
    "control lost",
    "taken over",
    "stored again",
    "committed during a query",
    "killed when inserted",
    "killed when begun",
    "killed when committed",
    "killed when ended",
)

# --- what is asked and posted ------------------------------------------------------------------

COMPONENTS = ["orders", "billing"]
ENVIRONMENTS = ["production", "staging"]
EMAILS = ["Jo@example.com", "jo@EXAMPLE.com", "al@example.com"]
MESSAGES = ["Order shipped", "order lost", "100% paid"]
DATA = ["null", '{"n":1}', '{"n":1,"m":[2]}', '{"n":2}']
PLACES = st.tuples(st.integers(0, SLOTS - 1), st.integers(0, 1))  # a slot, a millisecond in it


def some_of(values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    few = st.lists(st.sampled_from(values), min_size=1, max_size=2).map(tuple)
    return st.just(()) | st.just(()) | few


POSTED = st.lists(
    st.fixed_dictionaries(
        {
            "place": PLACES,
            "component": st.sampled_from(COMPONENTS),
            "environment": st.sampled_from(ENVIRONMENTS),
            "message": st.sampled_from(MESSAGES),
            "email": st.none() | st.sampled_from(EMAILS),
            "data": st.sampled_from(DATA),
        }
    ),
    min_size=1,
    max_size=5,
)
# Instants are slots with half milliseconds in them; a cursor is a place among the events.
ASKED = st.fixed_dictionaries(
    {
        "component": some_of(COMPONENTS),
        "environment": some_of(ENVIRONMENTS),
        "not_component": some_of(COMPONENTS),
        "not_environment": some_of(ENVIRONMENTS),
        "email": some_of(EMAILS),
        "message": some_of(["ORDER", "ship", "%"]),
        "data": st.just(()) | st.just((('{"n":1}',),)) | st.just((('{"n":2}', '{"m":[2]}'),)),
        "start": st.none() | st.none() | PLACES,
        "end": st.none() | PLACES,
        "limit": st.sampled_from([1, 2, 3, 50]),
        "order": st.sampled_from(["asc", "desc"]),
        "cursor": st.none() | st.none() | st.tuples(PLACES, st.integers(0, 40)),
    }
)

# --- a drain that is watched between any two of its steps --------------------------------------


class Killed(Exception):
    """The drain's process died here."""


STEPS = ("inserted", "begun", "committed", "ended")
ACTIONS = st.sampled_from(["", "ask", "ask", "ask each time", "kill", "lose control", "take over"])
PLAN = st.fixed_dictionaries(dict.fromkeys(STEPS, ACTIONS))
Step = Callable[[str], None]


class WatchedWriter(BatchWriter):
    """Says when a batch is about to be committed and when it is."""

    step: Step = staticmethod(lambda name: None)
    on_commit: Callable[[list[Event]], None]
    events: list[Event]

    def ensure_partitions(self, events: Any) -> None:
        self.events = list(events)
        super().ensure_partitions(events)

    @contextmanager
    def batch(self, shard: int, fence: int) -> Iterator[BatchTransaction]:
        events = self.events
        with super().batch(shard, fence) as transaction:
            yield transaction
            self.step("begun")
        self.on_commit(events)
        self.step("committed")


class WatchedInvalidator(CacheInvalidator):
    """Says when a cache write is about to begin and when it has ended."""

    step: Step = staticmethod(lambda name: None)

    def begin_write(self, *args: Any, **more: Any) -> None:
        self.step("inserted")
        super().begin_write(*args, **more)

    def end_write(self, *args: Any, **more: Any) -> None:
        super().end_write(*args, **more)
        self.step("ended")


class WatchedStore(EventStore):
    """Notes what was committed when a query ran, and lets something happen around it."""

    before: Callable[[], None] = staticmethod(lambda: None)
    after: Callable[[], None] = staticmethod(lambda: None)
    on_query: Callable[[], None] = staticmethod(lambda: None)

    def page(self, filters: Filters) -> Page:
        self.before()
        self.on_query()
        found = super().page(filters)
        self.after()
        return found


@dataclass
class World:
    """The servers and the parts under test, shared by all runs of the machine."""

    reader: Reader
    settings: StorageSettings
    writer: WatchedWriter
    invalidator: WatchedInvalidator
    resources: Resources
    seen: Counter[str] = field(default_factory=Counter)

    def empty(self) -> None:
        self.reader.cache._local.clear()
        self.reader.control.flushall()
        self.reader.queue.flushall()
        with self.writer._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM events; DELETE FROM drain_ledger")

    @property
    def store(self) -> WatchedStore:
        return cast(WatchedStore, self.reader.history._store)


@pytest.fixture
def world(settings: StorageSettings) -> Iterator[World]:
    settings = settings.model_copy(update={"shards": SHARDS})
    with reader(settings, WatchedStore) as reading:
        writer = WatchedWriter(writing_engine(settings.database_url), settings.partition_by)
        invalidator = WatchedInvalidator(connect(settings.control_url))
        scheduler: Any = SimpleNamespace(waiting=lambda: 0)
        drains = WorkerSettings(linger_ms=0, gather_ms=0, batch_events=3, _env_file=None)
        resources = replace(
            open_resources(settings, drains),
            writer=writer,
            invalidator=invalidator,
            scheduler=scheduler,
        )
        yield World(reading, settings, writer, invalidator, resources)
        writer._engine.dispose()
        resources.queue.close()
        invalidator._client.close()


# --- the machine -------------------------------------------------------------------------------


class CacheMachine(RuleBasedStateMachine):
    """Post, drain, die, ask; `committed` is what a page must show."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.committed: dict[str, Event] = {}
        self.at_query: dict[str, Event] = {}
        self.posted = 0
        self.world.empty()
        self.world.writer.on_commit = self.commit
        self.world.store.on_query = self.remember
        self.base = now_ms() // SLOT_MS * SLOT_MS - SLOTS * SLOT_MS
        self.settled = 0

    def commit(self, events: list[Event]) -> None:
        if all(event.id in self.committed for event in events):
            self.world.seen["stored again"] += 1
        self.committed.update((event.id, event) for event in events)

    def remember(self) -> None:
        self.at_query = dict(self.committed)

    @initialize(slots=st.integers(0, SLOTS))
    def start_the_clock(self, slots: int) -> None:
        self.settle(slots)

    @rule(slots=st.integers(0, SLOTS))
    def let_time_pass(self, slots: int) -> None:
        self.settle(slots)

    def settle(self, slots: int) -> None:
        """From now on the watermark says that these slots are closed."""
        self.settled = slots
        producer.MAX_AGE_MS = now_ms() - self.base - slots * SLOT_MS + SLOT_MS // 2

    @rule(posted=POSTED, shard=st.integers(0, SHARDS - 1))
    def post(self, posted: list[dict[str, Any]], shard: int) -> None:
        items: list[bytes] = []
        for fields in posted:
            event = made(self.ms(fields.pop("place")), **fields, number=self.posted)
            self.posted += 1
            items += [UUID(event.id).bytes, encode_event(event)]
            is_late = created_ms(event) < self.base + self.settled * SLOT_MS - SLOT_MS // 2
            self.world.seen["late event"] += is_late
        # The queue's clock says that they are new, whatever their ids say.
        self.world.reader.run(self.world.reader.producer.append(shard, now_ms(), items))

    @rule(shard=st.integers(0, SHARDS - 1), posted=POSTED, plan=PLAN, asked=ASKED)
    def drain(
        self, shard: int, posted: list[dict[str, Any]], plan: dict[str, str], asked: dict[str, Any]
    ) -> None:
        """Ask, so that a page is kept; then store something, with the plan at its steps."""
        self.check(self.filters(asked))
        self.post(posted, shard)
        left = dict(plan)

        def step(name: str) -> None:
            match left.pop(name, None):
                case "ask":
                    self.check(self.filters(asked))
                    self.check(self.filters(asked))
                case "ask each time":
                    left[name] = "ask each time"
                    self.check(self.filters(asked))
                case "kill":
                    self.world.seen[f"killed when {name}"] += 1
                    raise Killed
                case "lose control" if name != "begun":  # there it takes the grace, tested below
                    self.lose_control()
                    self.check(self.filters(asked))
                case "take over" if name in ("committed", "ended"):
                    self.world.seen["taken over"] += 1
                    self.run_drain(shard)

        self.run_drain(shard, step)
        self.check(self.filters(asked))

    def run_drain(self, shard: int, step: Step = lambda name: None) -> None:
        before = self.world.writer.step, self.world.invalidator.step
        self.world.writer.step = self.world.invalidator.step = step
        try:
            lease = ShardLease(self.world.resources.queue, shard, 0)
            lease.acquire(self.world.writer.last_fence(shard))
            with suppress(LeaseLost):
                Drain(self.world.resources, lease, shard).run()
            assert not self.world.reader.control.exists(keys.pending_tags(shard))
        except Killed:
            pass  # its tags stay pending until the next drain of the shard
        finally:
            self.world.writer.step, self.world.invalidator.step = before

    @rule()
    def lose_control(self) -> None:
        self.world.seen["control lost"] += 1
        self.world.reader.control.flushall()

    @rule(asked=ASKED)
    def ask_twice(self, asked: dict[str, Any]) -> None:
        filters = self.filters(asked)
        self.check(filters)
        verdict = self.check(filters)
        if not self.world.reader.control.keys(keys.pending_tags(0).replace("0", "*")):
            self.world.seen["asked twice, quiet"] += 1
            assert verdict == "HIT"

    @precondition(lambda self: self.committed)
    @rule(asked=ASKED)
    def walk(self, asked: dict[str, Any]) -> None:
        filters: Filters | None = self.filters(asked)
        while filters is not None:
            _, cursor = self.check_page(filters)
            filters = replace(filters, cursor=cursor) if cursor else None

    @rule(
        asked=ASKED,
        posted=POSTED,
        shard=st.integers(0, SHARDS - 1),
        moment=st.sampled_from(["before", "after"]),
        lose_control=st.booleans(),
    )
    def ask_while_it_commits(
        self,
        asked: dict[str, Any],
        posted: list[dict[str, Any]],
        shard: int,
        moment: str,
        lose_control: bool,
    ) -> None:
        """The page is kept only after a drain has committed and ended its write."""
        store, known = self.world.store, len(self.committed)
        self.post(posted, shard)

        def drain_once() -> None:
            vars(store).pop(moment)
            self.run_drain(shard)
            if lose_control:
                self.lose_control()

        setattr(store, moment, drain_once)
        try:
            self.check(self.filters(asked))
        finally:
            vars(store).pop(moment, None)
        self.world.seen["committed during a query"] += len(self.committed) > known
        self.check(self.filters(asked))

    # --- checking ---

    def check(self, filters: Filters) -> str:
        return self.check_page(filters)[0]

    def check_page(self, filters: Filters) -> tuple[str, UUID | None]:
        held = self.world.reader.held(filters)
        if held is not None:
            self.world.seen["held"] += 1
            self.check_served(filters, Served(held, "HIT"))
        elif digest(filters) in self.world.reader.cache._local._pages:
            self.world.seen["held, refused"] += 1
        served = self.world.reader.served(filters)
        self.note(filters, served)
        assert held is None or served == Served(held, "HIT")
        return self.check_served(filters, served)

    def check_served(self, filters: Filters, served: Served) -> tuple[str, UUID | None]:
        known = self.committed if served.verdict == "HIT" else self.at_query
        events, cursor = opened(served)
        expected, more = page_of(list(known.values()), filters)
        assert [event["id"] for event in events] == [event.id for event in expected], served.verdict
        assert events == [msgspec.json.decode(encode_event(event)) for event in expected]
        assert cursor == (UUID(expected[-1].id) if more else None)
        return served.verdict, cursor

    def note(self, filters: Filters, served: Served) -> None:
        self.world.seen[served.verdict] += 1
        if served.verdict == "HIT":
            kept = self.world.reader.control.hget(keys.page(digest(filters)), "generations")
            assert isinstance(kept, bytes)
            self.world.seen["closed HIT"] += kept.startswith(b"closed")
        hypothesis.event(served.verdict)

    def ms(self, place: tuple[int, int]) -> int:
        return self.base + place[0] * SLOT_MS + place[1]

    def filters(self, asked: dict[str, Any]) -> Filters:
        start, end, cursor = asked["start"], asked["end"], asked["cursor"]
        half = timedelta(microseconds=500)
        at = cursor and made(self.ms(cursor[0]), number=cursor[1])
        return Filters(
            **{
                **asked,
                "start": start and to_datetime(self.ms(start)),
                "end": end and to_datetime(self.ms((end[0], 0))) + end[1] * half,
                "cursor": at and UUID(at.id),
            }
        )


# --- the tests ---------------------------------------------------------------------------------


def test_whatever_is_served_is_the_page_of_all_that_is_committed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "MAX_AGE_MS", producer.MAX_AGE_MS)

    class Machine(CacheMachine):
        pass

    Machine.world = world
    run_state_machine_as_test(
        Machine,
        settings=hypothesis.settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEP_COUNT,
            deadline=None,
            database=None,
            derandomize=True,  # what is counted below would otherwise be a matter of luck
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    never = [name for name in WORTHWHILE if not world.seen[name]]
    assert not never, f"never tried: {never} of {world.seen}"


# What the machine finds rarely, or what it can't do, each by itself.

A_DAY_MS = 86_400_000
NAME, ORDERS, BILLING = "d" * 32, "component:1", "component:2"


def post_one(world: World, component: str = "orders", age_ms: int = 0) -> Event:
    event = made(now_ms() - age_ms, component)
    items = [UUID(event.id).bytes, encode_event(event)]
    world.reader.run(world.reader.producer.append(0, now_ms(), items))
    return event


def drain(world: World, step: Step = lambda name: None) -> None:
    """A whole drain of shard 0, watched; a kill ends it."""
    world.writer.step = world.invalidator.step = step
    world.writer.on_commit = lambda events: None
    lease = ShardLease(world.resources.queue, 0, 0)
    lease.acquire(world.writer.last_fence(0))
    with suppress(Killed):
        Drain(world.resources, lease, 0).run()


def ids(world: World, filters: Filters) -> list[str]:
    return [event["id"] for event in world.reader.page(filters)[0]]


def kept(world: World, tag: str, watermark_ms: int = 0) -> None:
    """A page of that tag is kept, as closed if there is a watermark."""
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
