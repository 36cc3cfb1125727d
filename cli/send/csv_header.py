"""Check the header of CSV before anything is sent: can its columns make events? Pure."""

import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cli.errors import SendError
from cli.send.mapping import Mapping

_DATA = "data"
_SHOWN_COLUMNS, _SHOWN_CHARACTERS = 40, 60
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class EventFields(NamedTuple):
    """The fields that events may have, and those that they must have.

    `told_by_id`: fields that an `id` makes superfluous.
    """

    known: frozenset[str]
    required: tuple[str, ...]
    told_by_id: frozenset[str] = frozenset()


_REQUIRED = ("component", "environment", "message")
SENT = EventFields(frozenset((*_REQUIRED, "email", _DATA, "occurred_at")), _REQUIRED)
IMPORTED = EventFields(
    SENT.known | {"id", "created_at", "import_id"},
    (*_REQUIRED, "created_at"),
    frozenset({"created_at"}),
)


def check_header(
    names: Sequence[str], mappings: Sequence[Mapping], fields: EventFields | None
) -> None:
    """Raise SendError with the remedy if the columns can't make events (None: don't compare)."""
    if not names:
        raise SendError("the CSV has no header: its first line must name the fields")
    if repeated := [name for name in names if names.count(name) > 1 or not name]:
        raise SendError(
            f"the header of the CSV has {repeated[0] or 'an empty name'!r} more than once"
        )
    if fields is not None and (faults := _faults(names, mappings, fields)):
        raise SendError(_message(names, faults))


def _faults(names: Sequence[str], mappings: Sequence[Mapping], fields: EventFields) -> list[str]:
    absent = [one.source for one in mappings if not _has(names, one.source)]
    sources = {one.source for one in mappings}
    unmapped = [name for name in names if name not in sources]
    unknown = [name for name in unmapped if not _is_known(name, fields)]
    targets = [one.target for one in mappings if one.target]
    no_fields = [target for target in targets if not _is_known(target, fields)]
    given = {*unmapped, *targets}
    optional = fields.told_by_id if "id" in given else frozenset()
    missing = [name for name in fields.required if name not in given and name not in optional]
    parts = (
        ("no column gives", missing),
        ("no field of an event is", [*unknown, *no_fields]),
        ("--map names columns that are not there:", absent),
    )
    return [f"{what} {_listed(found)}" for what, found in parts if found]


def _has(names: Sequence[str], source: str) -> bool:
    return source in names or (_DATA in names and source.startswith(f"{_DATA}."))


def _is_known(name: str, fields: EventFields) -> bool:
    return name in fields.known or name.startswith(f"{_DATA}.")


def _message(names: Sequence[str], faults: Iterable[str]) -> str:
    return (
        f"the header of the CSV can't be used as it is: {'; '.join(faults)}. Say which field a "
        "column is with --map NAME=FIELD (--map amount=data.amount puts it into data), and leave a "
        f"column out with --map NAME=. The columns: {_listed(names)}{_delimiter_hint(names)}"
    )


def _delimiter_hint(names: Sequence[str]) -> str:
    for delimiter, words in _OTHER_DELIMITERS.items():
        if len(names) == 1 and delimiter in names[0]:
            option = "tab" if delimiter == "\t" else shlex.quote(delimiter)
            return f". This one column has {words} in it: give --delimiter {option}"
    return ""


def _listed(names: Sequence[str]) -> str:
    shown = [_plain(name) for name in names[:_SHOWN_COLUMNS]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _plain(name: str) -> str:
    return "".join(one if one.isprintable() else " " for one in name[:_SHOWN_CHARACTERS])
