"""Test the commands of the runbook that go to the queue and to PostgreSQL."""

import pytest
import redis
import sqlalchemy as sa

from storage.postgres.engine import plain_engine
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support.runbook import commands


@pytest.mark.parametrize("words", commands("psql"), ids=lambda words: words[-1][:40])
def test_every_query_of_the_runbook_runs(words: list[str], settings: StorageSettings) -> None:
    assert words[:2] == ["$DATABASE", "-c"]
    engine = plain_engine(settings.database_url)
    with engine.connect() as connection:
        assert connection.execute(sa.text(words[2])).keys()
    engine.dispose()


@pytest.mark.parametrize("words", commands("valkey-cli"), ids=lambda words: " ".join(words[2:]))
def test_every_command_to_the_queue_of_the_runbook_is_known(
    words: list[str], settings: StorageSettings
) -> None:
    assert words[:2] == ["-u", "$QUEUE"]
    with connect(settings.queue_url) as queue:
        assert is_known(queue, words[2:])


def is_known(queue: redis.Redis, words: list[str]) -> bool:
    """Let the server find the keys of a command, which it does for commands that it knows only."""
    try:
        queue.execute_command("COMMAND GETKEYS", *words)  # type: ignore[no-untyped-call]
    except redis.ResponseError as error:
        return "no key arguments" in str(error)
    return True


def test_an_unknown_command_is_found(settings: StorageSettings) -> None:
    with connect(settings.queue_url) as queue:
        assert not is_known(queue, ["XLENGTH", "events:{0}"])
        assert not is_known(queue, ["XLEN"])
