"""How the input is read: its form, where its fields go, and how its times are written. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, cast

import msgspec

from cli.errors import UsageError
from cli.send.csv_columns import Columns, nested
from cli.send.fields import Fields, find, put, read_fields

Format = Literal["ndjson", "csv"]
TimeForm = Literal["rfc3339", "unix", "unix-ms"]

_DATA, _CREATED_AT, _IMPORT_ID = "data", "created_at", "import_id"
_MS_OF_UNIT: Mapping[str, int] = {"unix": 1000, "unix-ms": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode
_read_scalar = msgspec.json.Decoder(str | int | float, float_hook=Decimal).decode
_TOO_LONG = 40  # characters of a number that is no time


@dataclass(frozen=True)
class Reading:
    """The form of the input (None: by the file's name), its mappings, the form of `created_at`.

    A mapping is a source and a target, both perhaps nested (`user.email`); an empty target leaves
    the source out. `from_export`: the CSV was written by the service (None: if it has the header).
    """

    form: Format | None = None
    mappings: tuple[tuple[str, str], ...] = ()
    created_at: TimeForm = "rfc3339"
    unpacks: bool = False
    from_export: bool | None = None

    def form_of(self, name: str) -> Format:
        """Return the form of the file with this name."""
        if self.form:
            return self.form
        plain = name.lower().removesuffix(".gz").removesuffix(".zst")
        return "csv" if plain.endswith(".csv") else "ndjson"

    @property
    def changes_lines(self) -> bool:
        """Return whether lines of NDJSON are not sent as they are."""
        return bool(self.mappings) or self.created_at != "rfc3339"

    def text(self, name: str) -> str:
        """Return what must stay the same while a run of this file goes on."""
        maps = [f"{source}={target}" for source, target in self.mappings]
        form = self.form_of(name)
        if form == "ndjson" and not self.changes_lines:
            return ""
        more = self._csv_options()
        return _encode([form, self.created_at, maps, *([more] if more else [])]).decode()

    def _csv_options(self) -> list[str]:
        if self.from_export is None:
            return []
        return ["--from-export" if self.from_export else "--no-from-export"]


def options_of(text: str) -> str:
    """Return the options that read a file so, from the text that a checkpoint has."""
    form, created_at, maps, *more = msgspec.json.decode(text) if text else ("ndjson", "rfc3339", [])
    words = ["--format", form, *(word for one in maps for word in ("--map", one))]
    if created_at != "rfc3339":
        words += ["--created-at", created_at]
    return shlex.join([*words, *(more[0] if more else ())])


def parse_mappings(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the mappings of `SOURCE=TARGET`. Raises UsageError."""
    found = []
    for text in texts:
        source, equals, target = text.partition("=")
        if not source or not equals or "" in target.split(".")[1:] or target.startswith("."):
            raise UsageError(
                f"--map {text}: give it as SOURCE=TARGET, such as timestamp=created_at"
            )
        head, _, rest = target.partition(".")
        if rest and head != _DATA:
            raise UsageError(f"--map {text}: only data can have fields, as in {source}=data.{rest}")
        found.append((source, target))
    targets = [target for _, target in found if target]
    if repeated := [target for target in targets if targets.count(target) > 1]:
        raise UsageError(f"--map gives {repeated[0]} more than once")
    return tuple(found)


class Converter:
    """Makes the line of an event of the fields of a record."""

    def __init__(self, reading: Reading) -> None:
        self._mappings = reading.mappings
        self._sources = {source for source, _ in reading.mappings}
        self._unit = _MS_OF_UNIT.get(reading.created_at)

    def line(self, line: bytes) -> bytes:
        """Convert a line of NDJSON; one that is no object stays as it is, to be refused."""
        try:
            fields = read_fields(line)
        except msgspec.DecodeError:
            return line
        return self._line(fields, self._unmapped(fields))

    def record(self, columns: Columns, values: Sequence[str]) -> bytes:
        """Return the line of a record of CSV."""
        fields = columns.fields(values)
        event = dict(nested(self._unmapped(fields)))
        if len(values) > len(columns.names):
            event["(behind the last column)"] = msgspec.Raw(
                _encode(list(values[len(columns.names) :]))
            )
        return self._line(fields, event)

    def _unmapped(self, fields: Fields) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if name not in self._sources}

    def _line(self, fields: Fields, event: dict[str, Any]) -> bytes:
        """Complete the event. What can't be converted stays, to be refused."""
        for source, target in self._mappings:
            value = find(fields, source)
            if value is not None and target:
                put(event, target, value)
        if self._unit and (created := event.get(_CREATED_AT)) is not None:
            event[_CREATED_AT] = _instant(created, self._unit)
        if (import_id := event.get(_IMPORT_ID)) is not None:
            event[_IMPORT_ID] = _as_text(import_id)
        return _encode(event)


def _instant(value: msgspec.Raw, unit: int) -> Any:
    """Return the time of a number, or of a text that is one, in RFC 3339, rounded down to ms."""
    try:
        number = Decimal(str(_read_scalar(value))[:_TOO_LONG].strip())
        ms = int((number * unit).to_integral_value("ROUND_FLOOR"))
        at = _EPOCH + timedelta(milliseconds=ms)
    except (msgspec.DecodeError, InvalidOperation, OverflowError, ValueError):
        return value
    return f"{at.isoformat(timespec='milliseconds')[:-6]}Z"


def _as_text(value: Any) -> Any:
    """Return a number as a text, because an import_id is one."""
    try:
        found = _read_scalar(cast(msgspec.Raw, value))
    except msgspec.DecodeError:
        return value
    return value if isinstance(found, str) else bytes(value).decode()
