"""The limit of a key in several processes, simulated: the clock jumps, control is a model."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from api.auth.limits import KEEP_SECONDS, PAUSE_SECONDS, RETRY_SECONDS, KeyLimit
from api.http.problems import Problem
from storage.access.rate_limits import DAY_SECONDS, MILLION, Demand, Grant, RateLimit
from storage.errors import ControlUnavailable
from storage.periodic import OutageLog
from tests.support.event_loop import settle
from tests.support.gcra import Gcra
from tests.support.virtual_time import run_at_once, stand_still

WAIT_SECONDS = 0.05
NOON_US = 20_000 * DAY_SECONDS * MILLION + 12 * 3600 * MILLION


@dataclass
class Control:
    """The model behind calls that take time, or fail."""

    limit: RateLimit
    seconds: float = 0.0005
    away: bool = False
    lost: bool = False  # answers, after the call was counted
    asked: list[Demand] = field(default_factory=list)
    granted: int = 0
    given_back: int = 0

    def __post_init__(self) -> None:
        self.model = Gcra(self.limit)

    async def ask(self, demand: Demand) -> Grant:
        self.asked.append(demand)
        if self.away:
            raise ControlUnavailable("away")
        await asyncio.sleep(self.seconds / 2)
        now_us = NOON_US + int(asyncio.get_running_loop().time() * MILLION)
        grant = self.model.answer(now_us, demand)
        self.granted += grant.events
        self.given_back -= min(demand.unpaid, 0)
        await asyncio.sleep(self.seconds / 2)
        if self.lost:
            raise ControlUnavailable("the answer was lost")
        return grant


@dataclass
class Process:
    """A process, and what became of the events that were posted to it."""

    control: Control
    passed: int = 0
    refused: list[Problem] = field(default_factory=list)
    counted: int = 0

    def __post_init__(self) -> None:
        self.key = KeyLimit(
            self.control.limit,
            self.control.ask,
            OutageLog("limits"),
            self.count_refused,
            WAIT_SECONDS,
        )

    def count_refused(self, events: int) -> None:
        self.counted += events

    async def post(self, events: int = 1) -> bool:
        try:
            if not self.key.take(events):
                await self.key.admit(events)
        except Problem as problem:
            self.refused.append(problem)
            return False
        self.passed += events
        return True

    async def offer(self, per_second: float, seconds: float, events: int = 1) -> None:
        """Post at this rate, without waiting for answers, as many clients would."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(int(per_second * seconds / events)):
                tasks.create_task(self.post(events))
                await asyncio.sleep(events / per_second)


def simulate(
    limit: RateLimit, offered: float, seconds: float, processes: int = 4, events: int = 1
) -> tuple[Control, list[Process]]:
    """Offer events to several processes, so many a second to each of them."""
    control = Control(limit)
    running = [Process(control) for _ in range(processes)]

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            for process in running:
                tasks.create_task(process.offer(offered, seconds, events))
        for process in running:
            await process.key.close()

    run_at_once(scenario)
    return control, running


@pytest.mark.parametrize(
    ("rate", "offered", "events"),
    [(1_000, 1_500, 1), (1_000, 500, 1), (1_000, 1_500, 20), (50, 100, 1), (1, 20, 1)],
)
def test_four_processes_hold_a_limit_within_two_percent(
    rate: int, offered: int, events: int
) -> None:
    seconds = 20
    control, processes = simulate(RateLimit(rate, None), offered, seconds, events=events)
    passed = sum(process.passed for process in processes)
    assert passed == control.granted - control.given_back
    allowed = rate * (seconds + 1)
    assert 0.98 * allowed - events <= passed <= allowed + rate * WAIT_SECONDS


def test_what_is_below_the_limit_is_never_refused() -> None:
    control, processes = simulate(RateLimit(1_000, None), 225, 20)
    assert sum(len(process.refused) for process in processes) == 0
    assert sum(process.passed for process in processes) == 4 * 225 * 20
    assert len(control.asked) < 0.2 * 4 * 225 * 20  # most events need no call


def test_a_grant_is_at_most_what_is_needed_and_else_fifty_milliseconds_of_the_rate() -> None:
    control, _ = simulate(RateLimit(1_000, None), 1_500, 5)
    assert max(demand.want for demand in control.asked) <= 50 + 10


def test_a_quota_of_a_day_is_used_up_to_the_last_event_and_not_one_more() -> None:
    _, processes = simulate(RateLimit(None, 1_003), 200, 20)
    assert sum(process.passed for process in processes) == 1_003
    told = {problem.more["violated-policies"][0] for each in processes for problem in each.refused}  # type: ignore[index]
    assert told == {"day"}
    assert processes[0].refused[-1].headers[0][0] == b"retry-after"
    assert 43_000 < int(processes[0].refused[-1].headers[0][1]) <= 43_200


def alone(
    limit: RateLimit, scenario: Callable[[Control, Process], object]
) -> tuple[Control, Process]:
    """Run a scenario with one process."""
    control = Control(limit)
    process = Process(control)

    async def run() -> None:
        await scenario(control, process)  # type: ignore[misc]
        await process.key.close()

    run_at_once(run)
    return control, process


def test_after_a_refusal_control_is_not_asked_for_a_while() -> None:
    async def scenario(control: Control, process: Process) -> None:
        await asyncio.gather(*[process.post() for _ in range(2_001)])
        asked = len(control.asked)
        for _ in range(10):
            assert not await process.post()
            await asyncio.sleep(PAUSE_SECONDS / 11)
        assert len(control.asked) == asked
        await asyncio.sleep(PAUSE_SECONDS)
        assert await process.post()

    _, process = alone(RateLimit(2_000, None), scenario)
    assert process.counted == len(process.refused) == 11


def test_what_nobody_needs_is_given_back() -> None:
    async def scenario(control: Control, process: Process) -> None:
        await process.offer(1_000, 0.5)
        await asyncio.sleep(KEEP_SECONDS * 3)
        assert control.granted - control.given_back == process.passed == 500

    alone(RateLimit(2_000, 100_000), scenario)


def test_what_was_not_accepted_in_the_end_is_given_back() -> None:
    async def scenario(control: Control, process: Process) -> None:
        for _ in range(30):
            assert await process.post(5)
            process.key.refund(5)
        assert await process.post(10)
        assert not await process.post()

    alone(RateLimit(None, 10), scenario)


def test_a_request_waits_for_control_only_briefly() -> None:
    async def scenario(control: Control, process: Process) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        assert await process.post()
        assert loop.time() - begin == pytest.approx(WAIT_SECONDS)
        assert await process.post()
        assert loop.time() - begin == pytest.approx(WAIT_SECONDS)

    control = Control(RateLimit(1_000, None), seconds=30)
    run_at_once(lambda: scenario(control, Process(control)))


def test_a_process_that_stood_still_reads_the_answer_before_it_decides_alone() -> None:
    async def scenario(control: Control, process: Process) -> None:
        assert await process.post()
        await asyncio.sleep(0.3)
        posting = asyncio.create_task(process.post())
        await settle()
        stand_still(0.3)
        assert not await posting  # alone, it would have let the event pass

    _, process = alone(RateLimit(1, None), scenario)
    assert [problem.status for problem in process.refused] == [429]


def test_while_control_is_away_each_process_lets_the_whole_rate_pass() -> None:
    control = Control(RateLimit(200, None), away=True)
    processes = [Process(control) for _ in range(2)]

    async def scenario() -> None:
        await asyncio.gather(*[process.offer(500, 10) for process in processes])

    run_at_once(scenario)
    for process in processes:
        assert 0.98 * 200 * 10 <= process.passed <= 200 * 10 + 200
        assert process.refused
    assert len(control.asked) <= 2 * (10 / RETRY_SECONDS + 1)


def test_what_passed_while_control_was_slow_is_counted_later() -> None:
    """So even a control that often answers late holds the limit, but for the last debt."""
    rate, seconds = 500, 10
    control = Control(RateLimit(rate, 1_000_000))
    processes = [Process(control) for _ in range(4)]

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            for process in processes:
                tasks.create_task(process.offer(400, seconds))
            for _ in range(seconds):
                await asyncio.sleep(0.8)
                control.seconds = 4 * WAIT_SECONDS
                await asyncio.sleep(0.2)
                control.seconds = 0.0005
        for process in processes:
            await process.key.close()

    run_at_once(scenario)
    passed = sum(process.passed for process in processes)
    assert 0.98 * rate * (seconds + 1) <= passed <= rate * (seconds + 2)
    assert sum(control.model.days.values()) == passed


def test_the_day_counts_what_passed_during_an_outage() -> None:
    async def scenario(control: Control, process: Process) -> None:
        await process.offer(100, 1)
        control.away = True
        await process.offer(100, 2)
        control.away = False
        await asyncio.sleep(RETRY_SECONDS)
        await process.offer(100, 1)

    control, process = alone(RateLimit(200, 10_000), scenario)
    assert sum(control.model.days.values()) == process.passed == 400


def test_lost_answers_never_let_more_pass() -> None:
    async def scenario(control: Control, process: Process) -> None:
        await process.offer(100, 1)
        control.lost = True
        await process.offer(100, 1)
        control.lost = False
        await process.offer(100, 2)

    control, process = alone(RateLimit(200, 10_000), scenario)
    assert sum(control.model.days.values()) >= process.passed == 400


def test_a_batch_waits_its_turn_and_no_later_event_takes_its_place() -> None:
    async def scenario(control: Control, process: Process) -> None:
        batch = asyncio.create_task(process.post(500))
        later = [asyncio.create_task(process.post()) for _ in range(600)]
        assert await batch
        assert sum(await asyncio.gather(*later)) == 500

    alone(RateLimit(1_000, None), scenario)


def test_a_request_that_can_never_pass_is_refused_for_good() -> None:
    async def scenario(control: Control, process: Process) -> None:
        assert not await process.post(601)
        assert await process.post(600)
        assert not control.asked[:-1]

    _, process = alone(RateLimit(10, None), scenario)
    [problem] = process.refused
    assert problem.status == 413
    assert "at most 600 events: those of 60 seconds (10 a second)" in problem.detail


def test_a_client_that_has_gone_takes_nothing() -> None:
    async def scenario(control: Control, process: Process) -> None:
        gone = asyncio.create_task(process.post(7))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        assert await process.post(10)

    alone(RateLimit(None, 10), scenario)


def test_headers_tell_the_limit_and_what_is_left() -> None:
    async def scenario(control: Control, process: Process) -> None:
        assert process.key.headers() == (
            (b"ratelimit-policy", b'"second";q=10;w=1;qu="events", "day";q=50;w=86400;qu="events"'),
        )
        assert await process.post(4)
        assert process.key.headers()[1] == (
            b"ratelimit",
            b'"second";r=6;t=1, "day";r=46;t=43200',
        )
        await asyncio.sleep(0.3)
        assert process.key.headers()[1][1].startswith(b'"second";r=9;t=1,')

    alone(RateLimit(10, 50), scenario)


def test_a_refusal_says_when_to_try_again() -> None:
    async def scenario(control: Control, process: Process) -> None:
        assert await process.post(30)
        assert not await process.post()

    _, process = alone(RateLimit(10, None), scenario)
    [problem] = process.refused
    assert problem.status == 429
    assert problem.headers == (
        (b"retry-after", b"3"),
        (b"ratelimit-policy", b'"second";q=10;w=1;qu="events"'),
        (b"ratelimit", b'"second";r=0;t=3'),
    )
    assert problem.document()["violated-policies"] == ["second"]
