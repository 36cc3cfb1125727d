"""Who is let in: by policy, by key, and by time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from api.auth import key_ring
from api.auth.key_ring import KeyRing
from api.auth.policy import Policy
from api.auth.principal import Principal
from api.http.problems import Problem
from storage.access.api_key import Scope
from storage.access.key_records import KeyRecords
from storage.access.token import new_token
from tests.support.keys import TestKey, masked, new_key, records, revoked, ring_with

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def ask(ring: KeyRing, *values: bytes) -> Principal:
    return ring.principal_of([(b"authorization", value) for value in values])


def refused(ring: KeyRing, *values: bytes) -> int:
    with pytest.raises(Problem) as found:
        ask(ring, *values)
    return found.value.status


def at(instant: datetime) -> Any:
    return mock.patch.object(key_ring, "time", return_value=instant.timestamp())


def test_a_key_tells_what_its_holder_may_do() -> None:
    key = new_key(Scope.READ, components=("web",))
    principal = ask(ring_with(key), key.value)
    assert (principal.may_read, principal.may_write) == (True, False)
    assert principal.key == key.key
    assert principal.limits
    assert principal.limits.components == ("web",)


def test_every_wrong_key_gets_the_same_answer() -> None:
    good, gone, late = new_key(), new_key(), new_key(expires_at=NOW - timedelta(days=400))
    ring = ring_with(good, gone, late)
    ring.add_queue(records(revoked(gone)))
    forged = f"act_{good.key.id}_".encode() + new_token().encode()[13:]
    values: Sequence[tuple[bytes, ...]] = [
        (),
        (b"",),
        (b"Bearer " + new_token().encode(),),
        (b"Bearer " + forged,),
        (gone.value,),
        (late.value,),
        (good.value, good.value),
        (b"Basic abc",),
        (b"Bearer \xff",),
    ]
    answers = []
    for given in values:
        with pytest.raises(Problem) as found:
            ask(ring, *given)
        answers.append(found.value)
    assert {answer.status for answer in answers} == {401}
    assert len({(answer.detail, answer.faults) for answer in answers}) == 1
    assert {answer.headers for answer in answers} == {((b"www-authenticate", b"Bearer"),)}


def test_the_memo_holds_only_the_usual_headers_of_valid_keys() -> None:
    key = new_key()
    ring = ring_with(key)
    for _ in range(100):
        refused(ring, b"Bearer " + new_token().encode())
    for spaces in range(1, 50):
        ask(ring, b"BEARER" + b" " * spaces + key.token.encode())
    assert ring.memo == {}
    ask(ring, b"bearer " + key.token.encode())
    assert ring.memo.keys() == {b"bearer " + key.token.encode()}
    assert ring.memo[b"bearer " + key.token.encode()] is ask(ring, key.value)


def test_who_holds_a_principal_learns_of_the_revocation() -> None:
    key = new_key()
    ring = ring_with(key)
    principal = ask(ring, key.value)
    ring.add_queue(records(revoked(key)))
    assert principal.ends_at <= datetime.now(UTC).timestamp()
    assert refused(ring, key.value) == 401


def test_a_revocation_is_never_forgotten() -> None:
    key = new_key()
    ring = ring_with(key)
    ring.add_table(records(revoked(key)))
    for older in (records(key), records(), KeyRecords()):
        ring.add_queue(older)
        ring.add_table(older)
        assert refused(ring, key.value) == 401


def test_a_key_is_never_forgotten() -> None:
    key = new_key()
    ring = ring_with(key)
    ring.add_queue(records())
    ask(ring, key.value)


@pytest.mark.parametrize("field", ["expires_at", "revoked_at"])
def test_a_key_ends_at_its_time_without_a_load(field: str) -> None:
    key = new_key(**{field: NOW})
    ring = ring_with(key)
    with at(NOW - timedelta(milliseconds=1)):
        principal = ask(ring, key.value)
    assert principal.ends_at == NOW.timestamp()
    with at(NOW):
        assert refused(ring, key.value) == 401


def test_an_unreadable_record_lets_nobody_in() -> None:
    key = new_key()
    ring = ring_with(key)
    principal = ask(ring, key.value)
    ring.add_queue(KeyRecords({}, frozenset({key.key.id})))
    assert principal.ends_at == 0
    assert refused(ring, key.value) == 401
    ring.add_queue(records(key))
    assert ask(ring, key.value) is principal


@pytest.mark.parametrize("value", [b"", b"Basic x", b"Bearer " + new_token().encode()], ids=masked)
def test_an_open_service_looks_at_no_key(value: bytes) -> None:
    ring = KeyRing("open")
    ring.add_queue(records(new_key()))
    assert ask(ring).may(Scope.ADMIN)
    assert ask(ring, value) is ask(ring) is ring.memo[None]


def test_without_a_key_nobody_administers_a_service_that_others_can_reach() -> None:
    everyone = ask(KeyRing("open", is_local=False))
    assert not everyone.may(Scope.ADMIN)
    assert all(everyone.may(scope) for scope in Scope if scope is not Scope.ADMIN)
    ring, key = KeyRing("required", is_local=False), new_key()
    ring.add_queue(records(key))
    assert ask(ring, key.value).may(Scope.ADMIN)


def test_before_the_first_load_only_what_can_be_no_key_is_refused_for_good() -> None:
    ring = KeyRing("required")
    assert refused(ring) == refused(ring, b"Bearer no") == 401
    assert refused(ring, new_key().value) == 503


def test_unknown_is_not_open() -> None:
    ring = KeyRing("until_first_key")
    assert ring.memo == {}
    assert refused(ring) == refused(ring, new_key().value) == 503


def test_the_first_key_closes_for_good() -> None:
    ring, key = KeyRing("until_first_key"), new_key()
    ring.add_queue(records())
    everyone = ask(ring)
    assert ring.memo[None] is everyone
    ring.add_table(records(key))
    assert everyone.ends_at == 0
    assert refused(ring) == 401
    ring.add_queue(records())
    ring.add_table(records())
    assert refused(ring) == 401
    ask(ring, key.value)


@pytest.mark.parametrize(
    "first",
    [records(new_key()), KeyRecords({}, frozenset({"abcdefgh"}))],
    ids=["key", "unreadable"],
)
@pytest.mark.parametrize("policy", ["until_first_key", "required"])
def test_any_record_counts_as_a_key(first: KeyRecords, policy: Policy) -> None:
    ring = KeyRing(policy)
    ring.add_queue(first)
    assert refused(ring) == 401


def test_uses_are_told_once() -> None:
    key, unused = new_key(), new_key()
    ring = ring_with(key, unused)
    with at(NOW):
        ask(ring, key.value)
    assert ring.take_uses() == {key.key.id: NOW}
    assert ring.take_uses() == {}


def test_no_text_of_a_problem_has_the_token() -> None:
    key: TestKey = new_key()
    ring = ring_with()
    with pytest.raises(Problem) as found:
        ask(ring, key.value)
    assert key.token not in repr(found.value) + repr(ring.__dict__)


def test_the_keys_that_expire_soon_are_told_with_the_time_left() -> None:
    soon, late = new_key(expires_at=NOW + timedelta(days=3)), new_key(expires_at=NOW - DAY)
    far, never = new_key(expires_at=NOW + timedelta(days=400)), new_key()
    gone, broken = new_key(expires_at=NOW + DAY), new_key(expires_at=NOW + DAY)
    ring = KeyRing("required")
    assert ring.seconds_left(30 * 86_400) == {}
    ring.add_queue(records(soon, late, far, never, gone.key.revoked(NOW + DAY), broken))
    ring.add_table(KeyRecords({}, frozenset([broken.key.id])))
    with at(NOW):
        assert ring.seconds_left(30 * 86_400) == {soon.key.id: 3 * 86_400}
    with at(NOW + timedelta(days=3, hours=1)):
        assert ring.seconds_left(86_400) == {soon.key.id: -3600}
    with at(NOW + timedelta(days=4)):
        assert soon.key.id not in ring.seconds_left(86_400)
