"""The buffer between those who send and the thread that posts."""

import threading
from collections.abc import Callable

import pytest

from activity_client.buffer import Buffer
from activity_client.errors import BufferFull, ClientClosed, GaveUp
from activity_client.limits import Limits
from testbed.waiting import wait_until

AT_ONCE = Limits(linger_seconds=0)


def filled(limits: Limits, *lines: bytes) -> Buffer:
    buffer = Buffer(limits)
    for line in lines:
        buffer.put(line)
    return buffer


def test_batches_keep_the_order_and_both_bounds() -> None:
    limits = Limits(batch_events=3, batch_bytes=10, linger_seconds=0)
    buffer = filled(limits, b"1", b"2", b"3", b"4444", b"55555", b"6666666", b"x" * 20)
    buffer.close(60)
    taken = []
    while lines := buffer.take():
        taken.append(lines)
    assert taken == [[b"1", b"2", b"3"], [b"4444", b"55555"], [b"6666666"], [b"x" * 20]]


def test_what_is_under_way_counts_against_the_bounds_until_it_is_settled() -> None:
    buffer = filled(Limits(buffer_events=2, linger_seconds=0), b"1", b"2")
    lines = buffer.take()
    assert lines == [b"1", b"2"]
    with pytest.raises(BufferFull, match=r"2 events \(2 bytes\) are waiting; the service accepts"):
        buffer.put(b"3")
    buffer.settle(lines, rejected=1)
    buffer.put(b"3")
    stats = buffer.stats
    assert (stats.sent, stats.accepted, stats.rejected, stats.pending) == (3, 1, 1, 1)


def test_bytes_are_bounded_too_but_one_event_always_fits() -> None:
    buffer = filled(Limits(buffer_bytes=10), b"x" * 50)
    with pytest.raises(BufferFull):
        buffer.put(b"y")


def test_bytes_that_were_answered_make_room() -> None:
    buffer = filled(Limits(buffer_bytes=10, linger_seconds=0), b"x" * 9)
    for _ in range(3):
        lines = buffer.take()
        assert lines
        buffer.settle(lines, 0)
        buffer.put(b"x")
        buffer.put(b"x" * 8)
        with pytest.raises(BufferFull):
            buffer.put(b"xx")


def test_a_full_buffer_says_since_when_the_service_takes_nothing_and_why() -> None:
    buffer = filled(Limits(buffer_events=1, linger_seconds=0), b"1")
    lines = buffer.take()
    assert lines
    buffer.pause(0, "first")
    buffer.pause(0, "second")
    with pytest.raises(BufferFull) as full:
        buffer.put(b"2")
    assert (full.value.reason, full.value.events) == ("second", 1)
    assert full.value.since is not None
    buffer.settle(lines, 0)
    assert buffer.last_error is None
    assert buffer.stats.retries == 2


def test_a_batch_lingers_for_more_until_it_is_full_or_flushed() -> None:
    hurries: list[Callable[[Buffer], object]] = [lambda b: b.put(b"2"), lambda b: b.flush(0)]
    for hurry in hurries:
        buffer = filled(Limits(batch_events=2, linger_seconds=600), b"1")
        taken: list[list[bytes] | None] = []
        thread = threading.Thread(target=lambda b=buffer, t=taken: t.append(b.take()))
        thread.start()
        hurry(buffer)
        thread.join(20)
        assert taken


def test_flush_waits_for_what_was_sent_before_it_and_no_more() -> None:
    buffer = filled(AT_ONCE, b"1")
    lines = buffer.take()
    assert lines
    assert not buffer.flush(0)
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(buffer.flush(20)))
    thread.start()
    wait_until(lambda: buffer._flush_to == 1, "the flush to wait")
    buffer.put(b"2")
    buffer.settle(lines, 0)
    thread.join(20)
    assert done == [True]


def test_flush_gives_up_when_nobody_posts_any_more() -> None:
    buffer = filled(AT_ONCE, b"1")
    buffer.end()
    assert not buffer.flush(None)


def test_a_closed_buffer_takes_nothing_and_gives_what_it_has() -> None:
    buffer = filled(Limits(linger_seconds=600), b"1")
    buffer.close(60)
    with pytest.raises(ClientClosed):
        buffer.put(b"2")
    assert buffer.take() == [b"1"]
    assert buffer.take() is None


def test_past_the_deadline_nothing_is_given_and_no_try_is_made() -> None:
    buffer = filled(AT_ONCE, b"1")
    buffer.close(0)
    assert buffer.is_over
    assert buffer.take() is None
    with pytest.raises(GaveUp, match="why"):
        buffer.pause(600, "why")


def test_the_first_close_sets_the_deadline() -> None:
    buffer = Buffer(AT_ONCE)
    assert buffer.close(0) == 0
    assert buffer.close(600) == 0


def test_closing_ends_a_pause_for_one_more_try() -> None:
    buffer = filled(AT_ONCE, b"1")
    thread = threading.Thread(target=buffer.pause, args=(600, "why"))
    thread.start()
    wait_until(lambda: buffer.last_error, "the pause to begin")
    buffer.close(60)
    thread.join(20)
    assert not thread.is_alive()
    assert buffer.stats.retries == 1
