"""From the query string of `GET /events/export` to a question, or to every fault in it at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import RFC_4122, UUID

from api.http.error_detail import ErrorDetail
from api.query import dates
from api.query.clock import Clock
from api.query.export.columns import MAX_COLUMNS, column_fault
from api.query.export.csv_rows import COLUMNS
from api.query.fresh import FRESH, take_fresh
from api.query.id_params import is_uuid
from api.query.pairs import InvalidQuery, decoded_pairs, fault, quoted
from api.query.params import filters_of
from api.query.statistics.params import FILTERS, one_of
from storage.model.filters import Filters
from storage.model.name_limits import NameLimits

Format = Literal["ndjson", "csv"]

OWN = {
    "format": "`ndjson`: an event as JSON in each line. `csv`: a row for each event. The default "
    "is `ndjson`, or `csv` for a client that prefers `text/csv`.",
    "columns": "Of CSV: names of fields and paths `data.<path>`, separated by commas. The default "
    f"is `{','.join(COLUMNS)}`. At most {MAX_COLUMNS}.",
    "cursor": "Goes on behind the event with this ID: that of the last whole line of a download "
    "that broke off.",
    "now": "The instant that relative dates are before, cut off to the minute: the `Activity-Now` "
    "of the download that broke off.",
}
"""The other parameters, with their descriptions in Markdown."""

KNOWN = [*(each.name for each in FILTERS), *OWN, FRESH.name]


@dataclass(frozen=True, slots=True)
class ExportQuestion:
    """What is exported, and how.

    `filters.cursor`: the last event that the client has. `columns`: of CSV. `now`: what relative
    dates are before. `fresh`: begin once all that was accepted before is stored.
    """

    filters: Filters
    format: Format
    columns: tuple[str, ...]
    now: Clock
    fresh: bool


def parse_export(
    query_string: bytes, limits: NameLimits | None = None, default: Format = "ndjson"
) -> ExportQuestion:
    """Return the question of a raw query string. Raises `InvalidQuery`, and nothing else.

    `limits`: those of the client, which narrow what is exported. `default`: the format if none is
    named.
    """
    faults: list[ErrorDetail] = []
    fresh, pairs = take_fresh(decoded_pairs(query_string, faults), faults)
    own = {name: [value.strip() for known, value in pairs if known == name] for name in OWN}
    form = one_of(own, "format", _format, faults) or default
    cursor = one_of(own, "cursor", _event_id, faults)
    now = one_of(own, "now", _clock, faults)
    columns = _columns(own["columns"], form, faults)
    clock = now or Clock()
    of_filters = [pair for pair in pairs if pair[0] not in OWN]
    filters = filters_of(of_filters, faults, clock, KNOWN)
    if cursor and clock.is_read and now is None:
        raise InvalidQuery([fault("cursor", _NO_NOW)])
    filters = replace(limits.narrow(filters) if limits else filters, cursor=cursor)
    return ExportQuestion(filters, form, columns, clock, fresh)


_NO_NOW = (
    "with a relative date needs `now`, the `Activity-Now` of the download that broke off: "
    "otherwise the date would mean another instant than it did"
)


def _format(text: str) -> Format:
    match text.lower():
        case "ndjson":
            return "ndjson"
        case "csv":
            return "csv"
    raise ValueError("must be ndjson or csv")


def _event_id(text: str) -> UUID:
    event_id = UUID(text) if is_uuid(text) else None
    if event_id is None or event_id.variant != RFC_4122 or event_id.version != 7:
        raise ValueError("is not the ID of an event: send that of the last whole line")
    return event_id


def _clock(text: str) -> Clock:
    return Clock(int(dates.start_of(text).timestamp() // 60))


def _columns(given: Sequence[str], form: Format, faults: list[ErrorDetail]) -> tuple[str, ...]:
    """Return the columns, each once, in order; add faults."""
    names = [name.strip() for text in given for name in text.split(",")]
    columns = tuple(dict.fromkeys(name for name in names if name))
    if columns and form != "csv":
        faults.append(fault("columns", "belongs to format=csv: lines of JSON have every field"))
    if len(columns) > MAX_COLUMNS:
        faults.append(fault("columns", f"has {len(columns)} names, over {MAX_COLUMNS}"))
        return COLUMNS
    for column in columns:
        if wrong := column_fault(column):
            faults.append(fault("columns", f"has {quoted(column)!r}, which {wrong}"))
    return columns or COLUMNS
