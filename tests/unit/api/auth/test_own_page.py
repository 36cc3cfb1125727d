"""The rule against cross-site requests, for what each browser says of the page that asks."""

import pytest

from api.auth.own_page import admits_session, has_secure_origin, require_own_page
from api.http.problems import Problem

HOST = (b"host", b"logs.example.com")
OWN = (b"activity-explorer", b"1")


def origin(text: bytes) -> tuple[bytes, bytes]:
    return b"origin", text


def site(text: bytes) -> tuple[bytes, bytes]:
    return b"sec-fetch-site", text


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, OWN],
        [HOST, OWN, origin(b"https://logs.example.com")],
        [HOST, OWN, origin(b"http://LOGS.example.com")],
        [(b"host", b"logs.example.com:443"), OWN, origin(b"https://logs.example.com")],
        [(b"host", b"logs.example.com"), OWN, origin(b"http://logs.example.com:80")],
        [(b"host", b"[::1]:5000"), OWN, origin(b"http://[::1]:5000")],
        [HOST, OWN, site(b"same-origin"), origin(b"https://other.example.com")],
    ],
)
def test_the_own_page_is_let_in(headers: list[tuple[bytes, bytes]]) -> None:
    require_own_page(headers)


@pytest.mark.parametrize(
    "headers",
    [
        [HOST],
        [HOST, site(b"same-origin")],
        [HOST, OWN, OWN],
        [HOST, (OWN[0], b"1 ")],
        [HOST, OWN, site(b"same-site"), origin(b"https://logs.example.com")],
        [HOST, OWN, site(b"same-origin"), site(b"same-origin")],
        [HOST, OWN, site(b"none")],
        [HOST, OWN, site(b"")],
        [HOST, OWN, origin(b"null")],
        [HOST, OWN, origin(b"")],
        [HOST, OWN, origin(b"https://logs.example.com.evil.example")],
        [HOST, OWN, origin(b"https://logs.example.com:8443")],
        [HOST, OWN, origin(b"https://logs.example.com:80")],
        [HOST, OWN, origin(b"file://logs.example.com")],
        [HOST, OWN, origin(b"https://logs.example.com"), origin(b"https://logs.example.com")],
        [HOST, OWN, origin("https://lögs.example.com".encode())],
        [HOST, OWN, origin(b"http://[::1")],
        [(b"host", b""), OWN, origin(b"http://")],
        [HOST, HOST, OWN, origin(b"https://logs.example.com")],
        [OWN, origin(b"https://logs.example.com")],
    ],
)
def test_another_page_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Problem) as refused:
        require_own_page(headers)
    assert refused.value.status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_read_needs_no_header_but_no_other_page_makes_it(method: str) -> None:
    for headers, admitted in (
        ([HOST], True),
        ([HOST, site(b"same-origin")], True),
        ([HOST, site(b"none")], True),
        ([HOST, site(b"same-site")], False),
        ([HOST, site(b"cross-site")], False),
        ([HOST, site(b"none"), site(b"none")], False),
    ):
        assert admits_session({"method": method, "headers": headers}) == admitted


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "QUERY", "get", "X"])
def test_every_other_method_counts_as_a_change(method: str) -> None:
    assert admits_session({"method": method, "headers": [HOST, OWN]})
    with pytest.raises(Problem):
        admits_session({"method": method, "headers": [HOST]})


def test_https_is_seen_by_the_service_or_told_by_the_browser() -> None:
    secure = [HOST, origin(b"https://logs.example.com")]
    assert has_secure_origin({"scheme": "https", "headers": [HOST]})
    assert has_secure_origin({"scheme": "http", "headers": secure})
    assert not has_secure_origin({"scheme": "http", "headers": [HOST, origin(b"http://x")]})
