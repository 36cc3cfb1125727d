"""How much of a core long reads may use."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.query.pace import Pace, allowed_share
from storage.metrics.instruments import group_commit_events


@pytest.mark.parametrize(
    ("busy", "share"), [(0.0, 1.0), (0.25, 1.0), (0.4, 0.075), (0.6, 0.05), (0.9, 0.03), (2, 0.03)]
)
def test_the_busier_the_event_loop_the_less_long_reads_may_use(busy: float, share: float) -> None:
    assert allowed_share(busy) == pytest.approx(share)


def test_all_exports_of_a_process_share_the_rests() -> None:
    async def rests() -> float:
        pace = Pace()  # which does not know yet how busy the loop is
        begun = time.monotonic()
        await asyncio.gather(*(pace.rest(0.001) for _ in range(3)))
        return time.monotonic() - begun

    assert asyncio.run(rests()) >= 3 * 0.001 * 30


def test_a_thread_rests_for_what_the_loop_of_another_thread_needs() -> None:
    pace = Pace()  # this thread stands for the loop
    keep_busy(0.3)
    assert in_thread(pace, 0.01) >= 0.01 * 30


def test_nothing_rests_beside_a_loop_that_waits() -> None:
    pace = Pace()
    threading.Event().wait(0.3)
    assert in_thread(pace, 0.01) == 0.0


def test_a_loop_that_works_for_long_reads_alone_is_no_reason_to_rest() -> None:
    pace = Pace()
    keep_busy(0.3, events=1)
    assert in_thread(pace, 0.01) == 0.0


def test_a_long_rest_is_not_asked_of_who_comes_after_a_quiet_time() -> None:
    pace = Pace()
    keep_busy(1.5)  # nobody has asked meanwhile: that says little of now
    assert 0 < in_thread(pace, 1.0) < 0.1


def in_thread(pace: Pace, worked: float) -> float:
    """Return the rest that is asked of a thread of its own."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(pace.rest_after, worked).result()


def keep_busy(seconds: float, events: int = 1_000) -> None:
    """Need a core for so long, and append events meanwhile."""
    group_commit_events.observe(events)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
