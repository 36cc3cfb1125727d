"""Sets of records: what one home has, or what a process knows from both. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from storage.access import api_key
from storage.access.api_key import ApiKey

MAX_KEYS = 10_000
"""Keys that may be made. Records are never deleted: a restored backup could bring one back."""

MAX_RECORDS = 2 * MAX_KEYS
"""Records that one home may have. Two homes that were away in turn may have different keys."""

_MAX_SHOWN = 100


def shown_id(raw: str) -> str:
    """Return an id as it may be logged: somebody else may have written anything in its place.

    An id of a key is returned as it is.
    """
    shown = raw if raw.isprintable() else ascii(raw)[1:-1]
    return shown[:_MAX_SHOWN]


@dataclass(frozen=True, slots=True)
class KeyRecords:
    """Records by key id, and the ids whose record can't be read: nobody may use these keys."""

    keys: Mapping[str, ApiKey] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()

    def merge(self, other: "KeyRecords") -> "KeyRecords":
        """Return the union of both, in which a record that either can't read is unreadable."""
        keys = api_key.merge(self.keys, other.keys)
        return KeyRecords(keys, self.unreadable | other.unreadable)


def holder_of_name(records: KeyRecords, name: str, now: datetime) -> ApiKey | None:
    """Return a key that stays and has this name: it has not ended, nor will be revoked.

    Two such keys could not be told apart. A rotated key keeps its name beside its successor until
    it ends.
    """
    for key in records.keys.values():
        if key.name == name and key.revoked_at is None and key.is_valid_at(now):
            return key
    return None


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """What an API process knows of keys, from everything that it has loaded from both homes.

    It forgets no key and no revocation, whatever the homes have forgotten. An id whose record one
    of the homes can't read now is unusable, until a later load of that home can read it.
    """

    keys: Mapping[str, ApiKey] = field(default_factory=dict)
    unreadable_on_queue: frozenset[str] = frozenset()
    unreadable_in_table: frozenset[str] = frozenset()

    def with_queue(self, loaded: KeyRecords) -> "KnownKeys":
        """Return what is known after a load from the queue."""
        keys = api_key.merge(self.keys, loaded.keys)
        return replace(self, keys=keys, unreadable_on_queue=loaded.unreadable)

    def with_table(self, loaded: KeyRecords) -> "KnownKeys":
        """Return what is known after a load from PostgreSQL."""
        keys = api_key.merge(self.keys, loaded.keys)
        return replace(self, keys=keys, unreadable_in_table=loaded.unreadable)

    @property
    def unreadable(self) -> frozenset[str]:
        """Return the ids whose record can't be read in one of the homes."""
        return self.unreadable_on_queue | self.unreadable_in_table

    def find(self, key_id: str) -> ApiKey | None:
        """Return the record of a key, None if it is unknown or unreadable."""
        return None if key_id in self.unreadable else self.keys.get(key_id)
