"""Bring servers that were restored from copies into agreement, before the service uses them.

A copy of the queue and one of PostgreSQL are of two moments. The order of the steps lets each be
repeated after a kill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.errors import RestoreError

if TYPE_CHECKING:
    import redis
    import sqlalchemy as sa

    from storage.settings import StorageSettings


@dataclass(frozen=True)
class Agreement:
    """What was done: `stored` entries of the queue, and why others still `waiting`, by shard.

    `erased`: recorded erasures that found something to erase again. `forgotten`: records of
    idempotency keys. `accounted`: for each shard, what the ledger accounts for and what waits,
    together.
    """

    stored: int
    waiting: Mapping[int, str]
    erased: int
    forgotten: int
    accounted: Mapping[int, int]

    def summary(self) -> dict[str, Any]:
        """Return what a command says of it as JSON."""
        return {
            "stored": self.stored,
            "waiting": {str(shard): reason for shard, reason in self.waiting.items()},
            "erasures_again": self.erased,
            "forgotten_idempotency_keys": self.forgotten,
        }


Erasures = Sequence[Mapping[str, Any]]
"""Records of erasures, as `storage.erasure.recorded.exported` returns them."""


def agree(settings: "StorageSettings", erasures: Erasures = ()) -> Agreement:
    """Migrate, drain, begin another feed, erase again, and set the queue's counters.

    `erasures`: those of later than the backup; it has the earlier ones itself. Nothing else may
    run. Raises `StorageError`.
    """
    # Imported here: `--help` should not wait for them.
    from storage.erasure import recorded
    from storage.erasure.eraser import lent_servers
    from storage.feed import identity
    from storage.postgres.engine import short_engine, transaction
    from storage.postgres.migrate import upgrade
    from storage.queue import counters
    from storage.redis.client import connect
    from worker.emptying import empty_shards

    upgrade(settings.database_url)
    with short_engine(settings.database_url) as engine, connect(settings.queue_url) as queue:
        with transaction(engine) as connection:
            identity.renew(connection)
        recorded.imported(engine, erasures)
        shards = _continue_ids(engine, queue, settings.shards)
        before = sum(counters.backlog(queue, shard) for shard in range(shards))
        waiting = empty_shards(settings, shards)
        with lent_servers(settings, shards) as servers:
            erased = recorded.apply_recorded_erasures(servers)
        forgotten = counters.forget_idempotency_keys(queue)
        accounted = _set_counters(engine, queue, shards)
        left = sum(counters.backlog(queue, shard) for shard in range(shards))
    return Agreement(before - left, waiting, erased, forgotten, accounted)


def require_alone(settings: "StorageSettings") -> None:
    """Raise `RestoreError` if the service uses these servers, or control has data of before."""
    from storage.postgres.engine import short_engine
    from storage.postgres.presence import sessions_of_service
    from storage.redis.client import connect
    from storage.server_errors import control_errors

    with short_engine(settings.database_url) as engine:
        sessions = sessions_of_service(engine)
    if sessions:
        raise RestoreError(
            f"the service still uses PostgreSQL ({', '.join(sessions)}): stop every API process "
            "and worker first. Nothing was changed"
        )
    with control_errors(), connect(settings.control_url) as control:
        if control.dbsize():
            raise RestoreError(
                "control has data of before the restore, which would be served as if they were "
                "true: empty it first (FLUSHALL). Nothing was changed"
            )


def _continue_ids(engine: "sa.Engine", queue: "redis.Redis", configured: int) -> int:
    """Let the streams go on where the ledger ends, and return the number of shards."""
    from storage.events.ledger import read_positions
    from storage.queue import counters

    positions = read_positions(engine)
    shards = max([counters.shards_of(queue, configured), *(shard + 1 for shard in positions)])
    counters.announce_shards(queue, shards)
    for shard, position in positions.items():
        counters.continue_ids(queue, shard, position)
    return shards


def _set_counters(engine: "sa.Engine", queue: "redis.Redis", shards: int) -> dict[int, int]:
    from storage.events.ledger import read_accounts, read_positions
    from storage.queue import counters
    from storage.queue.witness_record import forget_evidence

    accounts, positions = read_accounts(engine), read_positions(engine)
    for shard in range(shards):
        total = accounts[shard].total if shard in accounts else 0
        position = positions.get(shard, counters.FIRST_ID)
        counters.agree_with_ledger(queue, shard, total, position)
    forget_evidence(engine)
    return {
        shard: count for shard, count in counters.accepted_counts(queue, shards).items() if count
    }
