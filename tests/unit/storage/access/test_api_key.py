"""Records of keys: when they are valid, and that merging them is a union which forgets nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.access.api_key import ApiKey, Scope, admits, merge

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ApiKey("0aZ9bY8x", b"d" * 32, "billing", frozenset({Scope.WRITE}), START)

instants = st.none() | st.integers(0, 9).map(lambda hours: START + timedelta(hours=hours))
records = st.builds(
    lambda revoked, used, name: replace(KEY, revoked_at=revoked, last_used_at=used, name=name),
    instants,
    instants,
    st.sampled_from(["billing", "forged"]),
)


@given(records, records, records)
def test_merging_is_a_union_in_any_order(a: ApiKey, b: ApiKey, c: ApiKey) -> None:
    assert a.merge(a) == a
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c).ends_at == a.merge(b.merge(c)).ends_at


@given(records, records)
def test_no_merge_brings_a_revoked_key_back(a: ApiKey, b: ApiKey) -> None:
    merged = a.merge(b)
    for ended in (a.revoked_at, b.revoked_at):
        assert ended is None or not merged.is_valid_at(ended)


def test_two_different_records_of_one_id_are_a_forgery_and_revoke_the_key() -> None:
    merged = KEY.merge(replace(KEY, scopes=frozenset(Scope)))
    assert not merged.is_valid_at(START)


def test_the_union_of_two_stores_has_the_keys_of_both() -> None:
    other = replace(KEY, id="other000")
    revoked = KEY.revoked(START)
    assert merge({KEY.id: KEY}, {other.id: other, KEY.id: revoked}) == {
        KEY.id: revoked,
        other.id: other,
    }


def test_a_key_ends_when_it_expires_or_is_revoked_whatever_comes_first() -> None:
    later, soon = START + timedelta(hours=2), START + timedelta(hours=1)
    assert KEY.is_valid_at(later)
    expiring = replace(KEY, expires_at=later)
    assert expiring.is_valid_at(soon)
    assert not expiring.is_valid_at(later)
    assert not expiring.revoked(soon).is_valid_at(soon)
    assert expiring.revoked(soon).revoked(later).revoked_at == soon
    assert KEY.used(later).used(soon).last_used_at == later


@pytest.mark.parametrize(
    ("patterns", "name", "admitted"),
    [
        ((), "anything", True),
        (("billing",), "billing", True),
        (("billing",), "billing-2", False),
        (("pay-*",), "pay-", True),
        (("pay-*", "auth"), "pay-eu", True),
        (("pay-*", "auth"), "pay", False),
        (("*",), "", True),
    ],
)
def test_a_limit_admits_names_and_prefixes(
    patterns: tuple[str, ...], name: str, admitted: bool
) -> None:
    assert admits(patterns, name) is admitted
