"""Read events of the past, which come with their time: the native format of an import. Pure.

Each event gets its id here, so that importing it again makes the same one.
"""

import re
from datetime import datetime
from functools import partial
from typing import Annotated, cast
from uuid import UUID

import msgspec

from api.formats.event_reader import EventReader
from api.formats.native_fast import EventIn, is_plainly_good, normalize_instant, parsers
from api.formats.native_validate import Form, validate
from api.formats.occurred_at import canonical_instant
from api.formats.schemas import NAME_CHARACTERS, ImportBody
from api.formats.validation_problem import validation_problem
from api.http.error_detail import ErrorDetail
from api.http.problems import Problem
from storage.model.event import (
    derived_id,
    derived_ids,
    id_ms,
    id_text,
    id_texts,
    now_ms,
    to_datetime,
    to_ms,
)
from storage.model.imported_id import bits_of_content, bits_of_import_id, canonical_content

_UNSET = msgspec.UNSET
_ImportId = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS)]
_Id = Annotated[str, msgspec.Meta(max_length=36)]
_VERSION = 7


class ImportIn(EventIn, forbid_unknown_fields=True):
    """An event of an import.

    Once it is read, `id` and `created_at` are in their final form, and `import_id` is gone: its
    JSON is that of the event.
    """

    created_at: str | msgspec.UnsetType | None = _UNSET
    id: _Id | msgspec.UnsetType | None = _UNSET
    import_id: _ImportId | msgspec.UnsetType | None = _UNSET


_decode = msgspec.json.Decoder(ImportIn).decode


def import_reader(max_bytes: int) -> EventReader:
    """Return the reader of imported events of at most `max_bytes`."""
    validate_one = partial(validate, max_bytes=max_bytes, form=_FORM)
    return EventReader(_parse, validate_one, parse_many)


def _is_good(event: ImportIn) -> bool:
    """Check what the types of `ImportIn` can't express, and complete the event if it is good."""
    return is_plainly_good(event) and _completes(event)


def _completes(event: ImportIn) -> bool:
    """Complete an event; return False if that is not possible."""
    try:
        _complete(event)
    except Problem:
        return False
    return True


_parse = parsers(_decode, _is_good)[0]
_parse_many = parsers(_decode, is_plainly_good)[1]


def parse_many(bodies: list[bytes]) -> list[EventIn] | None:
    """Return the events of bodies that are all plainly good; None if one is not."""
    events = cast(list[ImportIn] | None, _parse_many(bodies))
    if events is None or not (_complete_all(events) or all(map(_completes, events))):
        return None
    return cast(list[EventIn], events)


def _normalize(event: ImportIn) -> None:
    normalize_instant(event)
    _complete(event)


_FORM = Form(ImportBody, _decode, _normalize)


def _complete(event: ImportIn) -> None:
    """Give the event its time and its id. Raises Problem 422."""
    given = _given_id(event)
    ms = _created_ms(event, given)
    raw_id = derived_id(ms, _bits(event)) if given is None else given.bytes
    event.id, event.created_at, event.import_id = id_text(raw_id), _time_text(ms), _UNSET


def _bits(event: ImportIn) -> bytes:
    if event.import_id:
        return bits_of_import_id(event.import_id)
    content = canonical_content(
        event.component,
        event.environment,
        event.message,
        event.email,
        bytes(event.data),
        event.occurred_at or None,
    )
    return bits_of_content(content)


def _complete_all(events: list[ImportIn]) -> bool:
    """Complete many events, column by column, for speed.

    Return False, and change nothing, unless each has a time of the past in the usual form and no
    id.
    """
    times = [event.created_at or "" for event in events]
    if not _are_usual("\n".join([*times, ""])) or any(event.id for event in events):
        return False
    try:
        instants = [*map(to_ms, map(datetime.fromisoformat, times))]
    except ValueError:  # an impossible date
        return False
    if min(instants) < 0 or max(instants) > now_ms():
        return False
    raw_ids = derived_ids(instants, list(map(_bits, events)))
    for event, time, event_id in zip(events, times, id_texts(raw_ids), strict=True):
        event.id, event.import_id = event_id.decode(), _UNSET
        event.created_at = time if len(time) == _WITH_MS else f"{time[:19]}.000Z"
    return True


_are_usual = re.compile(  # a line for each time
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{3})?Z\n)*+"
).fullmatch
_WITH_MS = len("2026-11-24T05:28:53.120Z")


def _given_id(event: ImportIn) -> UUID | None:
    if not event.id:
        if event.id == "":
            raise _fault("id", "must not be empty")
        return None
    if event.import_id:
        raise _fault("import_id", "can't come with an id: give one of the two")
    try:
        found = UUID(event.id)
    except ValueError:
        raise _fault("id", f"is not a UUID; {_AS_IMPORT_ID}") from None
    if found.version != _VERSION or str(found) != event.id.lower():
        raise _fault("id", f"is not a UUIDv7 in its canonical form; {_AS_IMPORT_ID}")
    return found


_AS_IMPORT_ID = "give it as import_id, and the event gets an id that is made of it"


def _created_ms(event: ImportIn, given: UUID | None) -> int:
    if event.created_at:
        ms = _ms_of(event.created_at)
        if given is not None and id_ms(given) != ms:
            at = _time_text(id_ms(given)) if id_ms(given) <= now_ms() else "another time"
            raise _fault("id", f"is a UUIDv7 of {at}, not of created_at; {_AS_IMPORT_ID}")
    elif given is not None:
        ms = id_ms(given)
    else:
        raise _fault("created_at", "is required in an import, unless the id is a UUIDv7")
    if ms < 0:
        raise _fault("created_at", "is before 1970, which no id can tell")
    if ms > now_ms():
        raise _fault("created_at" if event.created_at else "id", "is in the future")
    return ms


def _fault(name: str, detail: str) -> Problem:
    return validation_problem([ErrorDetail(detail, pointer=f"/{name}")])


def _ms_of(text: str) -> int:
    """Return an instant of RFC 3339 in ms since the epoch, rounded down. Raises Problem."""
    try:
        return to_ms(datetime.fromisoformat(canonical_instant(text)))
    except ValueError as error:
        raise _fault("created_at", str(error)) from None


def _time_text(ms: int) -> str:
    return f"{to_datetime(ms).isoformat(timespec='milliseconds')[:-6]}Z"
