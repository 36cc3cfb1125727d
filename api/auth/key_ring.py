"""The API keys that this process knows, and who asks with each `Authorization` header. No I/O."""

import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from time import time
from weakref import WeakSet

from api.auth import refusals
from api.auth.bearer import AUTHORIZATION, key_id_of, token_of, usual_spellings
from api.auth.policy import Policy
from api.auth.principal import Principal, end_of
from api.http.headers import Headers, header_values
from storage.access.api_key import ApiKey, Scope
from storage.access.key_records import KeyRecords, KnownKeys
from storage.access.token import digest

Memo = dict[bytes | None, Principal]
"""Who asks, by the raw header; None stands for a request without one."""

_EXPIRED_SHOWN_SECONDS = 86_400  # an alert shows that requests get 401 now
_NO_DIGEST = bytes(32)  # of no token: nobody knows one with this hash


class KeyRing:
    """The keys of one process. It forgets no key and no revocation, whatever a home says later.

    `memo` spares the fast paths the hash of a token: it has the usual spelling of the header of
    each valid key, so wrong tokens neither fill it nor evict anything. Who takes a principal from
    it must check `ends_at` and the scope. A request that it does not know goes to `principal_of`.
    """

    def __init__(self, policy: Policy, is_local: bool = True) -> None:
        """`is_local`: only this machine reaches the service; else no one imports without a key."""
        self.memo: Memo = {}
        self._everyone = Principal(without=None if is_local else Scope.ADMIN)
        self._known = KnownKeys()
        self._principals: dict[str, Principal] = {}
        self._sessions: WeakSet[Principal] = WeakSet()
        self._origins: Mapping[str, float] = {}
        self._policy = policy
        self._is_loaded = False
        if policy == "open":
            self.memo[None] = self._everyone

    @property
    def is_open(self) -> bool:
        """Return whether no key is needed."""
        return None in self.memo

    @property
    def is_undecided(self) -> bool:
        """Return whether the first key that turns up in a home will close the service."""
        return self._policy == "until_first_key"

    def news(self, loaded: KeyRecords) -> KeyRecords:
        """Return only the records that differ from those known. A thread may ask this."""
        known = self._known.keys
        keys = {key_id: key for key_id, key in loaded.keys.items() if known.get(key_id) != key}
        return KeyRecords(keys, loaded.unreadable)

    def add_queue(self, loaded: KeyRecords) -> None:
        """Add what the queue has."""
        self._know(self._known.with_queue(loaded))

    def add_table(self, loaded: KeyRecords) -> None:
        """Add what PostgreSQL has."""
        self._know(self._known.with_table(loaded))

    def principal_of(self, headers: Headers) -> Principal:
        """Return who asks. Raises Problem 401, or 503 while no home could be read."""
        if self.is_open:
            return self._everyone
        if self.is_undecided:  # unknown is not open
            raise refusals.keys_unknown()
        values = header_values(headers, AUTHORIZATION)
        if not values:
            raise refusals.unauthorized(refusals.NoKey)
        if len(values) == 1 and (principal := self.memo.get(values[0])):
            return _in_use(principal)
        token = token_of(values)
        key_id = token and key_id_of(token)
        if not token or not key_id:
            raise refusals.unauthorized()
        if not self._is_loaded:
            raise refusals.keys_unknown()
        principal = self._holder(key_id, token)
        if values[0] in usual_spellings(token):
            self.memo[values[0]] = principal
        return principal

    def key_of(self, key_id: str) -> ApiKey | None:
        """Return the key with this id, which may have ended. Raises Problem 503 while unknown."""
        if not self._is_loaded:
            raise refusals.keys_unknown()
        return self._known.find(key_id)

    def session_of(self, key: ApiKey, until: float) -> Principal:
        """Return the holder of a session of this key, which ends at `until` or with the key."""
        principal = Principal(key, until=until)
        principal.end_with(self._known.find(key.id))
        self._sessions.add(principal)
        return principal

    def use_session(self, session: Principal) -> Principal:
        """Note that the key of a session is used now. Raises Problem 401 if the session is over."""
        assert session.key is not None
        holder = self._principals.get(session.key.id)
        if holder is None:
            holder = self._principals[session.key.id] = Principal(session.key)
        _in_use(session)
        holder.used_at = session.used_at
        return session

    def admits_origin(self, origin: str) -> bool:
        """Return whether a valid key lets pages of this origin post."""
        return time() < self._origins.get(origin, 0.0)

    def take_uses(self) -> dict[str, datetime]:
        """Return when keys were last used, as far as that was not returned before."""
        uses = {}
        for key_id, principal in self._principals.items():
            if principal.used_at:
                uses[key_id] = datetime.fromtimestamp(principal.used_at, UTC)
                principal.used_at = 0.0
        return uses

    def seconds_left(self, within: float) -> dict[str, float]:
        """Return in how many seconds keys expire, of those that will do so `within` seconds.

        By key id. Negative for a key that has expired within the last day. Empty while no home
        could be read. Revoked and unreadable keys are left out.
        """
        now, found = time(), {}
        for key_id, key in self._known.keys.items():
            if key.expires_at and not key.revoked_at and self._known.find(key_id):
                left = key.expires_at.timestamp() - now
                if -_EXPIRED_SHOWN_SECONDS < left <= within:
                    found[key_id] = left
        return found

    def _know(self, known: KnownKeys) -> None:
        self._known = known
        self._is_loaded = True
        for key_id, principal in self._principals.items():
            principal.end_with(known.find(key_id))
        for session in list(self._sessions):
            if session.key is not None:
                session.end_with(known.find(session.key.id))
        self._origins = _ends_of_origins(map(known.find, known.keys))
        if self.is_undecided:
            self._open_or_close()

    def _holder(self, key_id: str, token: str) -> Principal:
        """Return the holder of the key with this token. Raises Problem 401."""
        key = self._known.find(key_id)
        is_right = hmac.compare_digest(digest(token), _NO_DIGEST if key is None else key.digest)
        if key is None or not is_right:
            raise refusals.unauthorized()
        principal = _in_use(self._principals.get(key_id) or Principal(key))
        self._principals[key_id] = principal
        return principal

    def _open_or_close(self) -> None:
        if not self._known.keys and not self._known.unreadable:
            self.memo[None] = self._everyone
            return
        self._policy = "required"
        self.memo.clear()
        self._everyone.ends_at = 0.0


def _in_use(principal: Principal) -> Principal:
    """Note that the principal is used now. Raises Problem 401 if the key has ended."""
    now = time()
    if now >= principal.ends_at:
        raise refusals.unauthorized()
    principal.used_at = now
    return principal


def _ends_of_origins(keys: Iterable[ApiKey | None]) -> Mapping[str, float]:
    """Return until when a key lets pages of an origin post, by origin."""
    ends: dict[str, float] = {}
    for key in keys:
        if key is not None and Scope.WRITE in key.scopes:
            for origin in key.origins:
                ends[origin] = max(ends.get(origin, 0.0), end_of(key))
    return ends
