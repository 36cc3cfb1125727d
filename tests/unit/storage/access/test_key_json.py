"""The JSON form of a key's record: it keeps everything, and refuses whatever it does not know."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from storage.access.api_key import ApiKey, Scope
from storage.access.key_json import UnreadableRecord, decode_key, encode_key, key_document, key_from
from tests.support.access import full_key, make_key


@pytest.mark.parametrize("key", [make_key(), full_key()])
def test_every_field_is_kept(key: ApiKey) -> None:
    assert decode_key(key.id, encode_key(key)) == key
    assert key_from(key.id, key_document(key)) == key


def test_the_form_has_a_place_for_each_field_of_a_record() -> None:
    assert json.loads(encode_key(full_key())).keys() == {field.name for field in fields(ApiKey)}


def test_a_record_without_limits_is_short() -> None:
    document = json.loads(encode_key(make_key()))
    assert document.keys() == {"id", "digest", "name", "scopes", "created_at"}


def test_equal_records_have_equal_bytes_in_any_time_zone() -> None:
    key = full_key()
    elsewhere = replace(key, created_at=key.created_at.astimezone(timezone(timedelta(hours=5))))
    again = replace(elsewhere, scopes=frozenset(sorted(Scope, reverse=True)))
    assert encode_key(again) == encode_key(key)
    assert decode_key(key.id, encode_key(again)).created_at.tzinfo == UTC


def changed(**fields_: Any) -> bytes:
    document = {**json.loads(encode_key(full_key())), "id": "0aZ9bY8x", **fields_}
    return json.dumps(
        {name: value for name, value in document.items() if value != "absent"}
    ).encode()


def test_the_changed_record_of_the_next_test_is_good_without_a_change() -> None:
    assert decode_key("0aZ9bY8x", changed()).name == full_key().name


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"' + b"x" * 70_000 + b'"',
        b"[" * 10_000,
        b"\xff\xfe",
        changed(tenant="a limit of a newer version"),
        changed(scopes=["write", "erase"]),
        changed(scopes=["write", "write"]),
        changed(scopes=[]),
        changed(scopes="absent"),
        changed(digest="absent"),
        changed(digest="00"),
        changed(digest="zz" * 32),
        changed(id="0aZ9bY8y"),
        changed(name=""),
        changed(created_at="2026-01-01T00:00:00"),
        changed(created_at="0001-01-01T00:00:00+10:00"),
        changed(created_at="1969-12-31T23:59:59Z"),
        changed(revoked_at="9999-12-31T00:00:00Z"),
        changed(name="a\0b"),
        changed(name="\x1b[2J"),
        changed(name="\ud800"),
        changed(components=["a\nb"]),
        changed(expires_at=5),
        changed(revoked_at="never"),
        changed(events_per_second=0),
        changed(events_per_second=0.5),
        changed(events_per_day=-1),
        changed(components=[""]),
        changed(components="pay-*"),
        changed(origins=[None]),
    ],
)
def test_whatever_is_not_wholly_known_is_unreadable_and_is_not_shown(raw: bytes) -> None:
    with pytest.raises(UnreadableRecord) as told:
        decode_key("0aZ9bY8x", raw)
    assert full_key().name not in str(told.value)
    assert told.value.__cause__ is None


def test_a_record_under_a_name_that_is_no_id_is_unreadable() -> None:
    with pytest.raises(UnreadableRecord):
        decode_key("foo", changed(id="foo"))


def test_times_far_away_are_kept() -> None:
    far = datetime(9998, 12, 31, tzinfo=UTC)
    key = make_key(expires_at=far)
    assert decode_key(key.id, encode_key(key)).expires_at == far
