"""The parameters of administrators' lists. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from api.http.error_detail import ErrorDetail
from api.http.unknown_parameter import unknown_parameter
from api.query.id_params import is_uuid
from api.query.pairs import InvalidQuery, decoded_pairs, fault
from storage.access.audit import Place
from storage.postgres.instants import is_storable

_SEPARATOR = "_"


class Params:
    """The values of a query string. Read them one by one, then call `end`."""

    def __init__(self, query_string: bytes, known: Sequence[str]) -> None:
        """Decode the query string. Raises InvalidQuery for one over a bound."""
        self._faults: list[ErrorDetail] = []
        pairs = decoded_pairs(query_string, self._faults)
        names = dict.fromkeys(name for name, _ in pairs if name not in known)
        self._faults += [fault(name, unknown_parameter(name, known)) for name in names]
        self._given: dict[str, str] = {}
        for name, value in pairs:
            if name in known and value.strip():
                if name in self._given:
                    self._faults.append(fault(name, "is given more than once"))
                self._given[name] = value.strip()

    def limit(self, default: int, most: int) -> int:
        """Return how many items are asked for."""
        text = self._given.get("limit")
        if text is None:
            return default
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        if not 1 <= number <= most:
            self._faults.append(fault("limit", f"must be a whole number from 1 to {most:,}"))
        return number

    def text(self, name: str, most: int) -> str | None:
        """Return a text of at most so many characters, None without one."""
        found = self._given.get(name)
        if found is not None and len(found) > most:
            self._faults.append(fault(name, f"is longer than {most} characters"))
        return found

    def switch(self, name: str) -> bool:
        """Return whether a parameter is `true`."""
        found = self._given.get(name, "false")
        if found not in ("true", "false"):
            self._faults.append(fault(name, "must be `true` or `false`"))
        return found == "true"

    def event_id(self, name: str) -> UUID | None:
        """Return an id of an event, None without one."""
        found = self._given.get(name)
        if found is not None and not is_uuid(found):
            self._faults.append(fault(name, "must be the id of a dead letter (a UUID)"))
            return None
        return UUID(found) if found else None

    def place(self, name: str) -> Place | None:
        """Return a place in the audit log that an answer gave, None without one."""
        found = self._given.get(name)
        place = None if found is None else _place(found)
        if found is not None and place is None:
            self._faults.append(fault(name, "must be the `next_before` of an answer"))
        return place

    def end(self) -> None:
        """Raise InvalidQuery if anything is wrong."""
        if self._faults:
            raise InvalidQuery(self._faults)


def place_text(place: Place) -> str:
    """Return the text that `Params.place` reads."""
    at, line_id = place
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z{_SEPARATOR}{line_id}"


def _place(text: str) -> Place | None:
    at, _, line_id = text.partition(_SEPARATOR)
    if not is_uuid(line_id):
        return None
    try:
        instant = datetime.strptime(at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (instant, UUID(line_id)) if is_storable(instant) else None
