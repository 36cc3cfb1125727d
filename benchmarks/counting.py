"""Measure rows a second by one drain with and without the triggers that count events by hour.

Both store into the same table, after its last row, in turns.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Part
from benchmarks.rounds import ratio
from benchmarks.storing import Turn, database_copy, detail, drain, drainer, rows_of
from storage.postgres.engine import plain_engine
from storage.settings import StorageSettings

_BATCHES = {5_000: "count_5000", 1_000: "count_1000"}
_KINDS = ("counted", "uncounted")
_TURNS = 3  # of each kind in a round


def measure(bench: Bench) -> Part:
    """Measure both sizes of batches, on the smallest history."""
    found = {size: _turns(bench, size) for size in _BATCHES}
    figures = [
        Figure(_BATCHES[size], ratio(_rates(turns["counted"]), _rates(turns["uncounted"])))
        for size, turns in found.items()
    ]
    details = {
        f"{kind}, batches of {size:,}": detail(turns[kind])
        for size, turns in found.items()
        for kind in _KINDS
    }
    return Part("counting", figures, details)


def _turns(bench: Bench, size: int) -> dict[str, list[Turn]]:
    """Run the turns of all rounds with batches of `size`, in an order that changes."""
    history = bench.pace.histories["few"]
    turns: dict[str, list[Turn]] = {kind: [] for kind in _KINDS}
    with (
        database_copy(bench, history) as settings,
        drainer(settings, batch_events=size) as process,
    ):
        for number in range(-1, bench.pace.rounds * _TURNS):  # a copied database is cold at first
            for kind in _KINDS if number % 2 == 0 else _KINDS[::-1]:
                rows = list(rows_of(history, f"{kind}/{number}", bench.pace.stored_rows // 2))
                _switch(settings, kind)
                turn = drain(bench, settings, process, rows)
                if number >= 0:
                    turns[kind].append(turn)
    return turns


def _switch(settings: StorageSettings, kind: str) -> None:
    engine = plain_engine(settings.database_url)
    act = "ENABLE" if kind == "counted" else "DISABLE"
    with engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE events {act} TRIGGER USER"))
    engine.dispose()


def _rates(turns: Sequence[Turn]) -> list[float]:
    return [turn.rate for turn in turns]
