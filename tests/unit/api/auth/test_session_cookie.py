"""The cookie of a session: which of several counts, and how a browser must guard it."""

import pytest

from api.auth.session_cookie import ended_cookie, session_cookie, session_token
from storage.access.session_token import (
    SessionToken,
    new_session_token,
    parse_session_token,
)
from storage.logs.redaction import redact

FIRST, SECOND, THIRD = (new_session_token("Ab3dEf9h", 1_800_000_000 + n) for n in range(3))


def found(*lines: str) -> SessionToken | None:
    return session_token([(b"cookie", line.encode("latin-1")) for line in lines])


def test_the_best_guarded_cookie_counts() -> None:
    plain = f"activity-session={FIRST.text}"
    secure = f"__Secure-activity-session={SECOND.text}"
    host = f"__Host-activity-session={THIRD.text}"
    assert found(plain) == FIRST
    assert found(f"a=b; {plain};c") == FIRST
    assert found(plain, secure) == SECOND
    assert found(f"{plain}; {secure}", host) == THIRD
    assert found(plain, f"activity-session={SECOND.text}") == FIRST
    assert found(f"activity-session=x; {plain}") == FIRST


@pytest.mark.parametrize(
    "line",
    [
        "",
        "activity-session",
        "activity-session=",
        "activity-session=é",
        f"my-activity-session={FIRST.text}",
        f"activity-session2={FIRST.text}",
        f"Activity-Session={FIRST.text}",
        f'activity-session="{FIRST.text}"',
        f"activity-session={FIRST.text}0",
        f"activity-session={FIRST.text[:-1]}",
        f"activity-session={FIRST.text.replace('_1', '_9999999999991')}",
        f"activity-session={FIRST.text}; {'x' * 20_000}",
    ],
)
def test_what_is_no_cookie_of_ours_is_none(line: str) -> None:
    assert found(line) is None


def test_a_cookie_says_how_it_is_guarded() -> None:
    assert session_cookie(FIRST, 60, "", True) == (
        f"__Host-activity-session={FIRST.text}; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; "
        "Secure"
    )
    assert session_cookie(FIRST, 60, "/a", False) == (
        f"activity-session={FIRST.text}; Path=/a; Max-Age=60; HttpOnly; SameSite=Strict"
    )
    assert ended_cookie("/a", True) == (
        "__Secure-activity-session=; Path=/a; Max-Age=0; HttpOnly; SameSite=Strict; Secure"
    )


def test_a_path_adds_no_attribute() -> None:
    for root in ("/a;Domain=example.com", "/;Secure"):
        assert session_cookie(FIRST, 60, root, False) == session_cookie(FIRST, 60, "", False)


def test_a_token_says_of_which_key_it_is_and_when_it_ends() -> None:
    assert parse_session_token(FIRST.text) == FIRST
    assert (FIRST.key_id, FIRST.ends_at) == ("Ab3dEf9h", 1_800_000_000)
    assert new_session_token("Ab3dEf9h", 1).text != new_session_token("Ab3dEf9h", 1).text


def test_a_proof_follows_from_the_whole_token_and_from_the_key() -> None:
    proofs = {token.proof(digest) for token in (FIRST, SECOND) for digest in (b"1", b"2")}
    assert len(proofs) == 4
    assert all(len(proof) == 64 for proof in proofs)
    assert FIRST.proof(b"1") == FIRST.proof(b"1")


def test_no_log_has_a_token() -> None:
    shown = redact(f"cookie: activity-session={FIRST.text}; x")
    assert shown == "cookie: activity-session=acts_Ab3dEf9h_1800000000_…; x"
