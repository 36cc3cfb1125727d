"""The calls by which a scrape asks the servers, all at once and each for a limited time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from api.ops.bounded_call import BoundedCall
from api.ops.health import Probes
from api.ops.service_metrics import ServiceReading, unaccounted
from storage.errors import QueueUnavailable
from storage.events.figures import HistoryFigures
from storage.events.ledger import Account
from storage.queue.backlog_monitor import BacklogMonitor
from storage.queue.inspector import Inspector
from storage.queue.scheduler import Crew
from storage.queue.witness import Evidence
from storage.queue.witness_record import shards_beside

ANSWER_SECONDS = 1.0

Accounts = Mapping[int, Account]


class ServerCalls:
    """What a scrape asks the queue, control and PostgreSQL."""

    def __init__(
        self,
        inspector: Inspector,
        monitor: BacklogMonitor,
        crew: Callable[[], Awaitable[Crew]],
        figures: Callable[[], Awaitable[HistoryFigures]],
        accounts: Callable[[], Awaitable[Accounts]],
        evidence: Callable[[], Awaitable[Evidence]],
        probes: Probes,
    ) -> None:
        self._inspector = inspector
        self._monitor = monitor
        self._read_accounts = accounts
        self._read_evidence = evidence
        self._shards = BoundedCall(inspector.shards)
        self._queue = BoundedCall(inspector.server)
        self._crew = BoundedCall(crew)
        self._figures = BoundedCall(figures)
        self._missing = BoundedCall(self._count_missing)
        self._probes = probes

    async def read(self) -> ServiceReading:
        """Ask all servers at once. Takes ANSWER_SECONDS at most."""
        states, shards, queue, crew, figures, missing = await asyncio.gather(
            self._probes.states(),
            self._shards.answer(ANSWER_SECONDS),
            self._queue.answer(ANSWER_SECONDS),
            self._crew.answer(ANSWER_SECONDS),
            self._figures.answer(ANSWER_SECONDS),
            self._missing.answer(ANSWER_SECONDS),
        )
        up = {name: found.state == "up" for name, found in states.items()}
        # Without control no drain starts: more workers would only wait.
        wanted = self._monitor.workers_wanted(shards) if shards and crew else None
        return ServiceReading(up, shards, queue, crew, figures, missing, wanted)

    async def close(self) -> None:
        """Cancel the calls that are under way."""
        await asyncio.gather(
            self._shards.close(),
            self._queue.close(),
            self._crew.close(),
            self._figures.close(),
            self._missing.close(),
        )

    async def _count_missing(self) -> int:
        """Read the queue, then PostgreSQL, then the queue: see `unaccounted`, `Evidence.lost`."""
        before = self._monitor.shards
        if before is None:
            raise QueueUnavailable("the queue was not read yet")
        accounts, evidence = await asyncio.gather(self._read_accounts(), self._read_evidence())
        after = await shards_beside(evidence, self._inspector)
        return unaccounted(before, accounts, after) + evidence.lost(after)
