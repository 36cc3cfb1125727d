"""How the input is read: its form, where its fields go, and how its times are written. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, cast

import msgspec

from cli.errors import UsageError

Format = Literal["ndjson", "csv"]
TimeForm = Literal["rfc3339", "unix", "unix-ms"]
Fields = Mapping[str, msgspec.Raw]

_DATA, _CREATED_AT, _IMPORT_ID = "data", "created_at", "import_id"
_MS_OF_UNIT: Mapping[str, int] = {"unix": 1000, "unix-ms": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_scalar = msgspec.json.Decoder(str | int | float, float_hook=Decimal).decode
_TOO_LONG = 40  # characters of a number that is no time


@dataclass(frozen=True)
class Reading:
    """The form of the input (None: by the file's name), its mappings, the form of `created_at`.

    A mapping is a source and a target, both perhaps nested (`user.email`); an empty target leaves
    the source out.
    """

    form: Format | None = None
    mappings: tuple[tuple[str, str], ...] = ()
    created_at: TimeForm = "rfc3339"
    unpacks: bool = False

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
        return _encode([form, self.created_at, maps]).decode()


def options_of(text: str) -> str:
    """Return the options that read a file so, from the text that a checkpoint has."""
    form, created_at, maps = msgspec.json.decode(text) if text else ("ndjson", "rfc3339", [])
    words = ["--format", form, *(word for one in maps for word in ("--map", one))]
    if created_at != "rfc3339":
        words += ["--created-at", created_at]
    return shlex.join(words)


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
            fields = _read_fields(line)
        except msgspec.DecodeError:
            return line
        return self.record(fields)

    def record(self, fields: Fields) -> bytes:
        """Return the line of a record. What can't be converted stays, to be refused."""
        event: dict[str, Any] = {
            name: value for name, value in fields.items() if name not in self._sources
        }
        for source, target in self._mappings:
            value = _find(fields, source)
            if value is not None and target:
                _put(event, target, value)
        if self._unit and (created := event.get(_CREATED_AT)) is not None:
            event[_CREATED_AT] = _instant(created, self._unit)
        if (import_id := event.get(_IMPORT_ID)) is not None:
            event[_IMPORT_ID] = _as_text(import_id)
        return _encode(event)


def csv_fields(names: Sequence[str], values: Sequence[str]) -> dict[str, msgspec.Raw]:
    """Return the fields of a record of CSV; an empty one is absent, and `data` is JSON, or text."""
    event: dict[str, Any] = {}
    for name, value in zip(names, values, strict=False):
        if value == "":
            continue
        raw = msgspec.Raw(_encode(value))
        if name == _DATA:
            raw = _json_or_text(value)
        event[name] = raw
    if len(values) > len(names):
        event["(behind the last column)"] = msgspec.Raw(_encode(list(values[len(names) :])))
    return event


def nested(fields: Fields) -> Fields:
    """Put the fields `data.x` of a record of CSV into `data`."""
    event: dict[str, Any] = {}
    for name, value in fields.items():
        head, _, rest = name.partition(".")
        if head == _DATA and rest and "" not in rest.split("."):
            _put(event, name, value)
        else:
            event[name] = value
    return {name: msgspec.Raw(_encode(value)) for name, value in event.items()}


def _json_or_text(value: str) -> msgspec.Raw:
    text = value.encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.Raw(_encode(value))
    return msgspec.Raw(text.replace(b"\r", b" ").replace(b"\n", b" "))


def _find(fields: Fields, source: str) -> msgspec.Raw | None:
    if source in fields:
        return fields[source]
    head, _, rest = source.partition(".")
    if not rest or head not in fields:
        return None
    try:
        return _find(_read_fields(fields[head]), rest)
    except msgspec.DecodeError:
        return None


def _put(event: dict[str, Any], target: str, value: msgspec.Raw) -> None:
    """Put the value where the target says; an object on the way keeps its other fields."""
    *path, name = target.split(".")
    place = event
    for step in path:
        inner = place.get(step)
        if isinstance(inner, msgspec.Raw):
            try:
                inner = dict(_read_fields(inner))
            except msgspec.DecodeError:  # no object: both must not be dropped
                event[target] = value
                return
        place[step] = inner = {} if inner is None else inner
        place = inner
    place[name] = value


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
