"""Provide one running service for the tests that only use it."""

from collections.abc import Iterator

import pytest

from testbed.servers import TestServers
from testbed.service import Service, service


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Service]:
    """Run a service with one API process and one worker for a whole module."""
    with servers.fresh() as settings, service(settings, cache_grace_ms=0) as started:
        yield started
