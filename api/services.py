"""The services of an API process, which are opened and closed in a fixed order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from starlette.requests import Request

from api.admin.service import Admin, open_admin
from api.auth.key_ring import KeyRing
from api.auth.key_watch import ANSWER_SECONDS as KEY_ANSWER_SECONDS
from api.auth.key_watch import KeyWatch
from api.auth.limits import KeyLimits
from api.auth.sessions import Sessions
from api.http.memory_budget import MemoryBudget
from api.ingest.ack import AckWaiter
from api.ingest.commit_waiter import CommitWaiter
from api.ingest.group_commit import GroupCommit
from api.ingest.idempotency import Idempotency
from api.ingest.importing import Importer
from api.ingest.request_limits import RequestLimits
from api.ingest.service import Ingest
from api.ingest.wakeups import Wakeups
from api.ops.database_reads import DatabaseReads
from api.ops.health import PROBE_SECONDS, Probes
from api.ops.metrics import Metrics
from api.ops.rates import Rates, RateSampler
from api.ops.server_calls import ServerCalls
from api.ops.start_check import check_servers
from api.ops.status import Status
from api.query.bounded_threads import BoundedThreads
from api.query.bulk_reads import BulkReads
from api.query.export.service import Exports
from api.query.feed.service import Feed
from api.query.freshness import Freshness
from api.query.lag import Lag
from api.query.pace import Pace
from api.query.service import History
from api.query.standbys import Standbys
from api.query.statistics.facet_service import FacetService
from api.query.statistics.service import StatisticsService
from api.query.watermark import watermark_or_zero
from api.settings import ApiSettings
from storage.access.key_reader import KeyReader
from storage.access.rate_limits import RateLimits
from storage.access.session_store import SessionStore
from storage.cache.day_cache import DayCache
from storage.cache.page_cache import PageCache
from storage.events.hour_counts import counted_spans
from storage.events.reader import EventStore
from storage.feed.hints import FeedHints
from storage.feed.reader import FeedReader
from storage.metrics.instruments import rate_limited_events
from storage.metrics.samples import Values, labelled
from storage.minute_samples import MinuteSamples
from storage.postgres.engine import counting_engine, feed_engine, reading_engine, witness_engine
from storage.queue.backlog_monitor import BacklogMonitor
from storage.queue.cluster_inspector import inspector_of
from storage.queue.cluster_producer import producer_of
from storage.queue.cluster_runner import replicated_runner
from storage.queue.inspector import Inspector
from storage.queue.producer import BacklogLimits, QueueProducer
from storage.queue.scheduler import DrainScheduler
from storage.queue.sweeper import Sweeper
from storage.queue.witness_record import WitnessRecorder
from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings
from storage.statistics.facets import Facets
from storage.statistics.newest_keys import KEYS_MS
from storage.statistics.reader import Statistics

EXPIRY_SHOWN_SECONDS = 30 * 86_400


@dataclass(frozen=True)
class Services:
    """The services that routes use."""

    limits: RequestLimits
    memory_budget: MemoryBudget
    keys: KeyRing
    sessions: Sessions
    ingest: Ingest
    ack_waiter: AckWaiter
    importer: Importer
    history: History
    statistics: StatisticsService
    facets: FacetService
    exports: Exports
    feed: Feed
    lag: Lag
    freshness: Freshness
    status: Status
    metrics: Metrics
    probes: Probes
    rates: Rates
    admin: Admin

    def end(self) -> None:
        """End open streams, answer the polls that wait, and end acts of many steps early."""
        self.feed.end()
        self.admin.end()


@asynccontextmanager
async def open_services(
    storage: StorageSettings, settings: ApiSettings, memory_budget: MemoryBudget, keys: KeyRing
) -> AsyncIterator[Services]:
    """Open the services, and close them after the block. An unreachable server raises no error.

    They are closed in the reverse order: first write what was accepted, then send the wake-ups,
    then close the connections.
    """
    async with AsyncExitStack() as stack:
        engine = reading_engine(storage.database_url, storage.database_pool)
        standbys = _standbys(stack, storage, settings)
        store = _event_store(stack, storage, engine, standbys)
        cache = _page_cache(stack, storage, settings)
        producer, inspector = _queue(stack, storage, settings)
        history = History(store, cache, producer, storage.database_pool)
        await check_servers(producer, inspector, history.ping)
        sweeper, wakeups = _drain_wakers(stack, storage)
        await _watch_keys(stack, storage, engine, keys)
        monitor, lag, freshness = _watch_backlog(stack, inspector)
        read = DatabaseReads(history.in_thread, engine)
        probes = _probes(stack, producer, cache, history)
        witness = _witness(stack, storage, producer, inspector)
        reads = read.figures, read.accounts, witness.evidence
        calls = ServerCalls(inspector, monitor, wakeups.crew, *reads, probes)
        metrics = _metrics(stack, calls, settings, keys, standbys)
        ingest, commit_waiter = _ingest(stack, storage, settings, producer, wakeups, monitor)
        ack_waiter = AckWaiter(commit_waiter, history.stored_states, settings.ack_seconds)
        sweeper.start()
        monitor.start()
        yield Services(
            RequestLimits.of(settings),
            memory_budget,
            keys,
            _sessions(stack, storage, settings, keys),
            ingest,
            ack_waiter,
            Importer(history.known, history.find, ingest, ack_waiter),
            history,
            *_bulk_services(stack, storage, settings, producer, standbys),
            _feed(stack, storage, lag),
            lag,
            freshness,
            Status(inspector, read.ledger, wakeups.crew, monitor, witness.evidence, standbys.views),
            metrics,
            probes,
            _rates(stack, storage, inspector, read),
            open_admin(stack, storage),
        )


def _standbys(stack: AsyncExitStack, storage: StorageSettings, settings: ApiSettings) -> Standbys:
    standbys = Standbys(storage, settings.cache_grace_ms)
    stack.callback(standbys.close)
    standbys.start()
    return standbys


def _probes(
    stack: AsyncExitStack, producer: QueueProducer, cache: PageCache, history: History
) -> Probes:
    probes = Probes({"queue": producer.check, "control": cache.ping, "database": history.ping})
    stack.push_async_callback(probes.close)
    return probes


def _drain_wakers(stack: AsyncExitStack, storage: StorageSettings) -> tuple[Sweeper, Wakeups]:
    sweeper = Sweeper(DrainScheduler(storage.queue_url, storage.control_url, storage.shards))
    stack.callback(sweeper.stop)
    wakeups = Wakeups(storage)
    stack.callback(wakeups.close)
    return sweeper, wakeups


def _bulk_services(
    stack: AsyncExitStack,
    storage: StorageSettings,
    settings: ApiSettings,
    producer: QueueProducer,
    standbys: Standbys,
) -> tuple[StatisticsService, FacetService, Exports]:
    watermark_ms = partial(watermark_or_zero, producer)
    engine = counting_engine(storage.database_url)
    router = standbys.router(engine, counting_engine)
    stack.callback(router.close)
    days = DayCache(storage.control_url, settings.cache_day_seconds, settings.cache_grace_ms)
    stack.callback(days.close)
    budget, reads = settings.statistics_budget_ms / 1000, BulkReads()
    rest_after = Pace().rest_after
    counts = Statistics(router, counted_spans, days, budget, rest_after)
    facets = Facets(router, counted_spans, days, budget, rest_after)
    pages = EventStore(engine, KEYS_MS, router)
    return (
        StatisticsService(counts, watermark_ms, reads),
        FacetService(facets, pages.routed_page, watermark_ms, reads),
        Exports(router, reads.threads),
    )


def _feed(stack: AsyncExitStack, storage: StorageSettings, lag: Lag) -> Feed:
    engine = feed_engine(storage.database_url)
    stack.callback(engine.dispose)
    hints = FeedHints(storage.control_url)
    stack.push_async_callback(hints.close)
    feed = Feed(FeedReader(engine), hints, lag)
    stack.push_async_callback(feed.close)
    return feed


def _event_store(
    stack: AsyncExitStack, storage: StorageSettings, engine: Any, standbys: Standbys
) -> EventStore:
    pool = storage.database_pool
    store = EventStore(engine, router=standbys.router(engine, partial(reading_engine, pool=pool)))
    stack.callback(store.close)
    return store


def _page_cache(
    stack: AsyncExitStack, storage: StorageSettings, settings: ApiSettings
) -> PageCache:
    control = connect_async(storage.control_url)
    cache = PageCache(control, settings.cache_seconds * 1000, settings.cache_grace_ms)
    stack.push_async_callback(cache.close)
    return cache


def _queue(
    stack: AsyncExitStack, storage: StorageSettings, settings: ApiSettings
) -> tuple[QueueProducer, Inspector]:
    queue = connect_async(storage.queue_url)
    limits = BacklogLimits(
        settings.backlog_events, settings.backlog_bytes, settings.idempotency_keys
    )
    producer = producer_of(queue, storage.shards, limits, replicated_runner(storage))
    stack.push_async_callback(producer.close)
    return producer, inspector_of(queue, storage)


async def _watch_keys(
    stack: AsyncExitStack, storage: StorageSettings, engine: Any, keys: KeyRing
) -> None:
    client = connect(storage.queue_url, KEY_ANSWER_SECONDS)
    stack.callback(client.close)
    reader = KeyReader(client, engine)
    stack.callback(reader.close)
    watch = KeyWatch(keys, reader)
    stack.push_async_callback(watch.stop)
    await watch.start(PROBE_SECONDS)


def _sessions(
    stack: AsyncExitStack, storage: StorageSettings, settings: ApiSettings, keys: KeyRing
) -> Sessions:
    store = SessionStore(connect_async(storage.control_url))
    stack.push_async_callback(store.close)
    sessions = Sessions(keys, store, settings.session_seconds)
    stack.push_async_callback(sessions.stop)
    sessions.start()
    return sessions


def _watch_backlog(
    stack: AsyncExitStack, inspector: Inspector
) -> tuple[BacklogMonitor, Lag, Freshness]:
    lag = Lag()
    monitor = BacklogMonitor(inspector, lag.observe)
    stack.push_async_callback(monitor.stop)
    freshness = Freshness(inspector.shards, lag)
    stack.push_async_callback(freshness.close)
    return monitor, lag, freshness


def _witness(
    stack: AsyncExitStack, storage: StorageSettings, producer: QueueProducer, inspector: Inspector
) -> WitnessRecorder:
    engine = witness_engine(storage.database_url)
    stack.callback(engine.dispose)
    recorder = WitnessRecorder(producer.witness, inspector, engine, BoundedThreads(1).run)
    stack.push_async_callback(recorder.stop)
    recorder.start()
    return recorder


def _metrics(
    stack: AsyncExitStack,
    calls: ServerCalls,
    settings: ApiSettings,
    keys: KeyRing,
    standbys: Standbys,
) -> Metrics:
    expiry = partial(_key_expiry, keys)
    metrics = Metrics(calls, settings.backlog_events, expiry, standbys.views)
    stack.push_async_callback(metrics.close)
    return metrics


def _rates(
    stack: AsyncExitStack, storage: StorageSettings, inspector: Inspector, read: DatabaseReads
) -> Rates:
    samples = MinuteSamples(connect_async(storage.control_url, 2))
    stack.push_async_callback(samples.close)
    sampler = RateSampler(samples, inspector.shards, read.accounts)
    stack.push_async_callback(sampler.stop)
    sampler.start()
    return Rates(samples)


def _key_expiry(keys: KeyRing) -> Values:
    return labelled(keys.seconds_left(EXPIRY_SHOWN_SECONDS))


def _ingest(
    stack: AsyncExitStack,
    storage: StorageSettings,
    settings: ApiSettings,
    producer: QueueProducer,
    wakeups: Wakeups,
    monitor: BacklogMonitor,
) -> tuple[Ingest, CommitWaiter]:
    rates = RateLimits(connect_async(storage.control_url, retries=0))
    key_limits = KeyLimits(rates, settings.limit_wait_ms / 1000, rate_limited_events.add)
    stack.push_async_callback(key_limits.close)
    commit_waiter = CommitWaiter(producer)
    stack.push_async_callback(commit_waiter.close)
    wake = wakeups.enqueue
    appends = (producer.append, partial(producer.append, imported=True))
    group_commit, imports = (
        GroupCommit(append, storage.shards, settings.pending_events, wake) for append in appends
    )
    stack.push_async_callback(imports.close)
    stack.push_async_callback(group_commit.close)
    idempotency = Idempotency(producer, storage.shards, wake)
    limits = producer.shard_limits
    ingest = Ingest(group_commit, idempotency, monitor, limits, key_limits, imports)
    return ingest, commit_waiter


def services_of(request: Request) -> Services:
    """Return the services of the application that received this request."""
    return cast(Services, request.app.state.services)
