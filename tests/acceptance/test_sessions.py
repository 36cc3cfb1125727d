"""Signing in: a key is traded for a cookie that counts as the key, until somebody ends it."""

import json
from collections.abc import Iterator
from functools import partial
from time import monotonic
from typing import NamedTuple

import pytest

from api.auth.own_page import HEADER
from storage.access.api_key import Scope
from storage.access.session_token import new_session_token
from storage.access.token import new_token
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import new_key, put_on_queue, revoked
from tests.support.problems import problem, without_id
from tests.support.raw_http import Raw, request
from tests.support.sessions import (
    COOKIE,
    OWN,
    SignedIn,
    cookie_of,
    fresh,
    post_key,
    sign_in,
    status,
)

LAST_CHUNK = b"\r\n0\r\n\r\n"
EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
ALL = new_key()
READER = new_key(Scope.READ)
LIMITED = new_key(Scope.READ, Scope.WRITE, components=("billing",))
DOOMED = new_key()


class Pair(NamedTuple):
    """Two API processes, each on a port of its own, with the same servers."""

    one: Service
    other: Service
    settings: StorageSettings


@pytest.fixture(scope="module")
def pair(servers: TestServers) -> Iterator[Pair]:
    with servers.fresh() as settings:
        put_on_queue(settings, ALL, READER, LIMITED, DOOMED)
        with (
            service(settings, auth="required", cache_grace_ms=0) as one,
            service(settings, workers=0, auth="required", cache_grace_ms=0) as other,
        ):
            yield Pair(one, other, settings)


def is_over(running: Service, session: SignedIn) -> bool:
    return status(running, "/events", session) == 401


def session_answer(running: Service, headers: dict[str, str]) -> dict[str, object]:
    answer = fresh(running, "GET", "/session", headers)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found: dict[str, object] = answer.json()
    return found


def test_a_key_is_traded_for_a_cookie_that_no_script_can_read(pair: Pair) -> None:
    answer = post_key(pair.one, ALL.token)
    assert answer.headers["cache-control"] == "no-store"
    session = cookie_of(answer)
    assert session.cookie.startswith(f"{COOKIE}=acts_{ALL.key.id}_")
    [max_age] = [each for each in session.attributes if each.startswith("Max-Age=")]
    assert session.attributes == {"Path=/", max_age, "HttpOnly", "SameSite=Strict"}
    assert 43_190 <= int(max_age.partition("=")[2]) <= 43_201
    told = answer.json()
    assert told == session_answer(pair.other, session.headers)
    assert (told["needs_key"], told["is_session"]) == (True, True)
    assert told["key"]["id"] == ALL.key.id
    assert told["key"]["scopes"] == sorted(Scope)
    assert told["until"].endswith("Z")
    secret = ALL.token[13:]
    assert secret not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    ("root", "origin", "name", "path"),
    [
        ("", "https://127.0.0.1:{port}", "__Host-activity-session", "/"),
        ("/logs/v2", "https://127.0.0.1:{port}", "__Secure-activity-session", "/logs/v2"),
        ("/logs/v2", "http://127.0.0.1:{port}", "activity-session", "/logs/v2"),
    ],
)
def test_where_the_browser_sees_https_the_cookie_is_sent_by_nothing_else(
    pair: Pair, root: str, origin: str, name: str, path: str
) -> None:
    port = pair.one.url.rpartition(":")[2]
    told = {"x-forwarded-prefix": root} if root else {}
    headers = {"origin": origin.format(port=port), **told}
    session = cookie_of(post_key(pair.one, ALL.token, **headers))
    assert session.cookie.startswith(f"{name}=acts_")
    assert f"Path={path}" in session.attributes
    assert ("Secure" in session.attributes) == origin.startswith("https")
    assert status(pair.other, "/events", session) == 200
    out = fresh(pair.one, "DELETE", "/session", {**session.headers, **headers})
    assert cookie_of(out).cookie == f"{name}="
    assert {"Max-Age=0", f"Path={path}"} <= cookie_of(out).attributes
    assert status(pair.other, "/events", session) == 401


def test_a_session_may_do_what_its_key_may_and_no_more(pair: Pair) -> None:
    everything, reader = sign_in(pair.one, ALL), sign_in(pair.one, READER)
    for path in ("/events", "/events/stats", "/events/facets?field=component"):
        assert status(pair.other, path, everything) == status(pair.other, path, reader) == 200
    assert status(pair.one, "/status", everything) == 200
    assert status(pair.one, "/status", reader) == 403
    posted = fresh(pair.one, "POST", "/events", everything.headers, json=EVENT)
    assert posted.status_code == 202
    for path in ("/events", "/events/batch"):
        refused = fresh(pair.one, "POST", path, reader.headers, json=EVENT)
        assert "`write`" in problem(refused, 403)["detail"]
    ready = fresh(pair.one, "GET", "/health/ready", everything.headers)
    assert "dependencies" in ready.json()
    assert "dependencies" not in fresh(pair.one, "GET", "/health/ready", reader.headers).json()
    assert problem(fresh(pair.one, "GET", "/nowhere", reader.headers), 404)
    answer = fresh(pair.one, "GET", "/events", everything.headers)
    assert "cookie" in answer.headers.get_list("vary", split_commas=True)


def test_a_session_of_a_limited_key_reads_the_pages_of_that_key(pair: Pair) -> None:
    session = sign_in(pair.one, LIMITED)
    for component in ("billing", "orders"):
        event = {**EVENT, "component": component, "message": "of the limit"}
        path, key = "/events?ack=stored", ALL.headers
        assert fresh(pair.one, "POST", path, key, json=event).status_code in (201, 202)
    path = "/events?message=of the limit"
    wait_until(
        lambda: len(fresh(pair.one, "GET", path, ALL.headers).json()["events"]) == 2,
        "both events to be stored",
    )
    for _ in range(3):  # from PostgreSQL, from control, from memory
        by_key = fresh(pair.one, "GET", path, LIMITED.headers)
        by_session = fresh(pair.one, "GET", path, session.headers)
        assert [event["component"] for event in by_session.json()["events"]] == ["billing"]
        assert by_session.headers["etag"] == by_key.headers["etag"]
    refused = fresh(pair.one, "POST", "/events", session.headers, json=EVENT)
    assert "`component`" in problem(refused, 403)["detail"]
    told = session_answer(pair.one, session.headers)["key"]
    assert isinstance(told, dict)
    assert told["components"] == ["billing"]


def test_every_wrong_key_gets_the_one_answer_and_no_session(pair: Pair) -> None:
    gone = new_key()
    put_on_queue(pair.settings, revoked(gone))
    wrong = [new_token(), gone.token, ALL.token[:-1], ALL.token + "0", "", "x", "é\n", "a b"]
    answers = [post_key(pair.one, token) for token in wrong]
    answers.append(fresh(pair.one, "GET", "/events", {}))
    for answer in answers:
        assert problem(answer, 401)
        assert "set-cookie" not in answer.headers
        assert without_id(answer) == without_id(answers[0])


def test_no_error_repeats_what_was_typed(pair: Pair) -> None:
    secret = ALL.token[13:]
    for body, expected in (
        (ALL.token, 400),
        (json.dumps(ALL.token), 422),
        (json.dumps({"token": ALL.token}), 422),
        (json.dumps({ALL.token: 1}), 422),
        (json.dumps({"key": [ALL.token]}), 422),
        (json.dumps({"key": ALL.token, "more": ALL.token}), 422),
        (b"\xff" + ALL.token.encode(), 400),
        (json.dumps({"key": ALL.token * 5}), 422),
        (json.dumps({"key": ALL.token * 100}), 413),
    ):
        headers = {"content-type": "application/json", **OWN}
        answer = fresh(pair.one, "POST", "/session", headers, content=body)
        assert problem(answer, expected)
        assert secret not in answer.text
    headers = {"content-type": "text/plain", **OWN}
    answer = fresh(pair.one, "POST", "/session", headers, content=json.dumps({"key": ALL.token}))
    assert problem(answer, 415)


def test_who_is_not_signed_in_is_told_so_and_not_refused(pair: Pair) -> None:
    nobody = {"needs_key": True, "key": None, "is_session": False, "until": None}
    for headers in (
        {},
        {"cookie": f"{COOKIE}=x"},
        {"cookie": f"{COOKIE}={new_session_token('00000000', 9_999_999_999).text}"},
        {"authorization": f"Bearer {new_token()}"},
    ):
        assert session_answer(pair.one, headers) == nobody
    by_key = session_answer(pair.one, READER.headers)
    assert (by_key["is_session"], by_key["until"]) == (False, None)


def test_signing_out_ends_every_copy_of_the_session_in_every_process(pair: Pair) -> None:
    session, second = sign_in(pair.one, ALL), sign_in(pair.one, ALL)
    assert status(pair.other, "/events", session) == 200
    out = fresh(pair.one, "DELETE", "/session", session.headers)
    assert out.status_code == 204
    assert {"Max-Age=0", "Path=/"} <= cookie_of(out).attributes
    for running in (pair.one, pair.other):
        assert status(running, "/events", session) == 401
        assert status(running, "/events", second) == 200
    again = fresh(pair.other, "DELETE", "/session", session.headers)
    assert again.status_code == 204
    assert fresh(pair.other, "DELETE", "/session", OWN).status_code == 204


def test_a_stream_ends_when_its_session_is_ended_in_another_process(pair: Pair) -> None:
    session = sign_in(pair.one, ALL)
    with Raw(pair.other) as raw:
        raw.send(
            request(b"", b"GET", b"/events/tail", b"Cookie: " + session.cookie.encode()),
        )
        received = raw.socket.recv(65_536)
        assert received.startswith(b"HTTP/1.1 200")
        assert fresh(pair.one, "DELETE", "/session", session.headers).status_code == 204
        deadline = monotonic() + 60
        while not received.endswith(LAST_CHUNK):
            assert monotonic() < deadline
            received += raw.socket.recv(65_536)


def test_a_revoked_key_takes_its_sessions_with_it(pair: Pair) -> None:
    session = sign_in(pair.one, DOOMED)
    assert status(pair.other, "/events", session) == 200
    put_on_queue(pair.settings, revoked(DOOMED))
    for running in (pair.one, pair.other):
        wait_until(partial(is_over, running, session), "the session to end")
    assert problem(post_key(pair.one, DOOMED.token), 401)
    assert fresh(pair.one, "DELETE", "/session", session.headers).status_code == 204


@pytest.mark.parametrize("kind", ["tail", "poll"])
def test_a_key_in_the_header_wins_over_a_session(pair: Pair, kind: str) -> None:
    session = sign_in(pair.one, ALL)
    path = "/events" if kind == "poll" else "/events/changes"
    wrong = {**session.headers, "authorization": f"Bearer {new_token()}"}
    assert fresh(pair.one, "GET", path, wrong).status_code == 401
    weaker = {**session.headers, **READER.headers}
    assert fresh(pair.one, "GET", "/status", weaker).status_code == 403
    assert session_answer(pair.one, weaker)["is_session"] is False
    posted = fresh(pair.one, "POST", "/events", {**ALL.headers, "cookie": "x=1"}, json=EVENT)
    assert posted.status_code == 202


FOREIGN = {
    "without the header": {HEADER.decode(): ""},
    "another value": {HEADER.decode(): "2"},
    "another site": {"sec-fetch-site": "cross-site"},
    "a sibling": {"sec-fetch-site": "same-site"},
    "typed": {"sec-fetch-site": "none"},
    "two sites": {"sec-fetch-site": "same-origin, cross-site"},
    "another origin": {"origin": "http://evil.example"},
    "another port": {"origin": "http://127.0.0.1:1"},
    "no origin": {"origin": "null"},
    "a broken origin": {"origin": "http://[::1"},
    "only a path": {"origin": "/"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_no_other_page_changes_anything_with_a_session(pair: Pair, headers: dict[str, str]) -> None:
    session = sign_in(pair.one, ALL)
    sent = {**session.headers, **headers}
    for path in ("/events", "/events/batch"):
        found = fresh(pair.one, "POST", path, sent, json=EVENT)
        assert "Activity-Explorer" in problem(found, 403)["detail"]
    for method in ("PUT", "PATCH", "DELETE"):
        assert problem(fresh(pair.one, method, "/events", sent), 403)
    signing_in = fresh(pair.one, "POST", "/session", {**OWN, **headers}, json={"key": ALL.token})
    assert problem(signing_in, 403)
    assert "set-cookie" not in signing_in.headers
    assert problem(fresh(pair.one, "DELETE", "/session", sent), 403)
    assert status(pair.one, "/events", session) == 200  # it was not ended


def test_the_own_page_may_change_with_what_any_browser_says_of_it(pair: Pair) -> None:
    session = sign_in(pair.one, ALL)
    host = pair.one.url.removeprefix("http://")
    for headers in (
        {},  # an old browser
        {"origin": f"http://{host}"},
        {"origin": f"https://{host}", "sec-fetch-site": "same-origin"},
        # A proxy that does not pass the host on: the browser says that it is the same.
        {"origin": "https://logs.example.com", "sec-fetch-site": "same-origin"},
    ):
        found = fresh(pair.one, "POST", "/events", {**session.headers, **headers}, json=EVENT)
        assert found.status_code == 202, headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_other_page_reads_with_a_session(pair: Pair, site: str) -> None:
    session = sign_in(pair.one, ALL)
    for path in ("/events", "/events/tail", "/status"):
        found = fresh(pair.one, "GET", path, {**session.headers, "sec-fetch-site": site})
        assert problem(found, 401)
    typed = {"cookie": session.cookie, "sec-fetch-site": "none"}
    assert fresh(pair.one, "GET", "/events", typed).status_code == 200


def test_no_page_of_another_origin_may_send_a_session_or_ask_for_one(pair: Pair) -> None:
    origin = "https://shop.example.com"
    key = new_key(Scope.WRITE, origins=(origin,))
    put_on_queue(pair.settings, key)
    wait_until(lambda: fresh(pair.one, "GET", "/", key.headers).status_code == 200, "")
    wait_until(lambda: post_key(pair.one, key.token).status_code == 200, "the key to be known")
    session = sign_in(pair.one, key)
    for path in ("/events", "/session"):
        asked = {"origin": origin, "access-control-request-method": "POST"}
        asked["access-control-request-headers"] = "activity-explorer,content-type"
        allowed = fresh(pair.one, "OPTIONS", path, asked)
        assert ("access-control-allow-origin" in allowed.headers) == (path == "/events")
        assert "activity-explorer" not in allowed.headers.get("access-control-allow-headers", "")
        assert "access-control-allow-credentials" not in allowed.headers
    posted = fresh(pair.one, "POST", "/events", {**session.headers, "origin": origin}, json=EVENT)
    assert problem(posted, 403)
    assert "access-control-allow-origin" not in posted.headers


def test_the_same_bytes_get_another_answer_once_the_session_has_ended(pair: Pair) -> None:
    """The fast paths remember heads of requests, and pages: none of them for a session."""
    session = sign_in(pair.one, ALL)
    sent = request(b"", b"GET", b"/events?limit=3", b"Cookie: " + session.cookie.encode())
    with Raw(pair.one) as raw:
        for _ in range(5):
            raw.send(sent)
            assert raw.answer("GET").status == 200
        assert fresh(pair.other, "DELETE", "/session", session.headers).status_code == 204
        for _ in range(3):
            raw.send(sent)
            assert raw.answer("GET").status == 401
