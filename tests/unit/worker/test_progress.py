"""While a worker waits for PostgreSQL, a thread reports in its place; else nothing does."""

import pytest

from worker.activities import storing
from worker.progress import WaitReporter


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr("worker.progress.own.report", said.append)
    return said


def test_only_a_wait_is_reported(said: list[str]) -> None:
    reporter = WaitReporter()
    reporter.run_once()
    with reporter.waiting(storing(3)):
        reporter.run_once()
        reporter.run_once()
    reporter.run_once()
    assert said == ["shard 3, waiting for PostgreSQL"] * 2


def test_a_wait_that_failed_is_over(said: list[str]) -> None:
    reporter = WaitReporter()
    with pytest.raises(OSError, match="lost"), reporter.waiting(storing(3)):
        raise OSError("lost")
    reporter.run_once()
    assert said == []
