"""The record of an API key, and the merge of two records of the same key.

A record never changes, except for `revoked_at` (the earliest wins) and `last_used_at` (the latest
wins). So the merge of two homes is a union, in any order and any number of times, and neither home
can bring a revoked key back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""`created_at` of a key whose token came from a file: each process must make the same record."""


class Scope(StrEnum):
    """What a key may do. No scope includes another."""

    WRITE = "write"
    READ = "read"
    OBSERVE = "observe"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key: who it is, what it may do, and until when. All times are in UTC.

    `digest` is that of the token. Empty `components` or `environments` admit every name; each of
    their items is a name, or a prefix with `*` behind it. `events_per_second` and `events_per_day`
    limit what the key may post, over all processes; None means without limit. A browser may post
    from `origins`.
    """

    id: str
    digest: bytes
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    components: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    events_per_second: int | None = None
    events_per_day: int | None = None
    origins: tuple[str, ...] = ()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def ends_at(self) -> datetime | None:
        """Return when the key ends: it expires or its revocation takes effect, None for never."""
        return earliest(self.expires_at, self.revoked_at)

    def is_valid_at(self, instant: datetime) -> bool:
        """Return whether the key may be used at an instant."""
        return self.ends_at is None or instant < self.ends_at

    def revoked(self, instant: datetime) -> "ApiKey":
        """Return the record of this key, revoked from an instant on, or from an earlier one."""
        return replace(self, revoked_at=earliest(self.revoked_at, instant))

    def used(self, instant: datetime) -> "ApiKey":
        """Return the record of this key, last used at an instant, or at a later one."""
        return replace(self, last_used_at=_latest(self.last_used_at, instant))

    def merge(self, other: "ApiKey") -> "ApiKey":
        """Return the record of the key that both homes must have.

        If they differ in what never changes, one of them was forged: the key is revoked.
        """
        mine, theirs = self._unchanging(), other._unchanging()
        merged = min(mine, theirs, key=_canonical)
        revoked_at = earliest(self.revoked_at, other.revoked_at)
        if mine != theirs:
            revoked_at = earliest(revoked_at, mine.created_at, theirs.created_at)
        return replace(
            merged,
            revoked_at=revoked_at,
            last_used_at=_latest(self.last_used_at, other.last_used_at),
        )

    def _unchanging(self) -> "ApiKey":
        return replace(self, revoked_at=None, last_used_at=None)


def _canonical(key: ApiKey) -> tuple[list[Scope], str]:
    """Return an order of records that is equal in every process. That of a set of texts is not."""
    return sorted(key.scopes), repr(replace(key, scopes=frozenset()))


def merge(some: Mapping[str, ApiKey], others: Mapping[str, ApiKey]) -> dict[str, ApiKey]:
    """Return the union of two sets of records by key id."""
    merged = dict(some)
    for key_id, other in others.items():
        mine = merged.get(key_id)
        merged[key_id] = other if mine is None else mine.merge(other)
    return merged


def admits(patterns: tuple[str, ...], name: str) -> bool:
    """Return whether a limit to names admits this one. Without patterns, it admits every name."""
    return not patterns or any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )


def earliest(*instants: datetime | None) -> datetime | None:
    """Return the earliest of the instants that are given; None means never."""
    return min((instant for instant in instants if instant is not None), default=None)


def _latest(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant is not None), default=None)
