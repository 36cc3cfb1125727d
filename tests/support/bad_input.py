"""A service that must answer a good event after each bad one, and one with short time limits."""

from collections.abc import Iterator

import pytest

from testbed.service import Service, service
from tests.support.hostile import EVENT

MIB = 1 << 20
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def hasty(running: Service) -> Iterator[Service]:
    """Yield the same service with one more API process, which gives its clients a short time."""
    with service(running.settings, workers=0, body_seconds=0.5) as started:
        yield started


@pytest.fixture(autouse=True)
def _lives(running: Service) -> Iterator[None]:
    """Require a valid request to be answered before and after each test."""
    yield
    running.post(**EVENT)
