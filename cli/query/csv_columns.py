"""The columns that `--columns` may name. Pure."""

from collections.abc import Sequence

from api.query.export.columns import MAX_COLUMNS, column_fault
from cli.errors import UsageError


def checked_columns(names: Sequence[str]) -> Sequence[str]:
    """Return the columns, each once. Raises `UsageError` for one that there can't be."""
    columns = tuple(dict.fromkeys(names))
    for column in columns:
        if wrong := column_fault(column):
            raise UsageError(f"--columns: {column!r} {wrong}")
    needed = len({"id", *columns})  # an export can't go on without the id
    if needed > MAX_COLUMNS:
        raise UsageError(f"--columns has {needed} names with `id`, over {MAX_COLUMNS}")
    return columns
