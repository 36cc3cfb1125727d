"""Back up a service while retention takes a partition away, and restore that elsewhere."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from cli import state
from cli.embedded.lock import is_held
from storage.postgres.engine import plain_engine
from storage.redis.client import connect
from storage.retention import belongings, removal
from storage.retention.plan import Policy
from storage.retention.run import run_retention
from testbed.waiting import wait_until
from tests.acceptance.test_backup import document, stored_ids
from tests.acceptance.test_up import up
from tests.support.data_folders import reachable_folder
from tests.support.event_streams import read_on
from tests.support.imports import PATH, item
from tests.support.retention import today

DAYS = 3  # of these days events are kept
OLD, RECENT = today() - timedelta(days=6, hours=-5), today() - timedelta(hours=5)

# Before these functions of retention the backup is made.
STEPS: dict[str, tuple[Any, str]] = {
    "announced": (removal, "begin_detaching"),
    "leaving": (removal, "finish_detaching"),
    "apart": (belongings, "forget_ngrams"),
}


class Source:
    """A service from whose events of two days retention removes the older ones, step by step."""

    def __init__(self, folders: Path, client: httpx.Client) -> None:
        self._folders = folders
        self._client = client
        self._sent = 0
        urls = state.running(folders / "source").urls
        self._engine = plain_engine(urls.database_url, pool=3)
        self._control_url = urls.control_url
        self.old = self.send(OLD, 3)
        self.kept = self.send(RECENT, 2)
        wait_until(lambda: client.get("/status").json()["backlog"] == 0, "all to be stored", 60)

    def send(self, instant: Any, count: int) -> list[str]:
        """Import so many new events of this instant; return their ids."""
        self._sent += count
        numbers = range(self._sent - count, self._sent)
        answer = self._client.post(PATH, json=[item(number, instant) for number in numbers])
        assert answer.status_code == 202, answer.text
        return [one["id"] for one in answer.json()["results"]]

    def back_up_at(self, patched: pytest.MonkeyPatch) -> dict[str, list[str]]:
        """Run retention with a backup before each step; return the late events of each backup."""
        late: list[str] = []
        of_backups: dict[str, list[str]] = {}
        reading = self._engine.connect()
        reading.exec_driver_sql("SELECT count(*) FROM events")

        def before(step: str, act: Callable[..., Any]) -> Callable[..., Any]:
            def stopped(*arguments: Any) -> Any:
                if step not in of_backups:
                    late.extend([] if step == "announced" else self.send(OLD, 1))
                    of_backups[step] = list(late)
                    document("backup", self._folders / step, "--data-dir", self._source)
                    if step == "leaving":
                        reading.close()
                return act(*arguments)

            return stopped

        for step, (module, name) in STEPS.items():
            patched.setattr(module, name, before(step, getattr(module, name)))
        with closing(connect(self._control_url)) as control:
            run = run_retention(self._engine, control, Policy(DAYS), is_confirmed=True)
        assert run is not None
        assert len(run.removed) == 1
        self._engine.dispose()
        return of_backups

    @property
    def _source(self) -> Path:
        return self._folders / "source"


@pytest.fixture(scope="module")
def folders() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder
        locks = list(folder.glob("*/lock"))
        wait_until(lambda: not any(map(is_held, locks)), "the last process to be gone")


@pytest.fixture(scope="module")
def wanted(folders: Path) -> dict[str, list[str]]:
    """Make the backups; return which events must be there once each of them is restored."""
    with up(folders / "source") as (_, client), pytest.MonkeyPatch.context() as patched:
        source = Source(folders, client)
        late = source.back_up_at(patched)
    kept = {step: source.kept + events for step, events in late.items()}
    return {**kept, "announced": source.kept + source.old}


def unfinished(data: Path) -> int:
    """Return how many partitions are on their way out."""
    engine = sa.create_engine(json.loads((data / "state.json").read_text())["database_url"])
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT (SELECT count(*) FROM removed_partitions WHERE removed_at IS NULL) + "
            "(SELECT count(*) FROM pg_inherits WHERE inhdetachpending)"
        ).scalar_one()
    engine.dispose()
    return int(found)


@pytest.mark.parametrize("step", STEPS)
def test_a_backup_of_when_a_partition_was_leaving_is_restored_and_finished(
    folders: Path, wanted: dict[str, list[str]], step: str
) -> None:
    data = folders / f"restored {step}"
    assert document("restore", folders / step, "--data-dir", data)["missing"] == 0
    with up(data) as (_, client):
        wait_until(lambda: unfinished(data) == 0, "retention to finish what was pending", 120)
        wait_until(lambda: client.get("/status").json()["backlog"] == 0, "all to be stored", 120)
        assert Counter(stored_ids(data)) == Counter(wanted[step])
        assert client.get("/status").json()["conservation"]["balanced"] is True
        assert sorted(read_on(client, "start")) == sorted(wanted[step])
        page = client.get("/events", params={"limit": 1000}).json()["events"]
        assert {event["id"] for event in page} == set(wanted[step])
        assert client.get("/events/stats").json()["total"] == len(wanted[step])
        assert client.get(f"/events/{wanted[step][0]}").json()["receipt"] == "stored"
