"""Sessions: a key that was traded once for a cookie, which counts as the key from then on.

Each request with a session asks control whether it is still there, so that it is over in every
process at once when somebody signs out. What a process remembers is only who is being answered.
"""

import math
from time import time
from typing import Protocol
from weakref import WeakValueDictionary

from api.auth import refusals
from api.auth.key_ring import KeyRing
from api.auth.principal import Principal, end_of
from api.http.problems import Problem
from storage.access.api_key import ApiKey
from storage.access.session_token import SessionToken, new_session_token
from storage.errors import ControlUnavailable
from storage.periodic import PeriodicTask
from storage.server_errors import refusal

_NO_DIGEST = bytes(32)  # of no key: nobody knows a token with this hash
WATCH_SECONDS = 1.0  # between two looks at the sessions that are being answered


class Store(Protocol):
    """What `SessionStore` does. Each call raises ControlUnavailable."""

    async def add(self, key_id: str, proof: str, ends_at: int, now: float) -> None:
        """Keep a proof until its end."""

    async def are_there(self, proofs: list[tuple[str, str]]) -> list[bool]:
        """Return for each key's id and proof whether it is kept."""

    async def remove(self, key_id: str, proof: str) -> None:
        """Forget a proof."""


class Sessions(PeriodicTask):
    """The sessions of one process's requests. Each round ends the streams of ended sessions."""

    def __init__(self, ring: KeyRing, store: Store, seconds: int) -> None:
        """`seconds`: for which a session lasts, if its key does not end before."""
        super().__init__("looking at sessions on control", WATCH_SECONDS)
        self._ring = ring
        self._store = store
        self._session_seconds = seconds
        self._answered: WeakValueDictionary[tuple[str, str], Principal] = WeakValueDictionary()

    async def begin(self, key: ApiKey) -> SessionToken:
        """Begin a session of a key that is in use. Raises Problem 503."""
        now = time()
        ends_at = int(min(math.ceil(now) + self._session_seconds, end_of(key)))
        token = new_session_token(key.id, ends_at)
        try:
            await self._store.add(key.id, token.proof(key.digest), ends_at, now)
        except ControlUnavailable as error:
            raise _unknown(error) from None
        return token

    async def holder(self, token: SessionToken) -> Principal:
        """Return who asks with this token. Raises Problem 401 or 503.

        Control is asked for an unknown key too: the time of an answer must not tell which exist.
        """
        key = self._ring.key_of(token.key_id)
        name = token.key_id, token.proof(_NO_DIGEST if key is None else key.digest)
        if time() >= token.ends_at or not await self._is_there(name) or key is None:
            raise refusals.unauthorized()
        principal = self._answered.get(name)
        if principal is None:
            principal = self._answered[name] = self._ring.session_of(key, token.ends_at)
        return self._ring.use_session(principal)

    async def end(self, token: SessionToken) -> None:
        """End a session everywhere, also one that has ended. Raises Problem 503."""
        key = self._ring.key_of(token.key_id)
        if key is None:  # it has ended with its key
            return
        name = key.id, token.proof(key.digest)
        try:
            await self._store.remove(*name)
        except ControlUnavailable as error:
            raise _unknown(error) from None
        if (principal := self._answered.get(name)) is not None:
            principal.end()

    async def _is_there(self, name: tuple[str, str]) -> bool:
        try:
            [is_there] = await self._store.are_there([name])
        except ControlUnavailable as error:
            raise _unknown(error) from None
        return is_there

    async def run_once(self) -> None:
        """End what is still being sent to those whose session has ended in another process."""
        answered = list(self._answered.items())
        if not answered:
            return
        kept = await self._store.are_there([name for name, _ in answered])
        for (_, principal), is_there in zip(answered, kept, strict=True):
            if not is_there:
                principal.end()


def _unknown(error: ControlUnavailable) -> Problem:
    return refusals.sessions_unknown(is_refused=refusal(error) is not None)
