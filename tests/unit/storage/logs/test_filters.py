"""A server that is unreachable for hours does not fill a worker's log."""

import logging

from storage.logs.filters import OnceAMinute

AWAY = "Worker %s: could not connect to Redis instance: %s retrying in %d seconds..."


def passes(once: OnceAMinute, text: str) -> bool:
    record = logging.LogRecord("rq.worker", logging.ERROR, "", 0, text, (), None)
    return once.filter(record)


def test_that_control_is_away_is_said_once_a_minute() -> None:
    now = 1000.0
    once = OnceAMinute(lambda: now)
    assert [passes(once, AWAY) for _ in range(3)] == [True, False, False]
    assert passes(once, "another thing")
    now += 61
    assert [passes(once, AWAY) for _ in range(3)] == [True, False, False]
