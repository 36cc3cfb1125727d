"""What API processes witness of the queue, kept in PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import sqlalchemy as sa

from storage.errors import DatabaseUnavailable, StorageError
from storage.periodic import PeriodicTask
from storage.postgres.engine import transaction
from storage.postgres.tables import queue_witness
from storage.queue.inspector import Inspector, ShardState
from storage.queue.witness import Evidence, Gap, Witness, joined

RECORD_SECONDS = 2.0
ANSWER_SECONDS = 2.0  # of PostgreSQL; a process that ends waits for it once more

InThread = Callable[[Callable[[], Any]], Awaitable[Any]]

# Counts only grow and gaps are united: it does not matter in which order processes record, how
# often, or that several have noticed one failover.
_RECORD = sa.text(
    "INSERT INTO queue_witness AS known (shard, accepted, trimmed, gaps) "
    "VALUES (:shard, :accepted, :trimmed, CAST(:gaps AS int8multirange)) "
    "ON CONFLICT (shard) DO UPDATE SET accepted = greatest(known.accepted, excluded.accepted), "
    "trimmed = greatest(known.trimmed, excluded.trimmed), gaps = known.gaps + excluded.gaps"
)
_READ = sa.text(
    "SELECT shard, accepted, trimmed, ARRAY(SELECT lower(gap) FROM unnest(gaps) gap) AS begins, "
    "ARRAY(SELECT upper(gap) FROM unnest(gaps) gap) AS ends FROM queue_witness"
)


def read_evidence(engine: sa.Engine) -> Evidence:
    """Read what all processes have recorded. Raises DatabaseUnavailable, DatabaseMismatch."""
    with transaction(engine) as connection:
        rows = connection.execute(_READ).all()
    return Evidence(
        {row.shard: row.accepted for row in rows},
        {row.shard: row.trimmed for row in rows},
        [Gap(row.shard, *gap) for row in rows for gap in zip(row.begins, row.ends, strict=True)],
    )


def record_evidence(engine: sa.Engine, found: Evidence) -> None:
    """Add what one process knows. Raises DatabaseUnavailable, DatabaseMismatch."""
    gaps: dict[int, list[str]] = {}
    for shard, begin, end in found.gaps:
        gaps.setdefault(shard, []).append(f"[{begin},{end})")
    rows = [
        {
            "shard": shard,
            "accepted": found.accepted.get(shard, 0),
            "trimmed": found.trimmed.get(shard, 0),
            "gaps": "{" + ",".join(gaps.get(shard, ())) + "}",
        }
        for shard in sorted({*found.accepted, *found.trimmed, *gaps})  # one order: no deadlock
    ]
    with transaction(engine) as connection:
        if rows:
            connection.execute(_RECORD, rows)


def forget_evidence(engine: sa.Engine) -> None:
    """Forget everything: the queue's counters begin anew. Raises DatabaseUnavailable."""
    with transaction(engine) as connection:
        connection.execute(sa.delete(queue_witness))


async def shards_beside(known: Evidence, inspector: Inspector) -> list[ShardState]:
    """Read the shards to compare them with what was known before.

    Counts that have fallen are read once more where the queue takes writes: a former primary, which
    a process is still connected to, has not lost what it never had. Raises QueueUnavailable.
    """
    found = await inspector.shards()
    return await inspector.proven_shards() if known.exceeds(found) else found


class WitnessRecorder(PeriodicTask):
    """Reads the shards' counts, and records what the witness knows, every RECORD_SECONDS.

    A process that is killed takes at most what it has heard since with it.
    """

    def __init__(
        self, witness: Witness, inspector: Inspector, engine: sa.Engine, in_thread: InThread
    ) -> None:
        """`in_thread` runs a function in a thread, within bounds."""
        super().__init__("witness of the queue", RECORD_SECONDS)
        self._witness = witness
        self._inspector = inspector
        self._engine = engine
        self._in_thread = in_thread
        self._remembers = False
        self._recorded: Evidence | None = None

    async def run_once(self) -> None:
        """Run one round. Raises QueueUnavailable, DatabaseUnavailable, DatabaseMismatch."""
        if not self._remembers:
            self._witness.remember(await self._ask(partial(read_evidence, self._engine)))
            self._remembers = True
        try:
            known = self._witness.evidence()
            self._witness.read(known.accepted, await shards_beside(known, self._inspector))
        finally:  # while the queue is away too
            await self._record()

    async def evidence(self) -> Evidence:
        """Return what all processes know. Raises DatabaseUnavailable, DatabaseMismatch."""
        recorded: Evidence = await self._ask(partial(read_evidence, self._engine))
        return joined(recorded, self._witness.evidence())

    async def stop(self) -> None:
        """End the task, and record what is known at the end, if PostgreSQL answers soon."""
        await super().stop()
        with suppress(StorageError):
            await self._record()

    async def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._in_thread(question)
        except TimeoutError as error:
            raise DatabaseUnavailable("PostgreSQL did not answer in time") from error

    async def _record(self) -> None:
        known = self._witness.evidence()
        if known == self._recorded:
            return
        await self._ask(partial(record_evidence, self._engine, known))
        self._witness.forget(known.gaps)
        self._recorded = self._witness.evidence()
