"""Begin erasures, and go through their steps. Each step may be repeated, and is short or waits.

The order matters. Tombstones come first, and make void what drains have begun without them. Dead
letters come before events, because a replay turns one into the other. What a producer has in flight
arrives within 30 s. A worker of an earlier version may store it, and so does one that finds a legal
hold: so everything is looked at again once the queue has nothing from before. The scan of all
events comes only then. At last the address is removed from the queue, and what the files of both
servers still hold is cleaned up.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import redis
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.cache.renewal import CacheRenewal
from storage.erasure import files, forgetting, letters, mentions, owned, records, rewriting
from storage.erasure.address_table import ADDRESS, knowing
from storage.erasure.records import BEGUN, DONE, Erasure
from storage.erasure.waiting import Waits
from storage.errors import (
    ControlUnavailable,
    DatabaseUnavailable,
    Held,
    QueueUnavailable,
    StorageError,
)
from storage.model.erasing import Address, Tombstone
from storage.model.event import to_datetime
from storage.postgres.engine import short_engine, transaction
from storage.postgres.tables import drain_ledger
from storage.postgres.wal import written_if_known
from storage.queue.producer import MAX_AGE_MS
from storage.queue.tombstones import QueueTombstones
from storage.redis.client import connect
from storage.retention import holds
from storage.server_errors import refusal
from storage.settings import StorageSettings

WRITER = "erasure"
"""The name under which erasures renew the cache."""

_GIVEN_UP = timedelta(minutes=1)  # after which a beginning of which nothing is known is forgotten
_MARGIN_MS = 1_000
_LOST = "the queue does not have the address any more: erase it again"


@dataclass(frozen=True)
class Servers:
    """Connections of an eraser. The engine lends at least two."""

    engine: sa.Engine
    queue: redis.Redis
    control: redis.Redis
    shards: int


@contextmanager
def lent_servers(settings: StorageSettings, shards: int) -> Iterator[Servers]:
    """Lend the connections of an eraser, and close them after the block."""
    with (
        short_engine(settings.database_url, pool=2) as engine,
        connect(settings.queue_url) as queue,
        connect(settings.control_url) as control,
    ):
        yield Servers(engine, queue, control, shards)


Step = Callable[[Erasure], bool]
"""Does a part of a step; returns whether more of it is left. Raises Waits."""


class Eraser:
    """Erases persons. One process at a time may go through the steps (`storage.erasure.runner`)."""

    def __init__(self, servers: Servers, in_flight_ms: int = MAX_AGE_MS) -> None:
        """`in_flight_ms`: for how long an event may be on its way to the queue."""
        self._engine = servers.engine
        self._control = servers.control
        self._stones = QueueTombstones(servers.queue, servers.shards)
        self._renewal = CacheRenewal(servers.control, WRITER)
        self._log = forgetting.LogRewrite(servers.queue)
        self._in_flight_ms = in_flight_ms
        self._steps: Mapping[str, Step] = {
            BEGUN: self._begin,
            "fence": self._fence,
            "dead letters": self._letters,
            "events": self._events,
            "messages": partial(self._redact, mentions.INDEXED),
            "queue": self._wait_for_queue,
            "late dead letters": self._letters,
            "late events": self._events,
            "data": partial(self._redact, mentions.EVERY),
            "cache": self._forget,
            "log": self._rewrite_log,
            "statistics": self._clean,
            "files": self._rewrite_files,
        }

    def advance(self, record: Erasure) -> bool:
        """Do the next part of an erasure; return whether it may go on at once.

        Raises what its step raises; a later call tries again.
        """
        try:
            more = self._steps[record.step](record)
        except (Waits, Held) as wait:
            self._wait(record, str(wait))
            return False
        except StorageError as error:
            with suppress(StorageError):
                self._wait(record, str(error))
            raise
        if not more:
            with transaction(self._engine) as connection:
                fresh = records.get(connection, record.id)
                if fresh is None:
                    return False
                following = self._following(fresh)
                records.go_to(connection, fresh, following)
                return following != DONE
        return True

    def advance_by_id(self, erasure: UUID) -> bool:
        """Do the next part of the erasure with this id, as it is recorded now."""
        with transaction(self._engine) as connection:
            record = records.get(connection, erasure)
        return record is not None and record.finished_at is None and self.advance(record)

    def _following(self, record: Erasure) -> str:
        names = [*self._steps, DONE]
        following = names[names.index(record.step) + 1]
        return DONE if following == "files" and not record.rewrite else following

    def _wait(self, record: Erasure, text: str) -> None:
        if record.waits_for != text:
            with transaction(self._engine) as connection:
                records.change(connection, record.id, waits_for=text)

    def _begin(self, record: Erasure) -> bool:
        """Finish a beginning that was killed, or forget one that never put a tombstone."""
        found = self._stones.find(record.id)
        if found:
            self.entomb(next(iter(found.values())))
            return False
        if datetime.now(UTC) - record.started_at > _GIVEN_UP:
            with transaction(self._engine) as connection:
                records.forget(connection, record)
        raise Waits("its tombstones")

    def entomb(self, stone: Tombstone) -> None:
        """Put the tombstone on every shard."""
        fences = self._fences()
        for shard in self._stones.shards():
            self._stones.put(shard, stone, fences.get(shard, 0))

    def _fences(self) -> dict[int, int]:
        columns = (drain_ledger.c.shard, drain_ledger.c.fence)
        with transaction(self._engine) as connection:
            return {row.shard: row.fence for row in connection.execute(sa.select(*columns))}

    def _fence(self, record: Erasure) -> bool:
        """Keep drains that do not know the tombstone from committing; wait for those that do so."""
        self._address(record)
        for shard in self._stones.shards():
            fence = self._stones.fence(shard)
            row = insert(drain_ledger).values(shard=shard, fence=fence)
            higher = sa.func.greatest(drain_ledger.c.fence, row.excluded.fence)
            with transaction(self._engine) as connection:
                connection.execute(
                    row.on_conflict_do_update(index_elements=["shard"], set_={"fence": higher})
                )
        return False

    def _letters(self, record: Erasure) -> bool:
        return letters.erase_some(self._engine, record, self._address(record))

    def _events(self, record: Erasure) -> bool:
        self._end_abandoned_write()
        return owned.delete_some(self._engine, self._renewal, record, self._address(record))

    def _redact(self, walk: mentions.Walk, record: Erasure) -> bool:
        self._end_abandoned_write()
        address = self._address(record)
        return mentions.redact_some(self._engine, self._renewal, record, address, walk)

    def _end_abandoned_write(self) -> None:
        """Serve from the cache again, if an eraser was killed around its commit."""
        if self._renewal.has_begun():
            self._renewal.end(written_if_known(self._engine))

    def _wait_for_queue(self, record: Erasure) -> bool:
        """Wait until nothing from before is on the queue, or on its way there."""
        stone = Tombstone(record.id, self._address(record), record.before_ms)
        missing = set(self._stones.shards()) - self._stones.find(record.id).keys()
        if missing:  # there are more shards by now
            self.entomb(stone)
            self._fence(record)
        end = record.before_ms + self._in_flight_ms
        waiting = self._stones.waiting(end)
        if waiting:
            raise Waits(f"workers: events from before wait on {waiting} shards of the queue")
        if self._stones.now_ms() <= end + min(self._in_flight_ms, _MARGIN_MS):
            raise Waits("events that may be on their way to the queue")
        return False

    def _forget(self, record: Erasure) -> bool:
        """Forget n-grams and cached pages, and at last the address itself."""
        forgetting.forget_ngrams(self._engine, record)
        self._renewal.end(written_if_known(self._engine))
        try:
            forgetting.forget_pages(self._control)
        except ControlUnavailable as error:
            if not (why := refusal(error)):
                raise
            self._leave(record, f"cached pages until they expire, which are never served: {why}")
        self._stones.remove(record.id)
        return False

    def _rewrite_log(self, record: Erasure) -> bool:
        try:
            is_done = self._log.is_done(record.id)
        except QueueUnavailable as error:
            if why := refusal(error):  # some hosts do not allow it
                return self._leave(record, f"the queue's append-only file: {why}")
            raise
        if not is_done:
            raise Waits("the queue to rewrite its append-only file")
        return False

    def _clean(self, record: Erasure) -> bool:
        for text in files.clean(self._engine, record):
            self._leave(record, text)
        return False

    def _rewrite_files(self, record: Erasure) -> bool:
        partition = rewriting.next_partition(self._engine)
        if partition is None:
            for text in rewriting.rewrite_small_tables(self._engine):
                self._leave(record, text)
            return False
        try:
            if rewriting.rewrite(self._engine, partition):
                return True
        except rewriting.RowsChanged:
            raise Waits(f"other programs to leave the rows of {partition.name} alone") from None
        raise Waits(f"a moment in which nobody uses {partition.name}")

    def _leave(self, record: Erasure, text: str) -> bool:
        remains = sa.func.array_append(records.REMAINS, text)
        with transaction(self._engine) as connection:
            records.change(connection, record.id, remains=remains)
        return False

    def _address(self, record: Erasure) -> Address:
        for stone in self._stones.find(record.id).values():
            return stone.address
        raise Waits(_LOST)

    def begin(self, address: Address, actor: str, rewrite: bool) -> Erasure:
        """Record an erasure of what was created before now, and put its tombstones on the queue.

        Another one of the same person that has lost its address ends with this one. Raises
        Held, QueueUnavailable, DatabaseUnavailable: then nothing is left of it, or it goes on.
        """
        before_ms = self._stones.now_ms() + 1
        erasure = uuid4()
        with knowing(self._engine, address) as connection:
            holds.require_none(connection, address.text, ADDRESS)
            record = records.new_record(
                connection, erasure, address, actor, rewrite, to_datetime(before_ms)
            )
            earlier = [each for each in records.unfinished(connection) if each.is_of(address)]
        self.entomb(Tombstone(erasure, address, before_ms))
        with transaction(self._engine) as connection:
            fresh = records.get(connection, erasure)
            if fresh is not None and fresh.step == BEGUN:  # else another process was faster
                records.go_to(connection, fresh, "fence")
            for each in earlier:
                self._supersede(connection, each, erasure)
        if fresh is None:
            self._stones.remove(erasure)
            raise DatabaseUnavailable("the erasure took too long to begin: ask for it again")
        return record

    def repeat(self, record: Erasure, address: Address) -> None:
        """Begin a recorded erasure again, with its own instant."""
        self.entomb(Tombstone(record.id, address, record.before_ms))
        with transaction(self._engine) as connection:
            records.go_to(connection, record, "fence")
            records.change(connection, record.id, finished_at=None)

    def _supersede(self, connection: sa.Connection, earlier: Erasure, erasure: UUID) -> None:
        if earlier.id != erasure and earlier.waits_for == _LOST:
            text = f"it has lost its address; {erasure} erases the same person"
            records.change(connection, earlier.id, remains=[text])
            records.go_to(connection, earlier, DONE)
