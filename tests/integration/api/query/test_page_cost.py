"""What a page costs, without a clock: how often control and the queue are asked for it."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from api.query.question import PageQuestion
from storage.events.page_rows import Page
from storage.events.reader import EventStore
from storage.model.event import now_ms, to_datetime
from storage.model.filters import Filters
from storage.model.wal_position import WalPosition
from storage.settings import StorageSettings
from tests.support.reading import Reader, reader

NEWEST = Filters(component=("orders",))
SHARDS = 2
NEVER_LEARNT = Filters(limit=7)  # asked first, so that every script is known


class SlowStore(EventStore):
    """Its queries wait until they may end."""

    started = threading.Semaphore(0)
    may_end = threading.Event()

    def page(self, filters: Filters, wal: WalPosition | None = None) -> Page:
        self.started.release()
        assert self.may_end.wait(60)
        return super().page(filters, wal)


@pytest.fixture
def read(settings: StorageSettings) -> Iterator[Reader]:
    with reader(settings.model_copy(update={"shards": SHARDS})) as reading:
        for asked in (NEVER_LEARNT, Filters(limit=8, order="asc")):
            reading.served(asked)
            reading.served(asked)
        yield reading


def calls(read: Reader) -> tuple[int, int]:
    """How many scripts control has run, and how often the queue was asked for its watermark."""
    scripts = read.control.info("commandstats")["cmdstat_evalsha"]["calls"]
    reads = read.queue.info("commandstats").get("cmdstat_xrange", {"calls": 0})["calls"]
    return scripts, reads // SHARDS


def cost(read: Reader, filters: Filters) -> tuple[str, int, int]:
    """How a page came about, and the calls of control and of the queue for it."""
    before = calls(read)
    verdict = read.served(filters).verdict
    after = calls(read)
    return verdict, after[0] - before[0], after[1] - before[1]


def test_a_page_of_the_present_costs_one_call_to_look_up_and_lead_and_one_to_keep(
    read: Reader,
) -> None:
    assert cost(read, NEWEST) == ("MISS", 2, 0)
    assert cost(read, NEWEST) == ("HIT", 1, 0)


def test_a_page_of_the_past_asks_the_queue_only_where_it_is_not_in_the_cache(
    read: Reader,
) -> None:
    past = Filters(end=to_datetime(now_ms() - 90_000))
    assert cost(read, past) == ("MISS", 3, 1)
    assert cost(read, past) == ("HIT", 1, 0)


def test_a_page_in_the_cache_does_not_wait_for_a_query_of_it_under_way(
    settings: StorageSettings,
) -> None:
    with reader(settings, SlowStore) as slow, reader(settings) as other:
        question = PageQuestion.of(NEWEST)

        async def scenario() -> tuple[str, str, str]:
            first = asyncio.create_task(slow.history.page(question))
            await asyncio.to_thread(SlowStore.started.acquire)
            waiting = asyncio.create_task(slow.history.page(question))
            kept = await asyncio.to_thread(lambda: keep_elsewhere(other, slow))
            hit = await asyncio.wait_for(slow.history.page(question), 60)
            assert not first.done()
            SlowStore.may_end.set()
            return kept, hit.verdict, (await first).verdict + (await waiting).verdict

        assert slow.run(scenario()) == ("MISS", "HIT", "MISSHIT")


def keep_elsewhere(other: Reader, leader: Reader) -> str:
    """Another process keeps the page, as if the leader's lock had ended."""
    leader.control.delete(*leader.control.keys("cache:lock:*"))
    return other.served(NEWEST).verdict
