"""The promise of the cache, against every order of posting, draining, dying and asking.

A machine in Python knows which events are committed at each moment. Whatever is served must be
exactly the page of those; and what is asked twice in a quiet moment must be a hit. Orders that the
machine finds rarely or can't make are in `test_cache_write_orders`.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
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
from storage.errors import LeaseLost
from storage.model.event import Event, created_ms, encode_event, now_ms, to_datetime
from storage.model.filters import Filters, digest
from storage.queue import producer
from storage.queue.lease import ShardLease
from storage.redis import keys
from tests.support import watched_drain
from tests.support.matching import page_of
from tests.support.reading import made, opened
from tests.support.watched_drain import SHARDS, STEPS, Killed, Step, World
from worker.drain import Drain

world = watched_drain.world
SLOT_MS = 60_000  # events lie in ten slots a minute apart; the watermark always lies between two
SLOTS = 10

EXAMPLES = 80
EXAMPLES_WITH_A_STANDBY = 30  # for which reads wait
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
ACTIONS = st.sampled_from(["", "ask", "ask", "ask each time", "kill", "lose control", "take over"])
PLAN = st.fixed_dictionaries(dict.fromkeys(STEPS, ACTIONS))


class CacheMachine(RuleBasedStateMachine):
    """Post, drain, die, ask; `committed` is what a page must show. Each of `states` once was."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.committed: dict[str, Event] = {}
        self.states = [self.committed]
        self.at_lookup = self.at_query = 0
        self.posted = 0
        self.world.empty()
        self.world.writer.on_commit = self.commit
        self.world.store.on_query = self.remember
        self.base = now_ms() // SLOT_MS * SLOT_MS - SLOTS * SLOT_MS
        self.settled = 0

    def commit(self, events: list[Event]) -> None:
        if all(event.id in self.committed for event in events):
            self.world.seen["stored again"] += 1
        self.committed = {**self.committed, **{event.id: event for event in events}}
        self.states.append(self.committed)

    def remember(self) -> None:
        self.at_query = len(self.states) - 1

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
        """Keep the page only after a drain has committed and ended its write."""
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
        self.at_lookup = len(self.states) - 1
        served = self.world.reader.served(filters)
        self.note(filters, served)
        assert held is None or served == Served(held, "HIT")
        return self.check_served(filters, served)

    def check_served(self, filters: Filters, served: Served) -> tuple[str, UUID | None]:
        events, cursor = opened(served)
        ids = [event["id"] for event in events]
        pages = [page_of(list(known.values()), filters) for known in self.known(served)]
        equal = (page for page in pages if [event.id for event in page[0]] == ids)
        expected, more = next(equal, pages[0])
        assert ids == [event.id for event in expected], served.verdict
        assert events == [msgspec.json.decode(encode_event(event)) for event in expected]
        assert cursor == (UUID(expected[-1].id) if more else None)
        return served.verdict, cursor

    def known(self, served: Served) -> list[dict[str, Event]]:
        """Return what it may show: a standby need not have what was committed after the lookup."""
        if served.verdict == "HIT":
            return [self.committed]
        first = self.at_lookup if self.world.settings.read_url else self.at_query
        return self.states[first : self.at_query + 1][::-1]

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


def test_whatever_is_served_is_the_page_of_all_that_is_committed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "MAX_AGE_MS", producer.MAX_AGE_MS)
    watched_drain.count_outcomes(world, monkeypatch)

    class Machine(CacheMachine):
        pass

    Machine.world = world
    run_state_machine_as_test(
        Machine,
        settings=hypothesis.settings(
            max_examples=EXAMPLES_WITH_A_STANDBY if world.settings.read_url else EXAMPLES,
            stateful_step_count=STEP_COUNT,
            deadline=None,
            database=None,
            derandomize=True,  # what is counted below would otherwise be a matter of luck
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    never = [name for name in WORTHWHILE if not world.seen[name]]
    assert not never, f"never tried: {never} of {world.seen}"
    if world.settings.read_url:
        assert world.seen["standby"] + world.seen["behind"], f"no standby was asked: {world.seen}"
