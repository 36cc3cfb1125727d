"""Accept an import: events of the past, which come with their time and the id that is made of it.

Importing an event again makes the same id, so it is stored once. Before anything is appended, the
queue and then PostgreSQL are asked which of the ids they have. So the answer tells of each item
whether its event is new, was accepted before, or can't be stored because another event has its id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast
from uuid import UUID

import msgspec

from api.formats.native_import import ImportIn
from api.http.problems import Problem
from api.ingest.ack import AckWaiter
from api.ingest.batch_reader import ParsedBatch
from api.ingest.service import Accepted, Ingest
from api.ingest.stamping import StampedBatch
from storage.access.api_key import ApiKey
from storage.errors import DatabaseUnavailable, StorageError
from storage.model.event import Event, decode_event, encode_event, now_ms
from storage.model.imported_id import content_of
from storage.model.receipt import Receipt

Found = Mapping[bytes, tuple[Event, Receipt]]
Refused = dict[int, str]  # by the number of an item
Find = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, tuple[Event, Receipt]]]]
Known = Callable[[Sequence[bytes]], Awaitable[set[bytes]]]

FIND_SECONDS = 10.0  # PostgreSQL itself ends each statement by then
FIND_ITEMS = 1_000  # asked for at once: all that is found is in memory

_IN_BATCH = (
    "Item {} of this batch has the same id and another content: of an import_id and a created_at "
    "only one event is stored."
)
_ACCEPTED = (
    "Another event with this id was accepted before, with another content, and stays as it is. The "
    "id is {}: give the event another import_id if both are meant."
)


class ImportedItem(msgspec.Struct, frozen=True, gc=False):
    """A valid item: its position in the batch, its event in its final form, and its 16 id bytes."""

    number: int
    event: ImportIn
    id: bytes


@dataclass(slots=True)
class Import:
    """The valid items of a batch, in order, without those whose id another event has.

    `duplicates`: the numbers of the items whose event was accepted before.
    """

    items: list[ImportedItem]
    duplicates: set[int] = field(default_factory=set)

    def new(self) -> list[ImportedItem]:
        """Return the items to append."""
        if not self.duplicates:
            return self.items
        return [item for item in self.items if item.number not in self.duplicates]


class Imported(NamedTuple):
    """An import on the queue's disk. `accepted` is None if nothing had to be appended."""

    judged: Import
    accepted: Accepted | None


class Importer:
    """Accepts imports.

    `known` asks the queue, then PostgreSQL, which ids they have, and `find` for the events.
    """

    def __init__(self, known: Known, find: Find, ingest: Ingest, ack_waiter: AckWaiter) -> None:
        self._known = known
        self._find = find
        self._ingest = ingest
        self._ack_waiter = ack_waiter

    async def judge(self, batch: ParsedBatch) -> Import:
        """Return what can be imported; each item whose id another event has becomes a problem.

        Raises DatabaseUnavailable, QueueUnavailable: then it is not known which items are new.
        """
        good = [index for index in range(batch.count) if index not in batch.problems]
        events = cast(list[ImportIn], batch.good)
        judged = Import([*map(ImportedItem, good, events, _ids_bytes(events))])
        _refuse(judged, batch, _judge_among_themselves(judged))
        refused: Refused = {}
        for some in _parts(judged.items):
            if found := await self._found(some):
                refused |= _others(found, some)
                judged.duplicates |= {item.number for item in some if item.id in found}
        _refuse(judged, batch, refused)
        return judged

    async def accept(self, judged: Import, api_key: ApiKey | None) -> Imported:
        """Append the new events, all or none. Raises Problem, QueueUnavailable."""
        new = judged.new()
        if not new:
            return Imported(judged, None)
        accepted = await self._ingest.accept_stamped(_stamped(new), api_key)
        return Imported(judged, accepted.without_bodies())

    async def receipts(self, imported: Imported, batch: ParsedBatch) -> list[Receipt]:
        """Wait until the events are stored, for a bounded time; return the receipt of each item.

        Compare what is stored with what was sent: two requests at the same moment may have had one
        id for different events, and only one is stored. Then the item becomes a problem.
        """
        judged = imported.judged
        receipts: dict[int, Receipt] = {}
        refused: Refused = {}
        try:
            if imported.accepted:
                await self._ack_waiter.wait(imported.accepted.position)
            for some in _parts(judged.items):
                found = await self._found(some)
                refused |= _others(found, some)
                receipts |= {
                    item.number: known[1]
                    for item in some
                    if (known := found.get(item.id)) is not None
                }
        except StorageError:
            pass  # all are accepted: what can't be found out is `queued`
        _refuse(judged, batch, refused)
        return [receipts.get(item.number, "queued") for item in judged.items]

    async def _found(self, items: Sequence[ImportedItem]) -> Found:
        """Return those of the events that were accepted, by their id bytes."""
        try:
            async with asyncio.timeout(FIND_SECONDS):
                known = await self._known([item.id for item in items])
                if not known:
                    return {}
                found = await self._find([UUID(bytes=raw_id) for raw_id in known])
                return {event_id.bytes: told for event_id, told in found.items()}
        except TimeoutError as error:
            raise DatabaseUnavailable("PostgreSQL did not answer in time") from error


def _parts(items: Sequence[ImportedItem]) -> Iterator[Sequence[ImportedItem]]:
    for at in range(0, len(items), FIND_ITEMS):
        yield items[at : at + FIND_ITEMS]


def _judge_among_themselves(judged: Import) -> Refused:
    """Find the items of a batch that have the id of an earlier one."""
    refused: Refused = {}
    if len({item.id for item in judged.items}) == len(judged.items):
        return refused
    first: dict[bytes, ImportedItem] = {}
    for item in judged.items:
        earlier = first.setdefault(item.id, item)
        if earlier is item:
            continue
        if _content_of(earlier.event) == _content_of(item.event):
            judged.duplicates.add(item.number)
        else:
            refused[item.number] = _IN_BATCH.format(earlier.number)
    return refused


def _others(found: Found, items: Sequence[ImportedItem]) -> Refused:
    """Return the items whose id an event with another content has."""
    return {
        item.number: _ACCEPTED.format(item.event.id)
        for item in items
        if (known := found.get(item.id)) is not None
        and content_of(known[0]) != _content_of(item.event)
    }


def _refuse(judged: Import, batch: ParsedBatch, refused: Refused) -> None:
    if not refused:
        return
    judged.items = [item for item in judged.items if item.number not in refused]
    judged.duplicates -= refused.keys()
    batch.good = [item.event for item in judged.items]
    for index, detail in refused.items():
        batch.refuse(index, Problem(422, detail))


def _stamped(items: Sequence[ImportedItem]) -> StampedBatch:
    """Return the events as they are queued. They are accepted now, whenever they were created."""
    raw_ids = [item.id for item in items]
    return StampedBatch(now_ms(), raw_ids, [], [encode_event(item.event) for item in items])


def _ids_bytes(events: Sequence[ImportIn]) -> list[bytes]:
    joined = bytes.fromhex("".join([f"{event.id}" for event in events]).replace("-", ""))
    return [joined[at : at + 16] for at in range(0, len(joined), 16)]


def _content_of(event: ImportIn) -> bytes:
    return content_of(decode_event(encode_event(event)))
