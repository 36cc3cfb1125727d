"""Which keys `data` has in the newest events: the fields that are there to be counted."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec

from storage.errors import QueryTooSlow
from storage.events.page_rows import Page
from storage.model.filters import Filters
from storage.statistics.question import Path

NEWEST = 2_000
"""Events whose keys are counted."""

KEYS_MS = 500
"""For which more events are looked at; also the limit of each page of them."""

MAX_PATHS = 10_000
"""Once there are more, no other event is looked at."""

_PAGE = 250
_MAX_BYTES = 16 * 1024 * 1024

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class NewestKeys:
    """How many of the newest events have a value at each path.

    `newest` is how many events were looked at, `missing` those of them without any key.
    """

    paths: Counter[Path]
    newest: int
    missing: int


def newest_keys(
    page_of: Callable[[Filters], Page], filters: Filters, is_unwanted: Callable[[], bool]
) -> NewestKeys | None:
    """Count the keys in the newest NEWEST matches, or in fewer within the bounds here.

    `page_of` reads a page within KEYS_MS. Return None if it could not read the first one.
    """
    ends = time.monotonic() + KEYS_MS / 1000
    found = NewestKeys(Counter(), 0, 0)
    size = 0
    asked = replace(filters, limit=_PAGE, order="desc", cursor=None)
    while True:
        try:
            page = page_of(asked)
        except QueryTooSlow:
            return found if found.newest else None
        for event in page.events:
            data = bytes(event.data)
            found = _added(found, data)
            size += len(data)
            is_enough = found.newest >= NEWEST or size > _MAX_BYTES or len(found.paths) > MAX_PATHS
            if is_enough or time.monotonic() > ends:
                return found
        if not page.more or is_unwanted():
            return found
        asked = replace(asked, cursor=UUID(page.events[-1].id))


def _added(found: NewestKeys, data: bytes) -> NewestKeys:
    paths = set(_paths(data))
    found.paths.update(paths)
    return NewestKeys(found.paths, found.newest + 1, found.missing + (not paths))


def _paths(data: bytes, above: Path = ()) -> Iterator[Path]:
    """Yield the path of each value that is no object; of an empty object nothing."""
    for key, value in _decode(data).items() if data.startswith(b"{") else ():
        path = (*above, key)
        inner = bytes(value).strip()
        if inner.startswith(b"{"):
            yield from _paths(inner, path)
        elif inner != b"null":
            yield path
