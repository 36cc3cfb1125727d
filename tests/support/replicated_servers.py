"""Servers of the profile `--replicated`: the queue is a cluster, and readers use a standby.

CONTRIBUTING.md says which tests run on them.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage.settings import StorageSettings
from testbed.cluster import ClusterNodes, cluster_nodes
from testbed.servers import TestServers, test_servers
from testbed.waiting import wait_until
from tests.support.data_folders import reachable_folder
from tests.support.standby import Member, address_of_one

REPLAYS = ("at-once", "late", "paused")
LATE = "300ms"
PAUSE_SECONDS = 0.5  # and as long it replays

MARKER = "one_server"


@dataclass(frozen=True, kw_only=True)
class ReplicatedServers(TestServers):
    """Running servers; the standby replays as `replay` says."""

    cluster: ClusterNodes
    standby: Member
    replay: str

    def addresses(self, database: str) -> dict[str, str]:
        """Return the settings that lead to these servers."""
        return super().addresses(database) | {
            "queue_url": self.cluster.url,
            "read_url": address_of_one(self.standby, database),
        }

    @contextmanager
    def fresh(self, **more: object) -> Iterator[StorageSettings]:
        """Yield settings of empty servers; the standby has the database already."""
        with super().fresh(**more) as settings:
            name = sa.make_url(settings.database_url).database
            known = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"
            wait_until(lambda: self.standby.sql(known), "the standby to have the database")
            if self.replay == "paused":
                with _paused_now_and_then(self.standby):
                    yield settings
            else:
                yield settings


@contextmanager
def replicated_servers(replay: str) -> Iterator[TestServers]:
    """Start the servers and migrate the template database."""
    with (
        test_servers() as tests,
        cluster_nodes(replicas=0, maxmemory="256mb") as cluster,
        reachable_folder() as folder,
    ):
        tests.execute("ALTER SYSTEM SET wal_keep_size = '256MB'")  # for a standby that was cut off
        tests.execute("SELECT pg_reload_conf()")
        standby = Member(folder / "standby")
        try:
            standby.follow_server_at(
                Path(str(sa.make_url(tests.servers.urls.database_url).query["host"]))
            )
            standby.replay(delay=LATE if replay == "late" else "0")
            yield ReplicatedServers(tests.servers, cluster=cluster, standby=standby, replay=replay)
        finally:
            standby.kill()


@contextmanager
def _paused_now_and_then(standby: Member) -> Iterator[None]:
    """Pause the replay every other half second of the block; replay afterwards."""
    ends = threading.Event()

    def run() -> None:
        while not ends.wait(PAUSE_SECONDS):
            standby.sql("SELECT pg_wal_replay_pause()")
            ends.wait(PAUSE_SECONDS)
            standby.sql("SELECT pg_wal_replay_resume()")

    thread = threading.Thread(target=run, name="pausing the replay")
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def skip_what_gains_nothing(items: Iterable[pytest.Item]) -> None:
    """Skip tests that would run as ever, because they start servers of their own or use none.

    And those that are marked: they give their reason.
    """
    for item in items:
        marked = item.get_closest_marker(MARKER)
        if marked:
            item.add_marker(pytest.mark.skip(reason=marked.kwargs["reason"]))
        elif "servers" not in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason="uses servers of its own, or none"))
