"""How the input is read: its form, where its fields go, and how its times are written. Pure."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from cli.send.csv_columns import Columns, nested
from cli.send.csv_header import EventFields
from cli.send.faulty_line import faulty_line
from cli.send.fields import Fields, find, put, read_fields
from cli.send.mapping import Mapping
from cli.send.times import TimeForm, instant
from cli.send.value_types import NotOfType, typed

Format = Literal["ndjson", "csv"]

_CREATED_AT, _OCCURRED_AT, _IMPORT_ID = "created_at", "occurred_at", "import_id"
_encode = msgspec.json.Encoder().encode
_read_scalar = msgspec.json.Decoder(str | int | float).decode


@dataclass(frozen=True)
class Reading:
    """The form of the input (None: by the file's name), its mappings, the form of `created_at`.

    `from_export`: the CSV was written by the service (None: if it has the header).
    `delimiter`: of CSV (None: a comma). `fields`: those of events, which its header is compared
    with.
    """

    form: Format | None = None
    mappings: tuple[Mapping, ...] = ()
    created_at: TimeForm = "rfc3339"
    unpacks: bool = False
    from_export: bool | None = None
    delimiter: str | None = None
    fields: EventFields | None = None

    def form_of(self, name: str) -> Format:
        """Return the form of the file with this name."""
        if self.form:
            return self.form
        plain = name.lower().removesuffix(".gz").removesuffix(".zst")
        return "csv" if plain.endswith(".csv") else "ndjson"

    def unit_of(self, name: str) -> str:
        """Return what the positions in the file with this name are numbers of."""
        return "record" if self.form_of(name) == "csv" else "line"

    @property
    def changes_lines(self) -> bool:
        """Return whether lines of NDJSON are not sent as they are."""
        return bool(self.mappings) or self.created_at != "rfc3339"

    def text(self, name: str) -> str:
        """Return what must stay the same while a run of this file goes on."""
        maps = [mapping.text() for mapping in self.mappings]
        form = self.form_of(name)
        if form == "ndjson" and not self.changes_lines:
            return ""
        more = self._csv_options()
        return _encode([form, self.created_at, maps, *([more] if more else [])]).decode()

    def _csv_options(self) -> list[str]:
        export = {None: [], True: ["--from-export"], False: ["--no-from-export"]}[self.from_export]
        return [*export, *(["--delimiter", self.delimiter] if self.delimiter else [])]


def options_of(text: str) -> str:
    """Return the options that read a file so, from the text that a checkpoint has."""
    form, created_at, maps, *more = msgspec.json.decode(text) if text else ("ndjson", "rfc3339", [])
    words = ["--format", form, *(word for one in maps for word in ("--map", one))]
    if created_at != "rfc3339":
        words += ["--created-at", created_at]
    return shlex.join([*words, *(more[0] if more else ())])


class Converter:
    """Makes the line of an event of the fields of a record."""

    def __init__(self, reading: Reading) -> None:
        self._mappings = reading.mappings
        self._sources = {mapping.source for mapping in reading.mappings}
        self._form = reading.created_at

    def line(self, line: bytes) -> bytes:
        """Convert a line of NDJSON; one that is no object stays as it is, to be refused."""
        try:
            fields = read_fields(line)
        except (msgspec.DecodeError, RecursionError):
            return line
        return self._line(fields, self._unmapped(fields))

    def record(self, columns: Columns, values: Sequence[str]) -> bytes:
        """Return the line of a record of CSV."""
        fields = columns.fields(values)
        event = dict(nested(self._unmapped(fields)))
        line = self._line(fields, event)
        if (cells := len(values)) > (wanted := len(columns.names)):
            return faulty_line(
                f"the row has more cells than the header: {cells}, not {wanted}", line
            )
        return line

    def _unmapped(self, fields: Fields) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if name not in self._sources}

    def _line(self, fields: Fields, event: dict[str, Any]) -> bytes:
        """Complete the event. What can't be converted stays, to be refused."""
        faults = []
        for source, target, kind in self._mappings:
            value = find(fields, source)
            if value is None or not target:
                continue
            try:
                put(event, target, typed(value, kind) if kind else value)
            except NotOfType as fault:
                put(event, target, value)
                faults.append(f"{source}: {fault}")
        if (created := event.get(_CREATED_AT)) is not None:
            event[_CREATED_AT] = instant(created, self._form)
        if (occurred := event.get(_OCCURRED_AT)) is not None:
            event[_OCCURRED_AT] = instant(occurred, "rfc3339")
        if (import_id := event.get(_IMPORT_ID)) is not None:
            event[_IMPORT_ID] = _as_text(import_id)
        line = _encode(event)
        return faulty_line("; ".join(faults), line) if faults else line


def _as_text(value: Any) -> Any:
    """Return a number as a text, because an import_id is one."""
    try:
        found = _read_scalar(cast(msgspec.Raw, value))
    except msgspec.DecodeError:
        return value
    return value if isinstance(found, str) else bytes(value).decode()
