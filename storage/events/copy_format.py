"""Rows in PostgreSQL's COPY text format, and the same values as parameters. Pure.

Source: https://www.postgresql.org/docs/current/sql-copy.html, "Text Format".
"""

import re
from collections.abc import Iterable, Sequence

from storage.model.event import Event

COLUMNS = "created_at, id, component, environment, message, email, data, occurred_at"

_NULL = "\\N"
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def copy_text(events: Sequence[Event]) -> bytes:
    """Serialize events to rows with the fields of COLUMNS, in UTF-8."""
    return "".join(map(_row, events)).encode()


def column_values(event: Event) -> tuple[str | None, ...]:
    """Return the fields of COLUMNS as texts for the parameters of a statement.

    PostgreSQL reads them as it reads those of COPY.
    """
    data = str(event.data, "utf-8")
    return (
        event.created_at,
        event.id,
        event.component,
        event.environment,
        event.message,
        event.email,
        None if data == "null" else data,
        event.occurred_at or None,
    )


def _row(event: Event) -> str:
    email, data = event.email, str(event.data, "utf-8")
    values: Iterable[str] = (event.component, event.environment, event.message, email or "", data)
    # Hardly any value needs escapes: check all of them at once, and escape one by one only then.
    joined = "\t".join(values)
    if "\\" in joined or "\n" in joined or "\r" in joined or joined.count("\t") > 4:
        values = map(_escaped, values)
    component, environment, message, email_text, data_text = values
    return (
        f"{event.created_at}\t{event.id}\t{component}\t{environment}\t{message}\t"
        f"{_NULL if email is None else email_text}\t{_NULL if data == 'null' else data_text}\t"
        f"{event.occurred_at or _NULL}\n"
    )


def _escaped(value: str) -> str:
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], value)
