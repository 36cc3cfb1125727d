"""What an operator asks: how much waits, who works, and is every event accounted for?"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeVar

from api.formats.schemas import Conservation, QueueStatus, ShardStatus, StatusAnswer
from storage.errors import StorageError
from storage.events.ledger import Ledger
from storage.queue.backlog_monitor import BacklogMonitor
from storage.queue.inspector import LAST_ID, Inspector, ShardState
from storage.queue.scheduler import Crew

ANSWER_SECONDS = 3.0
_WRONG_TYPE = "WRONGTYPE"  # somebody else has written one of our keys

T = TypeVar("T")


class Status:
    """Asks each server and puts the answers side by side."""

    def __init__(
        self,
        inspector: Inspector,
        ledger: Callable[[], Awaitable[Ledger]],
        crew: Callable[[], Awaitable[Crew]],
        monitor: BacklogMonitor,
    ) -> None:
        self._inspector = inspector
        self._ledger = ledger
        self._crew = crew
        self._monitor = monitor
        self._version = version("activity-service")
        self._started = time.monotonic()

    async def report(self) -> StatusAnswer:
        """The whole answer; what can't be asked is null and named under `attention`."""
        attention: list[str] = []
        before = await _asked("queue", self._inspector.shards(), attention)
        ledger, crew = await asyncio.gather(
            _asked("database", self._ledger(), attention),
            _asked("control", self._crew(), attention),
        )
        # Read again: PostgreSQL may know of events that came after the first look.
        after = await _asked("queue", self._inspector.shards(), attention) if before else None
        queue = await _asked("queue", self._inspector.server(), attention) if before else None
        attention += [*queue.problems, *queue.oddities] if queue else []
        attention += _shard_errors(before or [], ledger, crew)
        if before and (crew is None or crew.workers):
            attention += self._standing_still(before)
        conservation = _conservation(before, after, ledger) if before else None
        if conservation and conservation.balanced is False:
            attention.append("events are not accounted for: see conservation")
        return StatusAnswer(
            status="attention" if attention else "ok",
            attention=list(dict.fromkeys(attention)),
            backlog=sum(shard.backlog for shard in before) if before else None,
            backlog_bytes=sum(shard.bytes for shard in before) if before else None,
            lag_seconds=_lag(before or []),
            stored_per_second=self._stored_per_second() if before else None,
            queue=QueueStatus(durability=queue.durability, replicas=queue.replicas)
            if queue
            else None,
            workers=crew.workers if crew else None,
            refused_jobs=crew.refused_jobs if crew else None,
            dead_letters=ledger.dead_letters if ledger else None,
            conservation=conservation,
            shards=[_shard(shard, ledger) for shard in before] if before else None,
            version=self._version,
            uptime_seconds=round(time.monotonic() - self._started, 1),
        )

    def _stored_per_second(self) -> float | None:
        rate = self._monitor.stored_per_second
        return None if rate is None else round(rate, 1)

    def _standing_still(self, shards: Sequence[ShardState]) -> list[str]:
        """What no drain has reported: it may never have begun."""
        silent = {shard.shard for shard in shards if not shard.last_error}
        found = self._monitor.standing_still(shards).items()
        return [
            f"shard {shard} has stored nothing for {seconds:.0f} s, and events wait there"
            for shard, seconds in found
            if shard in silent
        ]


async def _asked(server: str, question: Awaitable[T], attention: list[str]) -> T | None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await question
    except (StorageError, TimeoutError) as error:
        attention.append(f"the {server} can't be asked: {_why(error)}")
        return None


def _why(error: Exception) -> str:
    """Its kind; and the server's own words where a key has another type than ours."""
    kind = type(error).__name__
    return f"{kind}: {error}" if _WRONG_TYPE in str(error) else kind


def _shard_errors(
    shards: Sequence[ShardState], ledger: Ledger | None, crew: Crew | None
) -> list[str]:
    found = [f"shard {one.shard} waits: {one.last_error}" for one in shards if one.last_error]
    found += [_ahead(one) for one in shards if one.id_ahead]
    if crew and not crew.workers:
        found.append("no worker runs: events are accepted and wait")
    if crew and crew.refused_jobs:
        found.append(
            f"{crew.refused_jobs} entries of RQ's list were no drains and were dropped: somebody "
            "else writes to control"
        )
    if ledger and ledger.dead_letters:
        found.append(f"{ledger.dead_letters} dead letters wait for a decision")
    return found


def _conservation(
    before: Sequence[ShardState], after: Sequence[ShardState] | None, ledger: Ledger | None
) -> Conservation:
    """`before` was read before the ledger and `after` after it, so that, whatever goes on:
    trimmed before <= accounted <= accepted after. Equal where nothing is under way. PostgreSQL
    accounts for foreign entries too."""
    accounts = ledger.accounts if ledger else {}
    accounted = sum(account.total for account in accounts.values()) if ledger else None
    trimmed = sum(shard.trimmed for shard in before)
    foreign = sum(shard.foreign for shard in before)
    first = min((shard.since_ms for shard in before if shard.since_ms), default=None)
    return Conservation(
        balanced=_balanced(before, after, ledger) if ledger and after else None,
        accepted=sum(shard.accepted for shard in before),
        trimmed=trimmed,
        backlog=sum(shard.backlog for shard in before),
        foreign=foreign,
        foreign_backlog=sum(shard.foreign_backlog for shard in before),
        queue_unaccounted=sum(abs(shard.unaccounted) for shard in before),
        accounted=accounted,
        untrimmed=None if accounted is None else accounted - trimmed - foreign,
        since=datetime.fromtimestamp(first / 1000, UTC) if first else None,
    )


def _balanced(before: Sequence[ShardState], after: Sequence[ShardState], ledger: Ledger) -> bool:
    for old, new in zip(before, after, strict=False):
        account = ledger.accounts.get(old.shard)
        total = account.total if account else 0
        least, most = old.trimmed + old.foreign, new.accepted + new.foreign + new.foreign_backlog
        quiet = old == new and not new.backlog
        if old.unaccounted or not least <= total <= most:
            return False
        if quiet and total != least:
            return False
    return True


def _lag(shards: Sequence[ShardState]) -> float | None:
    """The greatest; None where one is not known."""
    found = [shard.lag_seconds for shard in shards if shard.lag_seconds is not None]
    return max(found) if found and len(found) == len(shards) else None


def _ahead(shard: ShardState) -> str:
    """What to do about a stream whose ids somebody else has put ahead."""
    why = f"its ids are ahead of the clock (the last: {shard.id_ahead}), and its lag is not known"
    if shard.id_ahead == LAST_ID:
        why = "its stream takes no more events: somebody else has used the last possible id"
    remedy = f"XSETID events:{{{shard.shard}}} 0-0 (refused while events wait there)"
    return f"shard {shard.shard}: {why}; once its backlog is 0: {remedy}"


def _shard(shard: ShardState, ledger: Ledger | None) -> ShardStatus:
    account = ledger.accounts.get(shard.shard) if ledger else None
    return ShardStatus(
        shard=shard.shard,
        state=shard.state,
        backlog=shard.backlog,
        bytes=shard.bytes,
        lag_seconds=shard.lag_seconds,
        accepted=shard.accepted,
        trimmed=shard.trimmed,
        stored=account.stored if account else 0 if ledger else None,
        duplicates=account.duplicates if account else 0 if ledger else None,
        dead=account.dead if account else 0 if ledger else None,
        foreign=shard.foreign,
        last_error=shard.last_error or None,
    )
