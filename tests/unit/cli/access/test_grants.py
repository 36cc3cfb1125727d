"""The grants of a new key: what is accepted, in which form it is kept, and what is refused."""

import json
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.access import key_text
from cli.access.grants import grants, name, origin, pattern, require_future
from cli.access.lookup import NoSuchKey, find, require_free_name
from cli.errors import CliError, UsageError
from storage.access import key_acts, key_view, token
from storage.access.api_key import ApiKey, Scope
from storage.access.grants import Grants
from storage.access.key_acts import KeyHasEnded
from storage.access.key_json import decode_key, encode_key
from storage.access.key_records import KeyRecords
from tests.support.access import full_key, make_key

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def made(**more: Any) -> Grants:
    fields: dict[str, Any] = {
        "scopes": ["write"],
        "components": [],
        "environments": [],
        "origins": [],
        "events_per_second": None,
        "events_per_day": None,
    }
    return grants(**{**fields, **more})


def test_grants_have_one_form() -> None:
    found = made(scopes=["write", "read", "write"], components=["pay-*", "auth", "pay-*"])
    assert found == made(scopes=["read", "write"], components=["auth", "pay-*"])
    assert found.scopes == {Scope.READ, Scope.WRITE}
    assert found.components == ("auth", "pay-*")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"events_per_second": 5}, "--rate limits posts: it needs --scope write"),
        ({"events_per_day": 5}, "--daily limits posts"),
        ({"origins": ["https://a"]}, "--origin is for posts from browsers"),
        ({"components": ["a"], "scopes": ["observe"]}, "needs --scope read or --scope write"),
        ({"environments": ["a"], "scopes": ["admin"]}, "--environment limits which events"),
        ({"components": [str(n) for n in range(101)]}, "--component is given 101 times"),
    ],
)
def test_a_limit_that_would_limit_nothing_is_refused(more: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        made(**{"scopes": ["read"], **more})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://App.Example.com", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(given: str, kept: str) -> None:
    assert origin(given) == kept


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((origin, text) for text in ("app.example.com", "https://", "https://*.example.com")),
        *(
            (origin, text)
            for text in ("https://a/", "https://a/path", "https://a?q", "https://u@a")
        ),
        *((origin, text) for text in ("ftp://a", "null", "*", "https://a:99999", "https://a b")),
        *((origin, text) for text in ("https://a#", "https://a:", "https://ä.example.com")),
        *((pattern, text) for text in ("", " ", "a*b", "*a", "**", "*", "a\nb", "x" * 501)),
        *((name, text) for text in ("", " a", "a ", "a\x1b[2J", "x" * 101)),
    ],
)
def test_what_is_no_origin_pattern_or_name_is_refused(
    parse: Callable[[str], str], text: str
) -> None:
    with pytest.raises(ArgumentTypeError, match="is not"):
        parse(text)


def test_names_and_patterns_are_kept_as_they_are() -> None:
    for text in ("billing", "Team Zürich, nightly"):
        assert name(text) == text
    for text in ("pay-*", "billing"):
        assert pattern(text) == text


def test_an_expiry_lies_in_the_future() -> None:
    assert require_future(NOW + HOUR, NOW) == NOW + HOUR
    with pytest.raises(UsageError, match="2026-11-28 12:00 UTC is not in the future"):
        require_future(NOW, NOW)


def records(*keys: ApiKey, unreadable: str = "") -> KeyRecords:
    return KeyRecords({key.id: key for key in keys}, frozenset({unreadable} - {""}))


def test_a_key_is_found_by_its_id_and_by_its_name() -> None:
    old, new = make_key("a").revoked(NOW), make_key("a", created_at=NOW)
    found = records(old, new, make_key("b"))
    assert find(found, old.id, NOW) == old
    assert find(found, "a", NOW) == new
    assert find(records(old), "a", NOW) == old


def test_what_is_not_found_is_answered_with_the_nearest() -> None:
    key, other = make_key("billing"), make_key("billing")
    ids = ", ".join(sorted([key.id, other.id]))
    for reference, told in (
        ("biling", "did you mean billing?"),
        ("zzz", "keys list --all"),
        ("billing", f"2 keys are named billing: give an ID \\({ids}\\)"),
        ("broken00", "can't be read"),
    ):
        with pytest.raises(NoSuchKey, match=told):
            find(records(key, other, unreadable="broken00"), reference, NOW)


def test_a_token_in_the_place_of_an_id_is_not_shown() -> None:
    text = token.new_token()
    with pytest.raises(NoSuchKey, match="that is a token") as told:
        find(records(), text, NOW)
    assert text[13:20] not in str(told.value)


def test_a_name_is_free_once_its_key_has_ended_or_is_to_end() -> None:
    key = make_key("a")
    with pytest.raises(CliError, match=f"rotate {key.id}"):
        require_free_name(records(key), "a", NOW)
    for other in (key.revoked(NOW + HOUR), replace(key, expires_at=NOW), make_key("b")):
        require_free_name(records(other), "a", NOW)


def test_a_new_key_keeps_only_the_digest_of_its_token() -> None:
    found = key_acts.create("a", made(events_per_second=5), NOW + HOUR, NOW, "root@host")
    assert found.key.id == token.id_of(found.token)
    assert found.key.digest == token.digest(found.token)
    assert decode_key(found.key.id, encode_key(found.key)) == found.key
    secret = found.token[13:]
    assert secret not in repr(found.act)
    assert found.key.digest.hex()[:16] not in repr(found.act.line)
    assert found.act.line.details == {
        "name": "a",
        "scopes": ["write"],
        "events_per_second": 5,
        "expires_at": "2026-11-28T13:00:00+00:00",
    }


def test_a_rotation_grants_the_same_and_ends_the_old_key_after_the_overlap() -> None:
    old = replace(full_key(), revoked_at=None, expires_at=NOW + HOUR, created_at=NOW - 2 * HOUR)
    found = key_acts.rotate(old, 24 * HOUR, None, NOW, "root@host")
    new, ending = found.act.keys
    assert ending == old.revoked(NOW + 24 * HOUR)
    assert ending.ends_at == NOW + HOUR  # it expires before the overlap is over
    same: dict[str, Any] = {
        name: getattr(old, name)
        for name in ("id", "digest", "created_at", "expires_at", "last_used_at")
    }
    assert replace(new, **same) == old
    assert (new.created_at, new.expires_at) == (NOW, NOW + 3 * HOUR)
    assert key_acts.rotate(old, HOUR, NOW + HOUR, NOW, "").key.expires_at == NOW + HOUR
    assert found.act.line.details["new_id"] == new.id
    with pytest.raises(KeyHasEnded, match="has ended"):
        key_acts.rotate(old.revoked(NOW), HOUR, None, NOW, "root@host")


def test_a_rotation_never_lets_a_key_live_longer() -> None:
    ending = make_key().revoked(NOW + HOUR)
    assert key_acts.rotate(ending, 24 * HOUR, None, NOW, "").act.keys[1] == ending


def test_a_revocation_that_changes_nothing_is_no_act() -> None:
    key = make_key(expires_at=NOW + 2 * HOUR)
    act = key_acts.revoke(key, NOW + HOUR, NOW, "root@host")
    assert act
    assert act.keys == [key.revoked(NOW + HOUR)]
    assert key_acts.revoke(key.revoked(NOW), NOW, NOW + HOUR, "root@host") is None
    assert key_acts.revoke(key, NOW + 2 * HOUR, NOW, "root@host") is None
    assert key_acts.revoke(key.revoked(NOW + HOUR), NOW, NOW, "root@host")


@pytest.mark.parametrize(
    ("key", "status", "ends"),
    [
        (make_key(), "active", "never ends"),
        (make_key(expires_at=NOW + HOUR), "active", "ends 2026-11-28 13:00:00 UTC, in 1 h 0 min"),
        (make_key().revoked(NOW + HOUR), "ending", "ends 2026-11-28 13:00:00 UTC, in 1 h 0 min"),
        (make_key().revoked(NOW), "revoked", "ended 2026-11-28 12:00:00 UTC"),
        (make_key(expires_at=NOW - HOUR), "expired", "ended 2026-11-28 11:00:00 UTC"),
    ],
)
def test_the_status_of_a_key_is_told(key: ApiKey, status: str, ends: str) -> None:
    assert key_view.status(key, NOW) == status
    assert key_text.ends(key, NOW) == ends
    assert f"{status}, {ends}" in key_text.card(key, NOW)


def test_every_field_but_the_digest_is_shown() -> None:
    key = full_key()
    document = json.loads(json.dumps(key_view.document(key, NOW)))
    assert "digest" not in document
    assert document.keys() == key_view.document(make_key(), NOW).keys()
    assert (document["components"], document["events_per_second"]) == (["pay-*", "auth"], 5000)
    shown = key_text.card(key, NOW) + key_text.key_table([key, make_key()], NOW)
    for text in (key.name, "pay-* auth", "prod", "5,000/s", "https://a.example.com", "1,000,000"):
        assert text in shown
    assert key.digest.hex()[:8] not in shown
