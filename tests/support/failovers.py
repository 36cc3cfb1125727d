"""Load on a service whose queue fails over, and what must hold afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.load import Load, load
from tests.support.queued import stored_ids

SECONDS = 120  # of each wait, on a busy machine
_MORE = 100


class FailingOver:
    """A service under load, and what its producers were told."""

    def __init__(self, running: Service, producers: Load) -> None:
        self.running = running
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
        assert set(self.kept) <= set(found)
        unsure = len(self._producers.refused) + len(self._producers.unanswered)
        assert len(found) <= len(self._producers.acknowledged) + unsure
        assert self.kept

    def _is_all_stored(self, two_primaries: bool) -> bool:
        status: dict[str, Any] = self.running.http.get("/status").json()
        balance = status["conservation"] or {}
        if status["backlog"] != 0 or balance.get("queue_unaccounted") != 0:
            return False
        return two_primaries or balance["balanced"] is True


@contextmanager
def failing_over(settings: StorageSettings, producers: int = 3) -> Iterator[FailingOver]:
    """Run a service with two API processes and two workers under load for the block."""
    with (
        service(settings, apis=2, workers=2) as running,
        load(running, producers) as posting,
    ):
        found = FailingOver(running, posting)
        found.wait_accepted()
        yield found
