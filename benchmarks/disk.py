"""Measure the bytes that a stored event takes on disk, in the history that is read."""

import sqlalchemy as sa

from benchmarks.bench import Bench
from benchmarks.figures import Part
from storage.postgres.engine import short_engine

_SIZES = """
    SELECT sum(pg_table_size(inhrelid)), sum(pg_indexes_size(inhrelid)),
        pg_database_size(current_database())
    FROM pg_inherits WHERE inhparent = 'events'::regclass
"""


def measure(bench: Bench) -> Part:
    """Read sizes; `other_bytes` are those of counts by hour and n-grams of past messages."""
    history = bench.pace.read
    with (
        short_engine(bench.history(history).database_url) as engine,
        engine.connect() as connection,
    ):
        rows, indexes, whole = map(float, connection.execute(sa.text(_SIZES)).one())
    sizes = {
        "row_bytes": rows / history.rows,
        "index_bytes": indexes / history.rows,
        "other_bytes": (whole - rows - indexes) / history.rows,
    }
    return Part("disk", [], {"stored event": {"events": history.rows, **sizes}})
