"""What an erasure would find. It changes nothing."""

from dataclasses import dataclass
from typing import cast

import redis

from storage.erasure import letters, mentions, owned
from storage.erasure.address_table import ADDRESS, knowing
from storage.erasure.eraser import Servers
from storage.model.entries import Entry, next_entry, read_batch
from storage.model.erasing import Address, redacted
from storage.queue.tombstones import QueueTombstones
from storage.redis import keys
from storage.retention import holds
from storage.server_errors import queue_errors

_READ_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Preview:
    """Stored events of the person, those of others that name it, dead letters, waiting events.

    `waiting`: events on the queue of the person, or that name it. `holds`: IDs of legal holds for
    which the erasure would be refused.
    """

    owned: int
    named: int
    letters: int
    waiting: int
    holds: tuple[str, ...]


def preview(servers: Servers, address: Address) -> Preview:
    """Count by a scan of all events, and of the queue.

    Raises DatabaseUnavailable, QueueUnavailable.
    """
    with knowing(servers.engine, address) as connection:
        found = (
            owned.count(connection),
            mentions.count(connection, address),
            letters.count(connection, address),
        )
        held = tuple(str(hold.id) for hold in holds.of_email(connection, address.text, ADDRESS))
    shards = QueueTombstones(servers.queue, servers.shards).shards()
    waiting = sum(_waiting(servers.queue, shard, address) for shard in shards)
    return Preview(*found, waiting, held)


def _waiting(queue: redis.Redis, shard: int, address: Address) -> int:
    stream = keys.stream(keys.tags(queue)[shard])
    first, found = b"-", 0
    while True:
        with queue_errors():
            some = queue.xrange(stream, min=first, count=_READ_AT_ONCE)
        entries = cast(list[Entry], some)
        batch = read_batch(entries, 0)
        if batch is None:
            return found
        found += sum(
            address.is_that_of(event.email) or redacted(event, address) is not event
            for event in batch.events
        )
        first = next_entry(batch.entries[-1])
        if first == b"+":
            return found
