"""The status for operators: backlog, workers, and whether every event is accounted for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeVar

from api.formats.status_schemas import (
    Conservation,
    QueueStatus,
    ShardStatus,
    StandbyStatus,
    StatusAnswer,
)
from storage.balance import is_balanced
from storage.errors import StorageError
from storage.events.ledger import Ledger
from storage.failures import reason
from storage.postgres.standby import StandbyView, to_mend
from storage.queue.backlog_monitor import BacklogMonitor
from storage.queue.inspector import LAST_ID, Inspector, QueueServer, ShardState, greatest_lag
from storage.queue.scheduler import Crew
from storage.queue.witness import Evidence
from storage.queue.witness_record import shards_beside

ANSWER_SECONDS = 3.0
_LATE = f"no answer within {ANSWER_SECONDS:g} s"

T = TypeVar("T")


class Status:
    """A report that compares what the queue, control and PostgreSQL tell."""

    def __init__(
        self,
        inspector: Inspector,
        ledger: Callable[[], Awaitable[Ledger]],
        crew: Callable[[], Awaitable[Crew]],
        monitor: BacklogMonitor,
        evidence: Callable[[], Awaitable[Evidence]],
        standbys: Callable[[], Sequence[StandbyView]] = tuple,
    ) -> None:
        """`evidence`: returns what API processes know of the queue's counts, outside of it.

        `standbys` tells what is known of the standbys that readers may use, at once.
        """
        self._inspector = inspector
        self._ledger = ledger
        self._crew = crew
        self._monitor = monitor
        self._evidence = evidence
        self._standbys = standbys
        self._version = version("activity-service")
        self._started = time.monotonic()

    async def report(self) -> StatusAnswer:
        """Return the status; what can't be asked is null, and named in `attention`."""
        attention: list[str] = []
        before = await _ask("queue", self._inspector.shards(), attention)
        ledger, crew, evidence = await asyncio.gather(
            _ask("database", self._ledger(), attention),
            _ask("control", self._crew(), attention),
            _ask("database", self._evidence(), attention),
        )
        # Read again: PostgreSQL may know of events that came after the first reading.
        after = await _ask("queue", self._shards(evidence), attention) if before else None
        queue = await _ask("queue", self._inspector.server(), attention) if before else None
        attention += [*queue.problems, *queue.oddities] if queue else []
        attention += _shard_errors(before or [], ledger, crew)
        if before and (crew is None or crew.workers):
            attention += self._stalled(before)
        conservation = _conservation(before, after, ledger, evidence) if before else None
        if conservation:
            attention += _not_accounted_for(conservation)
        standbys = self._standbys()
        attention += [
            f"readers can't use the standby {name}: {problem}"
            for name, problem in to_mend({one.name: one.problem for one in standbys}).items()
        ]
        return StatusAnswer(
            status="attention" if attention else "ok",
            attention=list(dict.fromkeys(attention)),
            backlog=sum(shard.backlog for shard in before) if before else None,
            backlog_bytes=sum(shard.bytes for shard in before) if before else None,
            lag_seconds=greatest_lag(before or []),
            stored_per_second=self._stored_per_second() if before else None,
            queue=_queue(queue) if queue else None,
            queue_memory_ratio=_rounded(queue.memory_ratio) if queue else None,
            workers=crew.workers if crew else None,
            # Without control no drain starts: more workers would only wait.
            workers_wanted=self._monitor.workers_wanted(before) if before and crew else None,
            refused_jobs=crew.refused_jobs if crew else None,
            dead_letters=ledger.dead_letters if ledger else None,
            conservation=conservation,
            shards=[_shard(shard, ledger) for shard in before] if before else None,
            standbys=list(map(_standby, standbys)),
            version=self._version,
            uptime_seconds=round(time.monotonic() - self._started, 1),
        )

    async def _shards(self, evidence: Evidence | None) -> list[ShardState]:
        if evidence is None:
            return await self._inspector.shards()
        return await shards_beside(evidence, self._inspector)

    def _stored_per_second(self) -> float | None:
        rate = self._monitor.stored_per_second
        return None if rate is None else round(rate, 1)

    def _stalled(self, shards: Sequence[ShardState]) -> list[str]:
        """Name the shards that store nothing without a reported error: no drain may have run."""
        without_error = {shard.shard for shard in shards if not shard.last_error}
        stalled = self._monitor.standing_still(shards).items()
        return [
            f"shard {shard} has stored nothing for {seconds:.0f} s, and events wait there"
            for shard, seconds in stalled
            if shard in without_error
        ]


async def _ask(server: str, question: Awaitable[T], attention: list[str]) -> T | None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await question
    except (StorageError, TimeoutError) as error:
        why = reason(error) if isinstance(error, StorageError) else _LATE
        attention.append(f"the {server} can't be asked: {why}")
        return None


def _queue(server: QueueServer) -> QueueStatus:
    return QueueStatus(
        durability=server.durability,
        replicas=server.replicas,
        replicas_awaited=server.replicas_awaited,
    )


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


def _shard_errors(
    shards: Sequence[ShardState], ledger: Ledger | None, crew: Crew | None
) -> list[str]:
    found = [f"shard {one.shard} waits: {one.last_error}" for one in shards if one.last_error]
    found += [_ids_ahead(one) for one in shards if one.id_ahead]
    if crew and not crew.workers:
        found.append("no worker runs: events are accepted and wait")
    if crew and crew.refused_jobs:
        found.append(
            f"{crew.refused_jobs} entries of RQ's list were not drains and were dropped: another "
            "program writes to control"
        )
    if ledger and ledger.dead_letters:
        one = ledger.dead_letters == 1
        found.append(
            f"{ledger.dead_letters} dead {'letter waits' if one else 'letters wait'} for a decision"
        )
    return found


def _not_accounted_for(found: Conservation) -> list[str]:
    texts = []
    if found.lost:
        texts.append(
            f"API processes know of at least {found.witnessed} accepted events, and the queue "
            f"counts {found.accepted}: {found.lost} acknowledged events may be lost"
        )
    if found.balanced is False:
        texts.append("events are not accounted for: see conservation")
    return texts


def _conservation(
    before: Sequence[ShardState],
    after: Sequence[ShardState] | None,
    ledger: Ledger | None,
    evidence: Evidence | None,
) -> Conservation:
    """Compare the queue's counters, read before and after both, with the ledger and the witness."""
    accounts = ledger.accounts if ledger else {}
    accounted = sum(account.total for account in accounts.values()) if ledger else None
    trimmed = sum(shard.trimmed for shard in before)
    foreign = sum(shard.foreign for shard in before)
    accepted = sum(shard.accepted for shard in before)
    lost = evidence.lost(after) if evidence and after else None
    balanced = is_balanced(before, after, ledger) if ledger and after else None
    first = min((shard.since_ms for shard in before if shard.since_ms), default=None)
    return Conservation(
        balanced=False if lost else balanced,
        accepted=accepted,
        witnessed=None if lost is None else accepted + lost,
        lost=lost,
        trimmed=trimmed,
        backlog=sum(shard.backlog for shard in before),
        foreign=foreign,
        foreign_backlog=sum(shard.foreign_backlog for shard in before),
        queue_unaccounted=sum(abs(shard.unaccounted) for shard in before),
        accounted=accounted,
        untrimmed=None if accounted is None else accounted - trimmed - foreign,
        since=datetime.fromtimestamp(first / 1000, UTC) if first else None,
    )


def _standby(view: StandbyView) -> StandbyStatus:
    seconds = None if view.lag_seconds is None else round(view.lag_seconds, 3)
    return StandbyStatus(
        name=view.name, state=view.state, lag_bytes=view.lag_bytes, lag_seconds=seconds
    )


def _ids_ahead(shard: ShardState) -> str:
    """Return the remedy for a stream whose ids another program has set ahead of the clock."""
    why = f"its ids are ahead of the clock (the last: {shard.id_ahead}), and its lag is unknown"
    if shard.id_ahead == LAST_ID:
        why = "its stream accepts no more events: another program has used the last possible id"
    remedy = f"XSETID events:{{{shard.shard}}} 0-0 (refused while events wait there)"
    return f"shard {shard.shard}: {why}; once its backlog is 0: {remedy}"


def _shard(shard: ShardState, ledger: Ledger | None) -> ShardStatus:
    account = ledger.accounts.get(shard.shard) if ledger else None
    uncounted = 0 if ledger else None  # unknown is never zero
    return ShardStatus(
        shard=shard.shard,
        state=shard.state,
        backlog=shard.backlog,
        bytes=shard.bytes,
        lag_seconds=shard.lag_seconds,
        accepted=shard.accepted,
        trimmed=shard.trimmed,
        stored=account.stored if account else uncounted,
        duplicates=account.duplicates if account else uncounted,
        dead=account.dead if account else uncounted,
        erased=account.erased if account else uncounted,
        foreign=shard.foreign,
        last_error=shard.last_error or None,
    )
