"""Apply recorded erasures again, in a database and a queue that were restored from a backup.

A record has no address, only its keyed hash. So every address that occurs is hashed: of emails,
within messages and data, in dead letters, and on the queue. Whoever matches is erased again, of
what was created before the recorded instant.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from string import ascii_letters, digits
from typing import Any, cast
from uuid import UUID

import redis
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.erasure import records
from storage.erasure.eraser import Eraser, Servers
from storage.erasure.records import Erasure
from storage.erasure.runner import run_pending
from storage.model.entries import Entry, next_entry
from storage.model.erasing import Address
from storage.model.normal_form import lower_ascii
from storage.postgres.engine import transaction
from storage.postgres.tables import erasures
from storage.queue.tombstones import QueueTombstones
from storage.redis import keys
from storage.server_errors import queue_errors

_ROWS = 10_000
_ITS_TURN = "its turn"
_MAX_SEEN = 1_000_000  # texts may be full of at signs
_MAX_ADDRESS = 254  # characters, RFC 5321
_LOCAL = ascii_letters + digits + ".!#$%&'*+/=?^_`{|}~-"
_domain = re.compile(r"\A[A-Za-z0-9.-]*").findall
_json_escape = re.compile(r"\\u00([2-7][0-9A-Fa-f])|\\/").sub
# An address may begin and end here: see `storage.model.erasing`.
_starts = re.compile(r"(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2})").finditer
_ends = re.compile(r"(?![A-Za-z0-9])").finditer

_EMAILS = sa.text('SELECT DISTINCT lower(email COLLATE "C") FROM events WHERE email IS NOT NULL')
_TEXTS = sa.text("""
    SELECT message || ' ' || coalesce(CAST(data AS text), '') FROM events
    WHERE strpos(message, '@') > 0 OR strpos(CAST(data AS text), '@') > 0
""")
_LETTERS = sa.text("SELECT encode(event, 'escape') || ' ' || reason FROM dead_letters")

Matches = Mapping[Address, Sequence[Erasure]]


@dataclass(frozen=True, slots=True)
class AppliedAgain:
    """Recorded erasures that found something to erase again: how many are through with it.

    `waiting`: what each of the others waits for, such as a legal hold, by its ID. Those go on by
    themselves once the service runs.
    """

    erased: int = 0
    waiting: Mapping[UUID, str] = field(default_factory=dict)


def exported(engine: sa.Engine) -> list[dict[str, Any]]:
    """Return every record as plain values, to keep them beside backups. Raises DatabaseUnavailable.

    They have no address; but who has them can find out whether a certain address was erased.
    """
    with transaction(engine) as connection:
        found = records.all_of(connection)
    return [
        {
            "id": str(one.id),
            "key": one.key.hex(),
            "digest": one.digest.hex(),
            "before": one.before.isoformat(),
            "actor": one.actor,
            "started_at": one.started_at.isoformat(),
        }
        for one in found
    ]


def read_rows(text: str) -> list[dict[str, Any]]:
    """Return what `exported` returned, from its JSON. Raises ValueError."""
    rows = json.loads(text)
    try:
        for row in rows:
            _values_of(row)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no list of erasures: {error!r}") from None
    return list(rows)


def imported(engine: sa.Engine, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add the records that the database does not have, as finished. Raises DatabaseUnavailable."""
    if values := [_values_of(row) for row in rows]:
        with transaction(engine) as connection:
            connection.execute(insert(erasures).on_conflict_do_nothing(), values)


def _values_of(row: Mapping[str, Any]) -> dict[str, Any]:
    key = bytes.fromhex(row["key"])
    records.digest_of(Address(""), key)  # raises ValueError for a key of another length
    return {
        "id": UUID(row["id"]),
        "key": key,
        "digest": bytes.fromhex(row["digest"]),
        "before": datetime.fromisoformat(row["before"]),
        "actor": str(row["actor"]),
        "rewrite": False,
        "step": records.DONE,
        "started_at": datetime.fromisoformat(row["started_at"]),
        "finished_at": datetime.fromisoformat(row["started_at"]),
    }


def apply_recorded_erasures(servers: Servers) -> AppliedAgain:
    """Erase again whom the records name.

    What waits on the queue is erased once workers drain it: then the rest of the steps is theirs.
    While no API process runs, so nothing is on its way to the queue. Raises DatabaseUnavailable,
    QueueUnavailable, ControlUnavailable.
    """
    with transaction(servers.engine) as connection:
        known = records.all_of(connection)
        matches = _matches(known, _stored(connection)) if known else {}
    if known:
        queued = _matches(known, _queued(servers))
        matches = {**queued, **matches}
    eraser = Eraser(servers, in_flight_ms=0)
    again = [(record, address) for address, found in matches.items() for record in found]
    for record, address in again:
        eraser.repeat(record, address)
    run_pending(servers.engine, eraser)
    waiting = _waiting(servers, {record.id for record, _ in again})
    return AppliedAgain(len(again) - len(waiting), waiting)


def _waiting(servers: Servers, again: Set[UUID]) -> Mapping[UUID, str]:
    """Return which of these erasures need the address still: tables may have it, too."""
    stones = QueueTombstones(servers.queue, servers.shards)
    with transaction(servers.engine) as connection:
        unfinished = records.unfinished(connection)
    return {
        record.id: record.waits_for or _ITS_TURN
        for record in unfinished
        if record.id in again and stones.find(record.id)
    }


def _matches(known: Sequence[Erasure], found: Iterable[str]) -> Matches:
    by_key: dict[bytes, dict[bytes, list[Erasure]]] = {}
    for record in known:
        by_key.setdefault(record.key, {}).setdefault(record.digest, []).append(record)
    matches: dict[Address, Sequence[Erasure]] = {}
    for text in found:
        address = Address(text)
        for key, digests in by_key.items():
            if some := digests.get(records.digest_of(address, key)):
                matches[address] = some
    return matches


def _stored(connection: sa.Connection) -> Iterator[str]:
    """Yield each address in the database that may be an erased one, each about once."""
    seen: set[str] = set(connection.scalars(_EMAILS))
    yield from seen
    for query in (_TEXTS, _LETTERS):
        texts = connection.execute(query, execution_options={"yield_per": _ROWS}).scalars()
        yield from _new(seen, texts)


def _queued(servers: Servers) -> Iterator[str]:
    seen: set[str] = set()
    for shard in QueueTombstones(servers.queue, servers.shards).shards():
        yield from _new(seen, _entries(servers.queue, shard))


def _entries(queue: redis.Redis, shard: int) -> Iterator[str]:
    first = b"-"
    while True:
        with queue_errors():
            found = queue.xrange(keys.stream(keys.tags(queue)[shard]), min=first, count=_ROWS)
        entries = cast(list[Entry], found)
        for _, fields in entries:
            yield b" ".join(fields.values()).decode(errors="replace")
        if not entries or (first := next_entry(entries[-1][0])) == b"+":
            return


def _new(seen: set[str], texts: Iterable[str]) -> Iterator[str]:
    """Yield what may be an address in the texts, and was not seen before."""
    for text in texts:
        if len(seen) > _MAX_SEEN:
            seen.clear()
        for found in candidates(text):
            if found not in seen:
                seen.add(found)
                yield found


def candidates(text: str) -> Iterator[str]:
    """Yield all that an erasure may have written over in a text, or in JSON, in lower case."""
    plain = _json_escape(lambda match: chr(int(match[1], 16)) if match[1] else "/", text)
    for match in re.finditer("@", plain):
        yield from _candidates_at(plain, match.start())


def _candidates_at(text: str, at: int) -> Iterator[str]:
    """Yield those around an at sign. No address is longer than `_MAX_ADDRESS`."""
    before = text[max(0, at - _MAX_ADDRESS) : at]
    outside = before.rstrip(_LOCAL)
    local = before[len(outside) :]
    domain = "".join(_domain(text[at + 1 : at + 1 + _MAX_ADDRESS]))
    firsts = {one.start() for one in _starts(local)}
    if outside.endswith("\\"):
        firsts |= {1, 5}  # behind an escape: \n, or \u with four digits
    lasts = [one.start() for one in _ends(domain) if domain[: one.start()][-1:].isalnum()]
    for first in sorted(firsts):
        for last in lasts:
            if local[first:] and len(local) - first + 1 + last <= _MAX_ADDRESS:
                yield lower_ascii(f"{local[first:]}@{domain[:last]}")
