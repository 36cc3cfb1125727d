"""Fixtures that several integration tests share."""

from collections.abc import Iterator

import pytest

from tests.support.stub_service import StubService, stub_service


@pytest.fixture
def stub() -> Iterator[StubService]:
    with stub_service() as started:
        yield started
