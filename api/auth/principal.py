"""Who asks: the holder of an API key, or everyone while no key is needed."""

import math

from storage.access.api_key import ApiKey, Scope
from storage.model.name_limits import NameLimits

NEVER = math.inf


class Principal:
    """What a client may do, and until when.

    There is one for each key in a process, and it lives as long as the key is known; and one for
    each session while a request of it is handled. So whoever
    holds it learns of a revocation: `ends_at`, in seconds since 1970, is then brought forward.
    Check `time.time() < ends_at` whenever the work begins. `used_at` is set at each use.
    """

    __slots__ = (
        *("__weakref__", "_scopes", "ends_at", "key", "limits", "may_read", "may_write"),
        *("until", "used_at"),
    )

    def __init__(
        self, key: ApiKey | None = None, without: Scope | None = None, until: float = NEVER
    ) -> None:
        """`key`: None for everyone, who may do everything, except what is `without`.

        `until`: the end of a session of the key, which may end before.
        """
        self.key = key
        self._scopes = frozenset(Scope) - {without} if key is None else key.scopes
        self.may_write = Scope.WRITE in self._scopes
        self.may_read = Scope.READ in self._scopes
        self.limits = NameLimits.of(key.components, key.environments) if key else None
        self.until = until
        self.ends_at = NEVER if key is None else min(until, end_of(key))
        self.used_at = 0.0

    def may(self, scope: Scope) -> bool:
        """Return whether the client has this scope."""
        return scope in self._scopes

    def end_with(self, key: ApiKey | None) -> None:
        """End when the key does; at once if its record can't be read. Nothing else changes."""
        self.ends_at = 0.0 if key is None else min(self.until, end_of(key))

    def end(self) -> None:
        """End now, whatever the key does."""
        self.ends_at = self.until = 0.0

    def own(self, idempotency_key: str) -> str:
        """Return the idempotency key in a form that no other API key's requests can have.

        A client's idempotency key has no line feed.
        """
        return idempotency_key if self.key is None else f"{self.key.id}\n{idempotency_key}"


def end_of(key: ApiKey) -> float:
    """Return when the key ends, in seconds since 1970."""
    return NEVER if key.ends_at is None else key.ends_at.timestamp()
