"""The minutes of the last hour: exact between two readings, and unknown where one is missing."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from api.ops.rates import MINUTES, Rates, RateSampler, minute_of
from storage.errors import ControlUnavailable, DatabaseUnavailable, QueueUnavailable
from storage.events.ledger import Account
from storage.metrics.process import own
from storage.minute_samples import Sample
from storage.postgres.instants import FIRST
from storage.queue.inspector import ShardState

START = 29_000_000  # a minute, numbered from 1970


class Control:
    """Stands for `MinuteSamples`: the clock is set by the test."""

    def __init__(self, now: float) -> None:
        self.clock = now
        self.kept: dict[int, dict[str, Sequence[int]]] = {}

    async def now(self) -> float:
        return self.clock

    async def add(self, minute: int, sample: Sample) -> None:
        kept = self.kept.setdefault(minute, {})
        for name, counts in sample.items():
            kept.setdefault(name, counts)

    async def read(self, minutes: Sequence[int]) -> list[Sample]:
        return [self.kept.get(minute, {}) for minute in minutes]


class Counters:
    """What the queue and PostgreSQL answer; an error instead if they are away."""

    def __init__(self) -> None:
        self.accepted: int | Exception = 7
        self.stored: int | Exception = 5
        self.seconds = 0.0
        self.control: Control | None = None

    async def shards(self) -> list[ShardState]:
        if self.control:
            self.control.clock += self.seconds
        if isinstance(self.accepted, Exception):
            raise self.accepted
        state = (self.accepted, 0, 0, 0, 0, 0, 0.0, "idle", "", 0)
        return [ShardState(shard, *state) for shard in range(2)]

    async def accounts(self) -> dict[int, Account]:
        if isinstance(self.stored, Exception):
            raise self.stored
        return {0: Account(0, self.stored, 2, 1, FIRST)}


def sampler(control: Control, counters: Counters) -> RateSampler:
    return RateSampler(control, counters.shards, counters.accounts)  # type: ignore[arg-type]


def rejected(minute: dict[str, Any]) -> Sequence[int]:
    return minute[f"rejected:{own.identity:x}"]  # type: ignore[no-any-return]


def test_a_sample_is_taken_at_the_beginning_of_a_minute() -> None:
    control, counters = Control(START * 60 + 0.4), Counters()
    asyncio.run(sampler(control, counters).run_once())
    kept = control.kept[START]
    assert kept["queue"] == (14,)
    assert kept["ledger"] == (5, 2, 1)
    assert len(rejected(kept)) == 1


def test_no_sample_is_taken_later_in_a_minute() -> None:
    control = Control(START * 60 + 5.1)
    asyncio.run(sampler(control, Counters()).run_once())
    assert control.kept == {}


@pytest.mark.parametrize("seconds", [5.0, 59.9, 600.0])
def test_a_sample_that_took_too_long_is_not_kept(seconds: float) -> None:
    control, counters = Control(START * 60 + 0.4), Counters()
    counters.control, counters.seconds = control, seconds
    asyncio.run(sampler(control, counters).run_once())
    assert control.kept == {}


def test_a_counter_that_can_not_be_read_is_left_out() -> None:
    control, counters = Control(START * 60 + 0.4), Counters()
    counters.accepted, counters.stored = QueueUnavailable("away"), 5
    asyncio.run(sampler(control, counters).run_once())
    assert control.kept[START].keys() == {"ledger", "erased", f"rejected:{own.identity:x}"}
    control, counters = Control(START * 60 + 0.4), Counters()
    counters.stored = DatabaseUnavailable("away")
    asyncio.run(sampler(control, counters).run_once())
    assert "ledger" not in control.kept[START]


def test_control_that_is_away_is_asked_again_in_the_same_minute() -> None:
    class Away(Control):
        async def now(self) -> float:
            if self.clock:
                return self.clock
            raise ControlUnavailable("away")

    control = Away(0.0)
    task = sampler(control, Counters())
    with pytest.raises(ControlUnavailable):
        asyncio.run(task.run_once())
    control.clock = START * 60 + 2.0
    asyncio.run(task.run_once())
    assert START in control.kept


def between(start: Sample, end: Sample) -> dict[str, Any]:
    found = minute_of(START, start, end)
    del found["minute"]
    return found


def test_a_minute_is_the_difference_of_two_readings() -> None:
    start = {"queue": (100,), "ledger": (80, 3, 0), "rejected:a": (5,), "rejected:b": (0,)}
    end = {"queue": (160,), "ledger": (130, 3, 1), "rejected:a": (5,), "rejected:b": (2,)}
    start, end = {**start, "erased": (4,)}, {**end, "erased": (7,)}
    told = {"accepted": 60, "stored": 50, "duplicates": 0, "dead": 1, "erased": 3, "rejected": 2}
    assert between(start, end) == told
    assert set(between(start, start).values()) == {0}


UNKNOWN = dict.fromkeys(("accepted", "stored", "duplicates", "dead", "erased", "rejected"))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ({}, {}),
        ({"queue": (5,)}, {}),
        ({}, {"queue": (5,), "ledger": (1, 0, 0), "rejected:a": (1,)}),
        ({"queue": (5,)}, {"queue": (4,)}),
        ({"ledger": (5, 1, 0)}, {"ledger": (6, 0, 0)}),
        ({"ledger": (5, 1)}, {"ledger": (6, 2)}),
        ({"rejected:a": (5,)}, {"rejected:b": (5,)}),
        ({"rejected:a": (5,)}, {"rejected:a": (5,), "rejected:b": (0,)}),
        ({"rejected:a": (5,), "rejected:b": (0,)}, {"rejected:a": (5,)}),
        ({"rejected:a": (5,)}, {"rejected:a": (4,)}),
    ],
    ids=str,
)
def test_what_two_readings_do_not_tell_is_null(start: Sample, end: Sample) -> None:
    assert between(start, end) == UNKNOWN


def test_the_answer_has_the_last_whole_minutes_and_unknown_ones_are_in_it() -> None:
    control = Control(START * 60 + 31.0)
    for minute, accepted in ((START - 2, 10), (START - 1, 30), (START, 30)):
        control.kept[minute] = {"queue": (accepted,)}
    minutes = asyncio.run(Rates(control).answer())["minutes"]  # type: ignore[arg-type]
    assert len(minutes) == MINUTES
    assert [minute["accepted"] for minute in minutes] == [*[None] * 58, 20, 0]
    assert minutes[-1]["minute"] == "2025-02-19T21:19:00+00:00"
