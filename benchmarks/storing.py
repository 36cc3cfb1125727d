"""Measure rows a second by one drain, beside a plain COPY of the same rows into the same table.

Both write to the last partition, after its last row, as new events do; in turns, on the same copy
of the database.
"""

import asyncio
import io
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from uuid import UUID

import sqlalchemy as sa

from benchmarks.bench import Bench
from benchmarks.events import EventMaker
from benchmarks.figures import Figure, Part
from benchmarks.history import FREE_MS, History
from benchmarks.processes import cpu_seconds
from benchmarks.rounds import ratio, spread
from storage.events.copy_format import COLUMNS, copy_text
from storage.model.event import Event, encode_event, now_ms, to_ms
from storage.postgres.engine import driver_connection, plain_engine
from storage.queue.producer import QueueProducer
from storage.redis.client import connect_async
from storage.settings import StorageSettings
from testbed.servers import environment

COPIED_ROWS = 1_000_000  # up to this size each round gets a fresh copy of the database
_BESIDE = {
    "days": "store_full_vs_small",
    "one day": "store_day_vs_small",
    "by hour": "store_hours_vs_small",
}
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Turn:
    """The result of one turn: rows a second, and CPU time per row of all processes."""

    rate: float
    cpu_us: float


def measure(bench: Bench) -> Part:
    """Measure every history of the pace; the histories take turns too."""
    pace, histories = bench.pace, bench.pace.histories
    found: dict[tuple[str, str], list[Turn]] = {}
    for number in range(pace.rounds):
        for name, size in histories.items():
            for kind, turn in _round(bench, size, number, pace.stored_rows).items():
                found.setdefault((kind, name), []).append(turn)
    for size in histories.values():
        if size.rows > COPIED_ROWS:
            _forget_new_rows(bench, size)
    details = {f"{kind}, {name}": detail(turns) for (kind, name), turns in found.items()}
    return Part("storing", _figures(found), details)


def _figures(found: Mapping[tuple[str, str], Sequence[Turn]]) -> list[Figure]:
    rates = {key: [turn.rate for turn in turns] for key, turns in found.items()}
    pairs = {
        "store_vs_copy": (("drain", "few"), ("copy", "few")),
        "store_vs_copy_full": (("drain", "days"), ("copy", "days")),
        **{key: (("drain", name), ("drain", "few")) for name, key in _BESIDE.items()},
    }
    return [
        Figure(key, ratio(rates[one], rates[other]))
        for key, (one, other) in pairs.items()
        if one in rates  # a quick run has fewer rows in the table
    ]


def detail(turns: Sequence[Turn]) -> dict[str, float]:
    """Return the medians of the turns."""
    return {
        "rows_per_second": spread([turn.rate for turn in turns]).median,
        "cpu_us_per_row": spread([turn.cpu_us for turn in turns]).median,
    }


def _round(bench: Bench, size: History, number: int, rows: int) -> dict[str, Turn]:
    """Run one turn of each, in an order that changes from round to round."""
    with database_copy(bench, size) as settings, drainer(settings) as process:
        seed = f"{size.rows}/{number}/{time.time_ns()}" if size.rows > COPIED_ROWS else str(number)
        makers = {kind: rows_of(size, f"{kind}/{seed}", rows) for kind in ("drain", "copy")}
        for kind in ("drain", "copy"):  # a copied database is cold, so its first writer is slower
            _write(
                kind,
                bench,
                settings,
                process,
                list(rows_of(size, f"warm {kind}/{seed}", rows // 2)),
            )
        order = ("drain", "copy") if number % 2 == 0 else ("copy", "drain")
        turns: dict[str, Turn] = {}
        for kind in order:
            turns[kind] = _write(kind, bench, settings, process, list(makers[kind]))
        return turns


def _write(
    kind: str,
    bench: Bench,
    settings: StorageSettings,
    process: subprocess.Popen[str],
    events: Sequence[Event],
) -> Turn:
    if kind == "drain":
        return drain(bench, settings, process, events)
    return _copy(bench, settings, events)


def rows_of(size: History, seed: str, count: int) -> Iterator[Event]:
    """Make the events of the last minute, ten a millisecond."""
    maker = EventMaker(f"stored/{size.rows}/{seed}")
    start = to_ms(size.end) - FREE_MS
    for number, posted in enumerate(islice(maker, count)):
        yield posted.event(maker.raw_id(start + number // 10))


def drain(
    bench: Bench,
    settings: StorageSettings,
    process: subprocess.Popen[str],
    events: Sequence[Event],
) -> Turn:
    """Append the events to the empty queue, and time the drain that stores them."""
    bench.empty_queue()
    asyncio.run(_append(settings, events))
    pids = [process.pid, *bench.pids().values()]
    before = cpu_seconds(pids)
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("the drain failed")
    return Turn(len(events) / float(answer), (cpu_seconds(pids) - before) / len(events) * 1e6)


async def _append(settings: StorageSettings, events: Sequence[Event]) -> None:
    client = connect_async(settings.queue_url)
    producer = QueueProducer(client, 1)
    rest = iter(events)
    while chunk := list(islice(rest, _CHUNK)):
        items = [part for event in chunk for part in (UUID(event.id).bytes, encode_event(event))]
        await producer.append(0, now_ms(), items)
    await producer.close()
    await client.connection_pool.disconnect()


def _copy(bench: Bench, settings: StorageSettings, events: Sequence[Event]) -> Turn:
    text = io.BytesIO(copy_text(events))
    postgres = [bench.pids()["postgres"]]
    engine = plain_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT 1"))
    before, start = cpu_seconds(postgres), time.perf_counter()
    with (
        engine.begin() as connection,
        driver_connection(connection) as driver,
        driver.cursor() as cursor,
    ):
        cursor.copy_expert(f"COPY events ({COLUMNS}) FROM STDIN", text, size=1 << 20)
    seconds, used = time.perf_counter() - start, cpu_seconds(postgres) - before
    engine.dispose()
    return Turn(len(events) / seconds, used / len(events) * 1e6)


@contextmanager
def database_copy(bench: Bench, size: History) -> Iterator[StorageSettings]:
    """Yield a fresh copy of the database; above COPIED_ROWS yield the database itself."""
    settings = bench.history(size)
    if size.rows > COPIED_ROWS:
        yield settings
        return
    name = f"copy_of_{size.database}"
    bench.servers.execute(f"DROP DATABASE IF EXISTS {name}")
    bench.servers.execute(f"CREATE DATABASE {name} TEMPLATE {size.database} STRATEGY file_copy")
    try:
        yield bench.servers.settings(name)
    finally:
        bench.servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def drainer(settings: StorageSettings, **more: object) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that drains whenever it is told; `more`: settings of workers."""
    env = environment(settings, linger_ms=0, **more)
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.drainer"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(20)


def _forget_new_rows(bench: Bench, size: History) -> None:
    """Remove the stored rows, so that the next run can use the database."""
    settings = bench.history(size)
    engine = plain_engine(settings.database_url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        start = size.end - timedelta(milliseconds=FREE_MS)
        connection.execute(
            sa.text("DELETE FROM events WHERE created_at >= :start"), {"start": start}
        )
        connection.execute(sa.text("VACUUM (ANALYZE) events"))
    engine.dispose()
