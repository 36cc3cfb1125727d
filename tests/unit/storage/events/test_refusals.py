"""A few refused events are poison; if most are refused, the cause is another."""

import pytest

from storage.errors import RefusedShare
from storage.events.refusals import WINDOW_SECONDS, RefusalWindow


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_ten_refusals_are_poison_whatever_else_came() -> None:
    window = RefusalWindow()
    for _ in range(9):
        window.add(1, 1)
    window.require_few(1, 1, "bad")


def test_more_than_ten_and_more_than_half_are_not() -> None:
    window = RefusalWindow()
    for _ in range(10):
        window.add(1, 1)
    with pytest.raises(RefusedShare, match="bad"):
        window.require_few(1, 1, "bad")


def test_a_minority_of_many_is_poison() -> None:
    window = RefusalWindow()
    for _ in range(50):
        window.add(10, 4)
    window.require_few(10, 4, "bad")


def test_a_batch_without_refusals_is_never_held_back() -> None:
    window = RefusalWindow()
    window.add(100, 100)
    window.require_few(1, 0, "")


def test_what_was_refused_long_ago_counts_no_more() -> None:
    clock = Clock()
    window = RefusalWindow(clock)
    window.add(10, 10)
    clock.now = WINDOW_SECONDS + 1
    window.require_few(10, 10, "bad")
