"""Load on a service whose queue fails over, and what must hold afterwards."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa

from storage.settings import StorageSettings
from testbed.cluster import ClusterNodes
from testbed.sentinels import SentinelSet
from testbed.service import Service, service
from testbed.valkey import Node
from testbed.waiting import wait_until
from tests.support.load import Load, load
from tests.support.queued import stored_ids

SECONDS = 120  # of each wait, on a busy machine
PAUSE_SECONDS = 4.5
_MORE = 100

Servers = ClusterNodes | SentinelSet
Harm = Callable[[Servers, Node], AbstractContextManager[None]]


@contextmanager
def killed(servers: Servers, primary: Node) -> Iterator[None]:
    """Kill a primary; start it again when the block has ended, and another one has its place."""
    with _replaced(servers, primary):
        primary.kill()
        yield
    primary.start()


@contextmanager
def paused(servers: Servers, primary: Node) -> Iterator[None]:
    """Pause a primary for PAUSE_SECONDS, and until another one has its place."""
    began = time.monotonic()
    with _replaced(servers, primary):
        primary.pause()
        yield
    wait_until(lambda: time.monotonic() > began + PAUSE_SECONDS, "the end of the pause")
    primary.resume()


@contextmanager
def woken(servers: Servers, primary: Node) -> Iterator[None]:
    """Pause a primary until another one has its place, and its replicas may not know that yet."""
    with _replaced(servers, primary):
        primary.pause()
    primary.resume()
    yield


@contextmanager
def cut_off(servers: Servers, primary: Node) -> Iterator[None]:
    """Cut a primary off from all servers, but not from clients, until another has its place."""
    with servers.cut_off(primary), _replaced(servers, primary):
        yield


HARMS: Sequence[Harm] = (killed, paused, woken, cut_off)


@contextmanager
def _replaced(servers: Servers, primary: Node) -> Iterator[None]:
    """Return after the block once as many other servers are primaries as there were."""
    nodes = servers.servers if isinstance(servers, SentinelSet) else servers.nodes
    others, count = [each for each in nodes if each is not primary], len(servers.primaries())
    yield
    wait_until(
        lambda: sum(each.role() == "master" for each in others) == count, "another one", SECONDS
    )


class FailingOver:
    """A service under load, and what its producers were told."""

    def __init__(self, running: Service, producers: Load) -> None:
        self.running = running
        self._awaits = running.settings.queue_replicas > 0
        self._producers = producers
        self.kept: list[str] = []

    @property
    def acknowledged(self) -> list[str]:
        """Return the events that are acknowledged by now."""
        return list(self._producers.acknowledged)

    def wait_accepted(self) -> None:
        """Wait until more events are acknowledged."""
        before = len(self._producers.acknowledged)
        wait_until(
            lambda: len(self._producers.acknowledged) > before + _MORE,
            "more events to be acknowledged",
            SECONDS,
        )

    def wait_refused(self) -> None:
        """Wait until more events are refused."""
        before = len(self._producers.refused)
        wait_until(
            lambda: len(self._producers.refused) > before + _MORE, "more to be refused", SECONDS
        )

    def accept_steadily(self, roles: Callable[[], object], is_whole: Callable[[], bool]) -> None:
        """Let events be acknowledged without a failover: these must all be stored.

        A busy machine may cause one more failover: then begin again.
        """
        while True:
            wait_until(is_whole, "every server to have its role", SECONDS)
            before, count = roles(), len(self._producers.acknowledged)
            self.wait_accepted()
            if roles() == before:
                self.kept += self._producers.acknowledged[count:]
                return

    def finish(
        self, engine: sa.Engine, is_whole: Callable[[], bool], two_primaries: bool = False
    ) -> None:
        """Stop the producers, and assert that what must be stored is, each event once.

        `two_primaries`: for a moment the former primary still took events, which were lost with it,
        unless workers have stored them. Then the accounts of PostgreSQL and of the queue differ.
        """
        self._producers.stop()
        wait_until(is_whole, "every server to have its role", SECONDS)
        wait_until(
            lambda: self._is_all_stored(two_primaries), "an empty queue, and a balance", SECONDS
        )
        found = stored_ids(engine)
        assert set(found.values()) == {1}
        kept = self.acknowledged if self._awaits else self.kept
        assert set(kept) <= set(found)
        if self._awaits:
            assert self._told() == 0
        elif len(self.running.apis) == 1:
            assert self._told() or set(self.acknowledged) <= set(found)
        unsure = len(self._producers.refused) + len(self._producers.unanswered)
        assert len(found) <= len(self._producers.acknowledged) + unsure
        assert kept

    def _told(self) -> int:
        """Return how many acknowledged events may be lost, as the status tells."""
        return int(self.running.http.get("/status").json()["conservation"]["lost"])

    def _is_all_stored(self, two_primaries: bool) -> bool:
        status: dict[str, Any] = self.running.http.get("/status").json()
        balance = status["conservation"] or {}
        if status["backlog"] != 0 or balance.get("queue_unaccounted") != 0:
            return False
        return two_primaries or balance["balanced"] is True


@contextmanager
def failing_over(
    settings: StorageSettings, producers: int = 3, apis: int = 2, workers: int = 2
) -> Iterator[FailingOver]:
    """Run a service under load for the block."""
    with (
        service(settings, apis=apis, workers=workers) as running,
        load(running, producers) as posting,
    ):
        found = FailingOver(running, posting)
        found.wait_accepted()
        yield found
