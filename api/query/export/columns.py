"""The names of the columns that an export as CSV can have. Pure."""

from api.query.export.csv_rows import COLUMNS, DATA_PATH
from storage.model.json_rules import MAX_JSON_DEPTH
from storage.model.suggestion import did_you_mean

MAX_COLUMNS = 100
MAX_COLUMN = 1000  # characters


def column_fault(column: str) -> str | None:
    """Return what is wrong with the name of a column, None if nothing is."""
    if len(column) > MAX_COLUMN:
        return f"is longer than {MAX_COLUMN:,} characters"
    if not column.startswith(DATA_PATH):
        is_known = column in COLUMNS
        return None if is_known else f"is no column{did_you_mean(column[:60], COLUMNS)}"
    path = column.removeprefix(DATA_PATH).split(".")
    if "" in path:
        return "has an empty key in its path"
    if len(path) > MAX_JSON_DEPTH:
        return f"is nested deeper than {MAX_JSON_DEPTH} levels"
    return None
