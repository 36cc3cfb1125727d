"""Open both homes of API keys for a command, and say which of them is away."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cli.service_choice import advising, urls_of_run
from cli.urls import storage_settings
from storage.access.homes import KeyHomes
from storage.access.key_records import KeyRecords
from storage.errors import StorageError
from storage.failures import reason
from storage.postgres.engine import short_engine, waiting_at_most
from storage.redis.client import connect

ANSWER_SECONDS = 3.0  # redis-py tries a few times; a command must not wait for long
_MAX_NAMED = 5


@contextmanager
def opened_homes(data_dir: str | None) -> Iterator[KeyHomes]:
    """Yield the homes of the run on the data folder, or those of the settings.

    Raises NoHome, with advice if nobody has named a server.
    """
    urls = urls_of_run(data_dir)
    settings = storage_settings(urls)
    with (
        advising(urls, "queue_url", "database_url"),
        waiting_at_most(ANSWER_SECONDS),
        connect(settings.queue_url, ANSWER_SECONDS) as queue,
        short_engine(settings.database_url) as engine,
    ):
        yield KeyHomes(queue, engine)


def load(homes: KeyHomes) -> KeyRecords:
    """Return what both homes have, merged. Warn of a home that is away. Raises NoHome."""
    loaded = homes.load()
    warn_of_missing(loaded.failures, "keys")
    records = KeyRecords()
    for found in loaded.answers.values():
        records = records.merge(found)
    for key_id in sorted(records.unreadable)[:_MAX_NAMED]:
        warn(f"the record of the key {key_id!a} can't be read, and nobody may use the key")
    return records


def warn_of_missing(failures: Mapping[str, StorageError], what: str) -> None:
    """Warn that a home could not be read."""
    for home, why in reasons(failures).items():
        warn(f"{home} could not be asked ({why}): {what} that only it has are missing here")


def warn_of_absence(failures: Mapping[str, StorageError]) -> None:
    """Warn that a change is in one home only."""
    for home, why in reasons(failures).items():
        warn(
            f"{home} could not be told ({why}): the running service copies the change there "
            "within a minute after it is back"
        )


def reasons(failures: Mapping[str, StorageError]) -> dict[str, str]:
    """Return why homes have failed, each in one line."""
    return {home: reason(error) for home, error in failures.items()}


def warn(text: str) -> None:
    """Print a warning."""
    print(f"activity: warning: {text}", file=sys.stderr)
