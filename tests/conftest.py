"""Fixtures that all kinds of tests share."""

from collections.abc import Iterator

import pytest

from storage.settings import StorageSettings
from tests.support.servers import TestServers, test_servers


@pytest.fixture(scope="session")
def servers() -> Iterator[TestServers]:
    """PostgreSQL and two Valkeys, started once."""
    with test_servers() as running:
        yield running


@pytest.fixture
def settings(servers: TestServers) -> Iterator[StorageSettings]:
    """Empty servers, for one test."""
    with servers.fresh() as fresh:
        yield fresh
