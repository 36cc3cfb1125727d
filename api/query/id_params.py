"""`GET /events?id=...&id=...`: some events by their ids. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from api.http.error_detail import ErrorDetail
from api.query.pairs import MAX_PAIRS, MAX_QUOTED, InvalidQuery, Pair
from storage.model.parameters import Parameter

ID = Parameter(
    "id",
    "id",
    f"These events with their receipts (at most {MAX_PAIRS}), in the order asked. "
    "Can't be combined with other parameters but `fresh`.",
)
_MAX_NAMED = 10  # of the other parameters, in an error

is_uuid = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


def ids_of(pairs: Sequence[Pair], faults: list[ErrorDetail]) -> list[UUID]:
    """Return the ids asked for, each once, in order; none where there is no `id`.

    `faults` are those found in decoding. Raises InvalidQuery.
    """
    given = [(name, value.strip()) for name, value in pairs if value.strip()]
    texts = dict.fromkeys(value for name, value in given if name == ID.name)
    if not texts:
        return []
    found = [*faults, *_faults_of(texts, [name for name, _ in given if name != ID.name])]
    if found:
        raise InvalidQuery(found)
    return list(dict.fromkeys(map(UUID, texts)))


def _faults_of(texts: Iterable[str], others: Iterable[str]) -> Iterator[ErrorDetail]:
    if names := list(dict.fromkeys(name[:MAX_QUOTED] for name in others)):
        listed = ", ".join(names[:_MAX_NAMED])
        yield ErrorDetail(f"can't be combined with {listed}", parameter=ID.name)
    for text in texts:
        if not is_uuid(text):
            yield ErrorDetail(f"{text[:MAX_QUOTED]!r} is not a UUID", parameter=ID.name)
