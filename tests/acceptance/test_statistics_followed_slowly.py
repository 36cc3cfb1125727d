"""A relative date means the same in every answer of a chain, however late `next` is followed."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.reading import store
from tests.support.statistics import event_at

HOUR = timedelta(hours=1)
HOURS = 48
EVENTS = 9_000

# An API process that reads relative dates by a clock which is ahead by the first argument.
MOVED = """
import runpy, sys, time
from api.query import clock
ahead = float(sys.argv.pop(1))
clock.time = lambda: time.time() + ahead
runpy.run_module("api", run_name="__main__", alter_sys=True)
"""


def within(first: int, last: int) -> int:
    """Return how many events occurred from so many hours before now until so many."""
    return sum(last <= number % HOURS < first for number in range(EVENTS))


QUESTIONS: list[tuple[dict[str, str], int]] = [
    ({"occurred_from": "-24h"}, within(24, 0)),
    ({"occurred_from": "-1d", "occurred_to": "-6h"}, within(24, 6)),
    ({"q": "occurred_at>-24h -occurred_at>=-6h"}, within(24, 6)),
    ({"q": "occurred_at<-6h", "occurred_to": "now", "group_by": "email"}, within(HOURS, 6)),
    ({"occurred_from": "-24h", "from_date": "-30d", "to_date": "now"}, within(24, 0)),
]


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Service]:
    """Run a service whose events occurred between the hours; its budget is almost nothing."""
    now = datetime.now(UTC)
    with servers.fresh() as settings:
        store(settings, [made(now, number) for number in range(EVENTS)])
        with service(settings, workers=0, statistics_budget_ms=1) as found:
            yield found


def made(now: datetime, number: int) -> Any:
    """Make an event that occurred half an hour from any whole number of hours before now."""
    occurred = now - (number % HOURS + 0.5) * HOUR
    text = occurred.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    created = now - HOUR - number * timedelta(days=9) / EVENTS  # before `to_date=now`, a minute
    return event_at(created, occurred_at=text)


def restart(running: Service, ahead: timedelta) -> None:
    """Replace the API process by one whose clock is ahead."""
    running.end_processes()
    fd = running.listener.fileno()
    command = [sys.executable, "-c", MOVED, str(ahead.total_seconds()), "--fd", str(fd)]
    running.apis.append(subprocess.Popen(command, env=running.env, pass_fds=[fd]))
    wait_until(lambda: running.answers("/health/ready"), "the service to be ready")


def test_the_sums_are_exact_when_the_clock_moves_on_and_back(running: Service) -> None:
    chains = [[stats(running, asked)] for asked, _ in QUESTIONS]
    for ahead in (7 * HOUR, -3 * HOUR):
        restart(running, ahead)
        for (asked, _), answers in zip(QUESTIONS, chains, strict=True):
            answers.append(following(running, asked, answers))
    for (asked, expected), answers in zip(QUESTIONS, chains, strict=True):
        while answers[-1]["next"]:
            answers.append(following(running, asked, answers))
        assert sum(answer["total"] for answer in answers) == expected
        assert len({(answer["from"], answer["to"]) for answer in answers}) == 1


def following(
    running: Service, asked: dict[str, str], answers: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the answer that continues the last one."""
    assert answers[-1]["next"], "the budget is large enough for all"
    return stats(running, {**asked, "next": answers[-1]["next"]})


def stats(running: Service, params: dict[str, str]) -> dict[str, Any]:
    """Return one answer."""
    response = running.http.get("/events/stats", params=params)
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]
