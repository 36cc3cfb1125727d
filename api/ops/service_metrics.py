"""The metrics of the service: from what the queue, control and PostgreSQL tell. Pure.

What a server did not tell is None here, and then the metric has no value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from storage.events.figures import HistoryFigures, RetentionFigures
from storage.events.ledger import Account
from storage.metrics import service_catalogue
from storage.metrics.metric import Metric
from storage.metrics.samples import UNLABELLED, Labels, Sampled
from storage.postgres.standby import StandbyView
from storage.queue.inspector import QueueServer, ShardState
from storage.queue.scheduler import Crew


@dataclass(frozen=True)
class ServiceReading:
    """What each server has told. `up`: by server, whether it answered at all."""

    up: Mapping[str, bool]
    shards: Sequence[ShardState] | None
    queue: QueueServer | None
    crew: Crew | None
    history: HistoryFigures | None
    unaccounted: int | None
    workers_wanted: int | None = None


def samples_of(reading: ServiceReading, backlog_limit: int) -> list[Sampled]:
    """Return the samples of everything that is known."""
    queue = reading.queue
    return [
        *_of_shards(reading.shards),
        *_of_history(reading.history, reading.shards or ()),
        _single(service_catalogue.BACKLOG_LIMIT, backlog_limit),
        _single(service_catalogue.UNACCOUNTED_EVENTS, reading.unaccounted),
        _single(service_catalogue.WORKERS, reading.crew.workers if reading.crew else None),
        _single(service_catalogue.WORKERS_WANTED, reading.workers_wanted),
        _single(service_catalogue.QUEUE_AOF_OK, queue.aof_ok if queue else None),
        _single(service_catalogue.QUEUE_MEMORY, queue.memory_ratio if queue else None),
        Sampled(service_catalogue.SERVER_UP, {(name,): int(up) for name, up in reading.up.items()}),
    ]


def unaccounted(
    before: Sequence[ShardState], accounts: Mapping[int, Account], after: Sequence[ShardState]
) -> int:
    """Return how many events are missing, or accounted for without being accepted.

    The accounts were read between the two readings of the queue. At any time, for each shard:
    trimmed before <= accounted <= accepted after. PostgreSQL accounts for foreign entries too.
    """
    low = {shard.shard: shard.trimmed + shard.foreign for shard in before}
    found = 0
    for shard in after:
        account = accounts.get(shard.shard)
        total = account.total if account else 0
        high = shard.accepted + shard.foreign + shard.foreign_backlog
        found += abs(shard.unaccounted) + max(low.get(shard.shard, 0) - total, 0)
        found += max(total - high, 0)
    return found


def of_standbys(views: Sequence[StandbyView]) -> list[Sampled]:
    """Return the samples of the standbys that readers may use."""

    def sampled(metric: Metric, value: Callable[[StandbyView], float | None]) -> Sampled:
        known: dict[Labels, float] = {
            (view.name,): found for view in views if (found := value(view)) is not None
        }
        return Sampled(metric, known)

    return [
        sampled(service_catalogue.STANDBY_USABLE, lambda view: int(view.state == "reading")),
        sampled(service_catalogue.STANDBY_LAG_BYTES, lambda view: view.lag_bytes),
        sampled(service_catalogue.STANDBY_LAG, lambda view: view.lag_seconds),
    ]


def _of_shards(shards: Sequence[ShardState] | None) -> list[Sampled]:
    found = shards or ()
    return [
        _by_shard(service_catalogue.ACCEPTED_EVENTS, {one.shard: one.accepted for one in found}),
        _by_shard(service_catalogue.BACKLOG_EVENTS, {one.shard: one.backlog for one in found}),
        _by_shard(service_catalogue.LAG, {one.shard: one.lag_seconds for one in found}),
        _by_shard(
            service_catalogue.SHARD_PAUSED, {one.shard: int(bool(one.last_error)) for one in found}
        ),
        _single(
            service_catalogue.BACKLOG_BYTES,
            None if shards is None else sum(one.bytes for one in found),
        ),
    ]


def _of_history(history: HistoryFigures | None, shards: Sequence[ShardState]) -> list[Sampled]:
    if history is None:
        return []
    accounts = history.ledger.accounts.values()
    stored = dict.fromkeys((one.shard for one in shards), 0)  # a shard without an account
    stored |= {one.shard: one.stored for one in accounts}
    return [
        _by_shard(service_catalogue.STORED_EVENTS, stored),
        _single(service_catalogue.DUPLICATE_EVENTS, sum(one.duplicates for one in accounts)),
        _single(service_catalogue.DEAD_EVENTS, sum(one.dead for one in accounts)),
        _single(service_catalogue.ERASED_EVENTS, sum(one.erased for one in accounts)),
        _single(service_catalogue.DEAD_LETTERS, history.ledger.dead_letters),
        _single(service_catalogue.PARTITIONS_AHEAD, history.partitions_ahead_seconds),
        _single(service_catalogue.OLDEST_EVENT, history.oldest_event),
        _single(service_catalogue.DATABASE_BYTES, history.database_bytes),
        *_of_retention(history.retention),
        _single(service_catalogue.ERASURE_AGE, history.erasure_age),
    ]


def _of_retention(found: RetentionFigures) -> list[Sampled]:
    return [
        _single(service_catalogue.REMOVED_PARTITIONS, found.partitions_removed),
        _single(service_catalogue.REMOVED_EVENTS, found.rows_removed),
        _single(service_catalogue.HORIZON, found.horizon),
        _single(service_catalogue.RETENTION_RUN, found.ran),
        _single(service_catalogue.RETENTION_DUE, found.due),
        _single(service_catalogue.RETENTION_HELD, found.held),
        _single(service_catalogue.RETENTION_BRAKED, int(found.is_braked)),
        _single(service_catalogue.DISK_BUDGET, found.disk_budget),
        _single(service_catalogue.DISK_EXCESS, found.excess_bytes),
    ]


def _single(metric: Metric, value: float | None) -> Sampled:
    return Sampled(metric, {} if value is None else {UNLABELLED: value})


def _by_shard(metric: Metric, values: Mapping[int, float] | Mapping[int, float | None]) -> Sampled:
    known: dict[Labels, float] = {
        (str(shard),): value for shard, value in values.items() if value is not None
    }
    return Sampled(metric, known)
