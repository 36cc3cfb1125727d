"""No page but the service's own changes anything with a session: asked of every route there is."""

from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from api.auth.access import ACCESS
from api.auth.own_page import HEADER
from api.explorer.assets import Assets
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.keys import client, new_key, put_on_queue
from tests.support.problems import problem
from tests.support.raw_http import Raw, request
from tests.support.sessions import OWN, SignedIn, cookie_of, fresh, post_key, sign_in

ALL, OTHER_KEY = new_key(), new_key()
EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
READS = ("GET", "HEAD", "OPTIONS")
CHANGES = sorted((method, path) for method, path in ACCESS if method not in READS)
PLACES = {
    "event_id": "0199a3c0-1111-7222-8333-444455556666",
    "erasure_id": "0199a3c0-1111-7222-8333-444455556677",
    "key_id": "0aZ9bY8x",
    "version": "0123456789abcdef",
    "name": "app.js",
}
SPELLINGS = ("{}", "/api{}", "{}/")

# What a browser sends for another page, as far as that page has any say in it.
OTHER = {"origin": "https://evil.example"}
NO_ORIGIN = {"origin": "null"}  # of a sandboxed frame, or a page in a file
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain")
FOREIGN: dict[str, dict[str, str]] = {
    "another origin": {**OWN, **OTHER},
    "an origin like ours": {**OWN, "origin": "http://127.0.0.1.evil.example"},
    "no origin": {**OWN, **NO_ORIGIN},
    "another site": {**OWN, "sec-fetch-site": "cross-site"},
    "no page is told": {},
    "a page is told, ours": {"sec-fetch-site": "same-origin"},
    **{f"a form as {kind}": {"content-type": kind} for kind in FORMS},
    **{f"a form as {kind} of another": {"content-type": kind, **OTHER} for kind in FORMS},
    "a form without an origin": {"content-type": FORMS[0], **NO_ORIGIN},
}


class Signed(NamedTuple):
    """A service, and a session of a key that may do everything."""

    http: httpx.Client
    running: Service
    session: SignedIn

    def send(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        """Send an event with the session's cookie, as JSON unless `headers` name another type."""
        sent = {"content-type": "application/json", **headers, "cookie": self.session.cookie}
        return self.http.request(method, path.format(**PLACES), headers=sent, json=EVENT)


@pytest.fixture(scope="module")
def signed(servers: TestServers) -> Iterator[Signed]:
    with servers.fresh() as settings:
        put_on_queue(settings, ALL, OTHER_KEY)
        with (
            service(settings, workers=0, auth="required", cache_grace_ms=0) as running,
            client(running) as http,
        ):
            yield Signed(http, running, sign_in(running, ALL))


def test_the_table_has_the_routes_that_change_something() -> None:
    assert {("POST", "/events"), ("DELETE", "/session"), ("POST", "/admin/keys")} <= {*CHANGES}
    assert HEADER.decode() in OWN


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_no_other_page_changes_anything_with_a_session(
    signed: Signed, method: str, path: str
) -> None:
    for name, headers in FOREIGN.items():
        for spelling in SPELLINGS if headers.get("origin") == "null" else SPELLINGS[:1]:
            answer = signed.send(method, spelling.format(path), headers)
            told = problem(answer, 403)["detail"]
            assert "Activity-Explorer" in told, (name, spelling)
            assert "set-cookie" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_no_other_page_may_ask_to_send_what_the_own_page_sends(
    signed: Signed, method: str, path: str
) -> None:
    asked = {
        **OTHER,
        "access-control-request-method": method,
        "access-control-request-headers": f"{HEADER.decode()},content-type",
    }
    allowed = signed.send("OPTIONS", path, asked).headers
    assert HEADER.decode() not in allowed.get("access-control-allow-headers", "").lower()
    assert "access-control-allow-credentials" not in allowed


def test_methods_that_no_route_has_are_refused_to_other_pages_too(signed: Signed) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        for path in sorted({path for _, path in ACCESS} - {"/session"}):
            assert signed.send(method, path, FOREIGN["no origin"]).status_code in (403, 404, 405)


def test_a_session_that_somebody_else_has_set_is_neither_kept_nor_preferred(signed: Signed) -> None:
    planted, typed = signed.session.cookie, {"key": ALL.token}
    answer = signed.http.post("/session", headers={**OWN, "cookie": planted}, json=typed)
    assert cookie_of(answer).cookie != planted
    secure = {**OWN, "origin": signed.running.url.replace("http", "https", 1)}
    guarded = cookie_of(post_key(signed.running, OTHER_KEY.token, **secure)).cookie
    assert guarded.startswith("__Host-")
    for both in (f"{planted}; {guarded}", f"{guarded}; {planted}"):
        told = fresh(signed.running, "GET", "/session", {"cookie": both}).json()
        assert told["key"]["id"] == OTHER_KEY.key.id


def test_nothing_but_a_file_of_the_explorer_is_below_its_path(signed: Signed) -> None:
    version = Assets().version
    assert signed.http.get(f"/explorer/{version}/app.js").status_code == 200
    for name in (
        *("../app.js", "%2e%2e/page.py", "..%2f..%2fassets.py", "vendor/../app.js", "//app.js"),
        *("vendor/HASHES", "README.md", "index.html", "app.js%00", "app.js;x", "%5capp.js"),
    ):
        with Raw(signed.running) as raw:  # as it is: a client would shorten the path
            raw.send(request(b"", b"GET", f"/explorer/{version}/{name}".encode()))
            assert raw.answer("GET").status in (400, 404), name


def test_nothing_was_changed_and_the_own_page_is_let_in(signed: Signed) -> None:
    http, headers = signed.http, {**OWN, "cookie": signed.session.cookie}
    assert http.get("/status", headers=headers).json()["backlog"] == 0
    assert http.get("/admin/audit", headers=headers).json()["acts"] == []
    for method, path in CHANGES:
        if path != "/session":
            assert signed.send(method, path, OWN).status_code != 403, path
    assert http.get("/status", headers=headers).json()["backlog"] > 0
    assert signed.send("DELETE", "/session", OWN).status_code == 204
    assert http.get("/status", headers=headers).status_code == 401
