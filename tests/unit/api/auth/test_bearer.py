"""Which `Authorization` headers have a token."""

import pytest

from api.auth.bearer import key_id_of, token_of
from storage.access.token import id_of, new_token
from tests.support.keys import masked

TOKEN = new_token()
RAW = TOKEN.encode()


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer " + RAW,
        b"bearer " + RAW,
        b"BEARER " + RAW,
        b"Bearer   " + RAW,
        b"Bearer " + RAW + b" \t",
    ],
    ids=masked,
)
def test_the_scheme_may_have_any_case_and_spaces_may_follow(value: bytes) -> None:
    assert token_of([value]) == TOKEN


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [b"Bearer"],
        [b"Bearer "],
        [RAW],
        [b"Basic " + RAW],
        [b"Token " + RAW],
        [b"Bearer\t" + RAW],
        [b"Bearer" + RAW],
        [b"Bearer " + RAW, b"Bearer " + RAW],
        [b"Bearer " + RAW + b", Bearer " + RAW],
        [b"Bearer " + RAW + b"x"],
        [b"Bearer x" + RAW],
        [b"Bearer " + RAW[:-1]],
        [b"Bearer " + RAW[:-1] + b"\xff"],
        [b"Bearer " + RAW + b"\n"],
        ["Bearer ａct_".encode() + RAW[4:]],
        ["Bearer act_٣".encode() + RAW[5:]],
        [b"Bearer " + b" " * 10_000 + RAW],
        [b"Bearer " + b"a" * 60_000],
    ],
    ids=masked,
)
def test_nothing_else_is_a_token(values: list[bytes]) -> None:
    assert token_of(values) is None


def test_a_typing_error_is_seen_without_a_store() -> None:
    wrong = TOKEN[:-1] + ("0" if TOKEN[-1] != "0" else "1")
    assert token_of([b"Bearer " + wrong.encode()]) == wrong
    assert key_id_of(wrong) is None
    assert key_id_of(TOKEN) == id_of(TOKEN)
