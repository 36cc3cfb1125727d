"""Run the chaos for a short time, and prove that it detects each kind of error."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from testbed.waiting import wait_until
from tests.faults.chaos.acceptance import SHORTEST, watched
from tests.faults.chaos.compare import Comparison, compare
from tests.faults.chaos.follower import Followed
from tests.faults.chaos.kinds import KINDS, draw, kinds_of
from tests.faults.chaos.ledger import open_ledger, read_ledger
from tests.faults.chaos.outside import CLUSTER, QUEUES, SENTINEL, SERVER
from tests.faults.chaos.probe import DEADLINE_SECONDS
from tests.faults.chaos.proxy import Proxy
from tests.faults.chaos.report import render
from tests.faults.chaos.run import Happened, Options, Result, run
from tests.faults.chaos.served import Served
from tests.faults.chaos.verdict import Verdict

SEED = 3
RATE = 200
# the long run has these kinds too; here they would take too much time
LEFT_OUT = (
    "pause the queue",
    "refuse connections",
    "delay connections",
    "answers arrive late",
    "requests arrive late",
)
A_SECOND = 1.0

OPTIONS = Options(seconds=0, seed=SEED, rate=RATE)

PROMISED = [("a", 0), ("b", 1), ("c", 2)]


def compared(stored: list[tuple[str, int]], dead: list[tuple[str, int]]) -> Comparison:
    return compare(PROMISED, stored, dead, [range(5), range(-2, 0)])


def test_nothing_acknowledged_is_lost_or_doubled_while_each_kind_of_fault_happens_once() -> None:
    kinds = [replace(kind, longest=kind.shortest) for kind in KINDS if kind.name not in LEFT_OUT]
    # How quickly is for `make chaos` to say: other programs may keep both cores busy here.
    options = Options(seconds=0, seed=SEED, rate=RATE, kinds=kinds, slow_seconds=DEADLINE_SECONDS)
    result = run(options)
    assert not result.problems, render(result)
    assert {fault.kind for fault in result.faults} == {kind.name for kind in kinds}
    assert result.verdict.comparison.acknowledged > RATE * result.seconds / 2


def test_a_queue_of_several_servers_fails_over_where_the_embedded_one_is_harmed() -> None:
    names = {queue: {kind.name for kind in kinds_of(queue)} for queue in QUEUES}
    others = names[SERVER] - names[SENTINEL]
    assert others
    assert all("the queue" in name for name in others)
    assert "pause a primary of the queue" in names[SENTINEL]
    assert names[CLUSTER] - names[SENTINEL] == {"move the slot of a shard"}


def result_of(
    options: Options, lost: Sequence[str] = (), told: int = 0, gap: float = 0.0
) -> Result:
    """Return the result of a run with one fault, in which these events were lost."""
    comparison = replace(compared(PROMISED, []), lost=lost)
    verdict = Verdict(comparison, [], told, [], [])
    faults, counts = [Happened("a fault", "", 1.0, gap)], {"outcomes": dict[str, int]()}
    followed = Followed(0, 0, [], [])
    return Result(options, 1.0, faults, [], counts, verdict, 0, [], Served(), followed)


@pytest.mark.parametrize(
    ("queue", "replicas", "told", "so"),
    [
        (SERVER, 0, 1, False),
        (CLUSTER, 1, 1, False),
        (CLUSTER, 0, 0, False),
        (CLUSTER, 0, 1, True),
    ],
)
def test_events_may_be_lost_only_if_no_replica_confirms_them_and_it_is_told(
    queue: str, replicas: int, told: int, so: bool
) -> None:
    options = replace(OPTIONS, queue=queue, replicas=replicas)
    assert (not result_of(options, ["b (n 1)"], told).problems) is so


def test_a_queue_of_several_servers_must_not_stop_accepting_for_long() -> None:
    assert not result_of(OPTIONS, gap=30).problems
    assert result_of(replace(OPTIONS, queue=SENTINEL), gap=30).problems
    assert not result_of(replace(OPTIONS, queue=SENTINEL), gap=3).problems


def test_a_time_without_acknowledged_events_is_a_gap_even_after_it(tmp_path: Path) -> None:
    path, long = tmp_path / "ledger", 2 * SHORTEST
    with open_ledger(path) as ledger, watched(path) as acceptance:
        start = time.monotonic()
        wait_until(lambda: acceptance.longest_gap(start) > long, "a gap")
        ledger.promised("a", 0)
        wait_until(lambda: acceptance.longest_gap(time.monotonic()) < long, "its end")
        assert acceptance.longest_gap(start) > long


def test_acknowledged_or_posted_events_may_be_stored_or_dead_once() -> None:
    found = compared([("a", 0), ("b", 1), ("x", 4), ("y", -2)], [("c", 2)])
    assert not any((found.lost, found.doubled, found.invented, found.altered))
    assert (found.acknowledged, found.stored, found.dead) == (3, 4, 1)


def test_an_acknowledged_event_that_is_nowhere_is_lost() -> None:
    assert compared([("a", 0), ("c", 2)], []).lost == ["b (n 1)"]


@pytest.mark.parametrize(
    ("stored", "dead"),
    [
        ([*PROMISED, ("x", 1)], []),  # under another id
        ([*PROMISED, ("b", 1)], []),  # under the same id, in another partition
        (PROMISED, [("b", 1)]),  # stored and dead
        ([*PROMISED, ("x", 4), ("y", 4)], []),  # never acknowledged, and twice
    ],
)
def test_a_number_that_is_stored_twice_is_doubled(
    stored: list[tuple[str, int]], dead: list[tuple[str, int]]
) -> None:
    assert compared(stored, dead).doubled


def test_an_event_that_is_still_on_the_queue_at_the_end_waits_and_is_not_lost() -> None:
    found = compare(PROMISED, PROMISED[:2], [], [range(3)], {"c"})
    assert (found.waiting, found.lost) == (["c (n 2)"], [])


def test_a_row_that_nobody_posted_is_invented() -> None:
    assert compared([*PROMISED, ("x", 5)], []).invented == ["x (n 5)"]


def test_an_id_that_holds_another_events_content_is_altered() -> None:
    assert compared([("a", 3), ("b", 1), ("c", 2)], []).altered == ["a was n 0, is n 3"]


def test_one_id_acknowledged_for_two_events_is_detected() -> None:
    assert compare([("a", 0), ("a", 1)], [("a", 0)], [], [range(2)]).doubled


def test_a_seed_draws_the_same_faults_again_and_each_kind_in_every_round() -> None:
    first, again = (list(islice(draw(Random(7), KINDS), 40)) for _ in range(2))
    assert first == again
    assert {kind.name for kind in first[: len(KINDS)]} == {kind.name for kind in KINDS}
    assert first != list(islice(draw(Random(8), KINDS), 40))


def test_an_acknowledged_event_is_on_disk_before_the_ledger_is_closed(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "ledger") as ledger:
        ledger.promised("a", 0)
        ledger.promised("b", 1)
        assert read_ledger(tmp_path / "ledger") == [("a", 0), ("b", 1)]


Step = Callable[[Proxy, asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def through_proxy(tmp_path: Path, step: Step) -> None:
    """Run a client on a connection through a proxy to a server that echoes."""

    async def connected() -> None:
        async with echo_behind_proxy(tmp_path / "echo.sock") as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            try:
                await exchange(reader, writer, b"first")
                await step(proxy, reader, writer)
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

    asyncio.run(connected())


@asynccontextmanager
async def echo_behind_proxy(path: Path) -> AsyncIterator[Proxy]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            writer.write(piece)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(echo, path)
    proxy = Proxy(path)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
        server.close()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: bytes) -> None:
    writer.write(what)
    async with asyncio.timeout(A_SECOND):
        assert await reader.readexactly(len(what)) == what


@pytest.mark.parametrize("hold", [Proxy.hold_requests, Proxy.hold_answers])
def test_bytes_that_the_proxy_holds_back_arrive_after_release(
    tmp_path: Path, hold: Callable[[Proxy], None]
) -> None:
    async def step(
        proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        hold(proxy)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(exchange(reader, writer, b"held"), 0.1)
        proxy.let_go()
        async with asyncio.timeout(A_SECOND):
            assert await reader.readexactly(4) == b"held"

    through_proxy(tmp_path, step)


def test_a_cut_ends_connections_and_a_refusal_those_that_are_new(tmp_path: Path) -> None:
    async def step(
        proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        proxy.refusing = True
        await exchange(reader, writer, b"still there")
        proxy.cut()
        with pytest.raises((EOFError, ConnectionError)):
            await exchange(reader, writer, b"gone")
        with pytest.raises((EOFError, ConnectionError)):
            await exchange(*await asyncio.open_connection("127.0.0.1", proxy.port), b"new")

    through_proxy(tmp_path, step)


def test_a_delay_makes_an_answer_late(tmp_path: Path) -> None:
    async def step(
        proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        proxy.delay_seconds = 0.1
        clock = asyncio.get_running_loop().time
        start = clock()
        await exchange(reader, writer, b"slow")
        assert clock() - start >= 0.2

    through_proxy(tmp_path, step)
