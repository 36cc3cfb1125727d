"""How long an export waits for PostgreSQL."""

import asyncio

import pytest

from api.query.export import service
from storage.errors import DatabaseUnavailable, QueryTooSlow, StorageError


async def _outcome(*errors: StorageError) -> int:
    """Return how often a read was tried that fails so at first."""
    tries = 0

    async def read() -> int:
        nonlocal tries
        tries += 1
        if tries <= len(errors):
            raise errors[tries - 1]
        return tries

    return await service._patiently(read)


def test_a_read_is_repeated_until_postgresql_answers() -> None:
    assert asyncio.run(_outcome(DatabaseUnavailable(), DatabaseUnavailable())) == 3


def test_the_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.3)
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(_outcome(*(DatabaseUnavailable() for _ in range(9))))


def test_what_takes_too_long_is_not_repeated() -> None:
    with pytest.raises(QueryTooSlow):
        asyncio.run(_outcome(QueryTooSlow()))
