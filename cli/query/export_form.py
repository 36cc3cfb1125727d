"""The two forms of an export: where its rows end, and which event each has. Pure."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from cli.query.events import NEWLINE, event_id
from cli.query.reader import Parameters

ROW_END = b"\r\n"
_ID = "id"


class ExportForm(Protocol):
    """How an export is asked for, and how what comes is read. A row has no line end here."""

    @property
    def parameters(self) -> Parameters:
        """Return the parameters that ask for it."""
        ...

    @property
    def has_header(self) -> bool:
        """Return whether a row before the first event names the columns."""
        ...

    def split(self, content: bytes) -> tuple[list[bytes], bytes]:
        """Return the whole rows, and what is behind the last of them."""
        ...

    def id_of(self, row: bytes) -> str:
        """Return the id of the event."""
        ...

    def shown(self, rows: list[bytes]) -> list[bytes]:
        """Return the rows as they were asked for by the user."""
        ...


class JsonForm:
    """Lines of JSON."""

    parameters: Parameters = (("format", "ndjson"),)
    has_header = False

    def split(self, content: bytes) -> tuple[list[bytes], bytes]:
        """Split at each line feed."""
        *rows, rest = content.split(NEWLINE)
        return rows, rest

    def id_of(self, row: bytes) -> str:
        """Read the id in the JSON."""
        return event_id(msgspec.Raw(row))

    def shown(self, rows: list[bytes]) -> list[bytes]:
        """Change nothing."""
        return rows


class CsvForm:
    """Rows of CSV. To go on after a break, a row needs the id, which is taken off if not wanted."""

    has_header = True

    def __init__(self, columns: Sequence[str] | None) -> None:
        """Set the columns; None: those that the service chooses, of which the id is the first."""
        self._adds_id = columns is not None and _ID not in columns
        asked = [_ID] if columns is None else [_ID, *columns] if self._adds_id else list(columns)
        self._place = asked.index(_ID)
        named = [("columns", ",".join(asked))] if columns is not None else []
        self.parameters: Parameters = [("format", "csv"), *named]

    def split(self, content: bytes) -> tuple[list[bytes], bytes]:
        """Split at each CR LF that is outside of quotes."""
        *ended, rest = content.split(ROW_END)
        rows: list[bytes] = []
        begun: list[bytes] = []
        is_quoted = False
        for part in ended:
            begun.append(part)
            is_quoted ^= part.count(b'"') % 2 == 1
            if not is_quoted:
                rows.append(ROW_END.join(begun))
                begun = []
        return rows, ROW_END.join([*begun, rest])

    def id_of(self, row: bytes) -> str:
        """Take the cell of the id, which is never in quotes."""
        unquoted = b"".join(row.split(b'"')[::2])  # commas that remain stand between cells
        return unquoted.split(b",")[self._place].decode()

    def shown(self, rows: list[bytes]) -> list[bytes]:
        """Take the id off the beginning, if the user has not named it."""
        return [row.partition(b",")[2] for row in rows] if self._adds_id else rows
