"""Measure rows a second by one drain with and without something in PostgreSQL, in turns.

Both store into the same table, after its last row.
"""

from collections.abc import Mapping

import sqlalchemy as sa

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Part
from benchmarks.rounds import ratio
from benchmarks.storing import Turn, database_copy, detail, drain, drainer, rows_of
from storage.postgres.engine import plain_engine
from storage.settings import StorageSettings

_TURNS = 4  # of each kind in a round: many short ones, as what else runs changes all the time
_SHARE = 3  # of the rows of a turn where storing is measured

Statements = Mapping[str, str]
"""What switches to a kind, by its name: first the kind with it, then the one without."""


def compare(bench: Bench, name: str, statements: Statements, sizes: Mapping[int, str]) -> Part:
    """Measure batches of these sizes, on the smallest history; `sizes` names the figures."""
    found = {size: _turns(bench, size, statements) for size in sizes}
    figures = [
        Figure(sizes[size], ratio(*([turn.rate for turn in turns[kind]] for kind in statements)))
        for size, turns in found.items()
    ]
    details: dict[str, dict[str, float]] = {}
    for size, turns in found.items():
        details |= {f"{kind}, batches of {size:,}": detail(turns[kind]) for kind in statements}
        details[f"batches of {size:,}, CPU per event without / with"] = _cpu_ratio(turns)
    return Part(name, figures, details)


def _cpu_ratio(turns: Mapping[str, list[Turn]]) -> dict[str, float]:
    """Return the ratios of the CPU of worker and servers, turn by turn: they are less noisy."""
    with_, without = ([turn.cpu_us for turn in found] for found in turns.values())
    found = ratio(without, with_)
    return {"median": found.median, "least": found.low, "greatest": found.high}


def _turns(bench: Bench, size: int, statements: Statements) -> dict[str, list[Turn]]:
    """Run the turns of all rounds with batches of `size`, in an order that changes."""
    history = bench.pace.histories["few"]
    kinds = list(statements)
    turns: dict[str, list[Turn]] = {kind: [] for kind in kinds}
    with (
        database_copy(bench, history) as settings,
        drainer(settings, batch_events=size) as process,
    ):
        for number in range(-1, bench.pace.rounds * _TURNS):  # a copied database is cold at first
            for kind in kinds if number % 2 == 0 else kinds[::-1]:
                rows = list(rows_of(history, f"{kind}/{number}", bench.pace.stored_rows // _SHARE))
                _execute(settings, statements[kind])
                turn = drain(bench, settings, process, rows)
                if number >= 0:
                    turns[kind].append(turn)
    return turns


def _execute(settings: StorageSettings, statement: str) -> None:
    engine = plain_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
