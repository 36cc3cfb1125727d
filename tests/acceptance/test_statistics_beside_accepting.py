"""Statistics rest while many events are accepted: an answer covers less, and `next` goes on."""

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

EVENTS = 9_000  # more than the first slice of a statistic
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
ABSENT = {"-message": "absent", "from_date": "2026-10-01", "to_date": "2026-10-01"}

# An API process whose event loop seems to need a whole core for accepting.
BUSY = """
import runpy
from api.query.pace import Pace
Pace._busy = lambda self: 1.0
runpy.run_module("api", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Service]:
    """Run a service with events, whose API process is busy."""
    with servers.fresh() as settings:
        events = [event_at(FIRST + number * timedelta(seconds=5)) for number in range(EVENTS)]
        store(settings, events)
        with service(settings, workers=0, statistics_budget_ms=50) as found:
            found.end_processes()
            fd = found.listener.fileno()
            command = [sys.executable, "-c", BUSY, "--fd", str(fd)]
            found.apis.append(subprocess.Popen(command, env=found.env, pass_fds=[fd]))
            wait_until(lambda: found.answers("/health/ready"), "the service to be ready")
            yield found


def test_bars_rest_within_their_budget_and_are_exact_all_the_same(running: Service) -> None:
    answers = [asked(running, "stats", ABSENT)]
    while answers[-1]["next"]:
        answers.append(asked(running, "stats", {**ABSENT, "next": answers[-1]["next"]}))
    assert len(answers) > 1
    assert sum(answer["total"] for answer in answers) == EVENTS


def test_facets_rest_within_their_budget_and_say_what_they_cover(running: Service) -> None:
    answer = asked(running, "facets", {**ABSENT, "field": "email"})
    assert not answer["complete"]
    assert 0 < answer["total"] < EVENTS


def asked(running: Service, name: str, params: dict[str, str]) -> dict[str, Any]:
    """Return one answer."""
    response = running.http.get(f"/events/{name}", params=params)
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]
