"""With keys: each scope against each route, one answer for every wrong key, and when keys end."""

import json
from collections.abc import Iterator

import httpx
import pytest

from api.auth.access import ACCESS
from api.formats.otlp.encodings import PROTOBUF
from api.routes import admin, explorer, feed, ingest, ops, otlp, pages, query
from api.routes.protected_route import ProtectedRoute
from storage.access.api_key import Scope
from storage.access.token import new_token
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.keys import client, new_key, put_on_queue, revoked
from tests.support.otlp_requests import request as export_request
from tests.support.problems import problem, without_id
from tests.support.raw_http import Raw, request

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
UNKNOWN_ID = "0199a3c0-1111-7222-8333-444455556666"
KEYS = {scope: new_key(scope) for scope in Scope}
GONE = new_key()
BODIES: dict[str, object] = {
    "/events": EVENT,
    "/events/batch": [EVENT],
    "/v1/logs": {"resourceLogs": []},
}
STRANGERS = {
    "without": {},
    "unknown": {"authorization": f"Bearer {new_token()}"},
    "revoked": GONE.headers,
    "basic": {"authorization": "Basic YTpi"},
}
ROUTES = {
    (method, route.path_format)
    for module in (admin, explorer, feed, ingest, ops, otlp, pages, query)
    for route in module.router.routes
    if isinstance(route, ProtectedRoute)
    for method in route.methods or ()
}
SERVED = [(*route, scope) for route, scope in ACCESS.items() if route in ROUTES]


@pytest.fixture(scope="module")
def guarded(servers: TestServers) -> Iterator[Service]:
    """Run a service that needs keys, with a key of each scope."""
    with servers.fresh() as settings:
        put_on_queue(settings, *KEYS.values(), revoked(GONE))
        with service(settings, auth="required", cache_grace_ms=0) as running:
            yield running


def spellings(path: str) -> list[str]:
    plain = path.replace("{event_id}", UNKNOWN_ID).replace("{name}", "docs.js")
    plain = plain.replace("{version}", "0123456789abcdef")
    plain = plain.replace("{key_id}", "0aZ9bY8x")
    return [base + plain + end for base in ("", "/api") for end in ("", "/") if plain != "/"] or [
        "/",
        "/api",
        "/api/",
    ]


def send(http: httpx.Client, method: str, path: str, **more: object) -> httpx.Response:
    body = next((body for of, body in BODIES.items() if path.rstrip("/").endswith(of)), None)
    if path.rstrip("/").endswith("/tail"):
        path += "?after=x"  # refused, but for a key that is let in: or the answer had no end
    return http.request(method, path, json=body if method == "POST" else None, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "path", "needed"), SERVED, ids=lambda value: str(value))
def test_each_route_lets_in_its_scope_and_no_other(
    guarded: Service, method: str, path: str, needed: Scope | None
) -> None:
    with client(guarded) as http:
        for spelling in spellings(path):
            for same in (method, "HEAD") if method == "GET" else (method,):
                for scope, key in KEYS.items():
                    found = send(http, same, spelling, headers=key.headers)
                    allowed = needed in (None, scope)
                    assert (found.status_code not in (401, 403)) == allowed, (spelling, scope)
                    if not allowed and same != "HEAD":
                        assert f"`{needed}`" in problem(found, 403)["detail"]
                        assert f'scope="{needed}"' in found.headers["www-authenticate"]
                for headers in STRANGERS.values():
                    found = send(http, same, spelling, headers=headers)
                    assert (found.status_code == 401) == (needed is not None), spelling


@pytest.mark.parametrize(("method", "path", "needed"), SERVED, ids=lambda value: str(value))
def test_options_are_open_and_other_methods_are_told_only_to_those_with_a_key(
    guarded: Service, method: str, path: str, needed: Scope | None
) -> None:
    with client(guarded) as http:
        spelling = spellings(path)[0]
        assert http.options(spelling).status_code == 204
        assert http.options(spelling, headers=STRANGERS["unknown"]).status_code == 204
        assert http.delete(spelling).status_code == 401
        assert http.delete(spelling, headers=KEYS[Scope.ADMIN].headers).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/events/batch",
        "/metrics",
        "//events",
        "/events/../status",
        "/%65vents",
        "/events%2f",
        "/api/api/events",
        "/health/../status",
        "/health/ready/../../status",
        "/docs/../events",
        "/docs/..%2fevents",
        "/events;/health",
        "/EVENTS",
        f"/health/{UNKNOWN_ID}",
    ],
)
def test_no_spelling_of_a_path_goes_around_the_check(guarded: Service, path: str) -> None:
    for headers in ((), (b"X-Forwarded-Prefix: /health",), (b"X-Forwarded-Prefix: /docs",)):
        with Raw(guarded) as raw:
            raw.send(request(b"", b"GET", path.encode(), *headers))
            assert raw.answer("GET").status == 401


@pytest.mark.parametrize("prefix", [b"/health", b"/docs", b"/docs/docs.js", b"/x"])
@pytest.mark.parametrize("path", [b"/events", b"/status", b"/events/" + UNKNOWN_ID.encode()])
def test_no_prefix_goes_around_the_check(guarded: Service, prefix: bytes, path: bytes) -> None:
    for sent in (path, prefix + path, prefix + b"/api" + path + b"/"):
        with Raw(guarded) as raw:
            raw.send(request(b"", b"GET", sent, b"X-Forwarded-Prefix: " + prefix))
            # `/docs/events` is a file of the pages, which are open: there is none.
            is_file = sent.startswith(b"/docs/") and sent.count(b"/") == 2
            assert raw.answer("GET").status == (404 if is_file else 401)


def test_every_wrong_key_gets_the_same_answer(guarded: Service) -> None:
    right = KEYS[Scope.READ].token
    wrong = [right[:-1], right + "0", right.swapcase(), new_token(), GONE.token, "x"]
    with client(guarded) as http:
        answers = [http.get("/events", headers={"authorization": f"Bearer {one}"}) for one in wrong]
        answers += [http.get("/events", headers=headers) for headers in STRANGERS.values()]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert all(without_id(answer) == without_id(answers[0]) for answer in answers)
    assert len({len(answer.content) for answer in answers}) == 1
    assert right not in answers[0].text


def test_a_token_in_the_query_is_none(guarded: Service) -> None:
    with client(guarded) as http:
        token = KEYS[Scope.READ].token
        for name in ("access_token", "key", "token", "authorization"):
            assert http.get("/events", params={name: token}).status_code == 401


def test_who_asks_is_checked_before_anything_that_was_sent(guarded: Service) -> None:
    with client(guarded) as http:
        for method, path, body in (
            ("POST", "/events", b"{"),
            ("POST", "/events?ack=never", b"{}"),
            ("POST", "/events/batch", b"["),
            ("POST", "/v1/logs", b"\xff"),
            ("GET", "/events?nothing=1", b""),
            ("GET", "/events/no-id", b""),
        ):
            found = http.request(method, path, content=body, headers={"content-type": "text/x"})
            assert found.status_code == 401, path
            found = http.request(method, path, content=body, headers=KEYS[Scope.ADMIN].headers)
            assert found.status_code == 403, path


def test_nobody_without_a_key_has_its_body_read(guarded: Service) -> None:
    head = request(b"", b"POST", b"/events", b"Content-Length: 1000000", b"Expect: 100-continue")
    with Raw(guarded) as raw:
        raw.send(head)
        assert raw.answer().status == 401


def test_each_request_on_a_connection_has_its_own_key(guarded: Service) -> None:
    body = json.dumps(EVENT).encode()

    def post(value: bytes) -> bytes:
        headers = (b"Content-Type: application/json", b"Content-Length: %d" % len(body))
        return request(body, b"POST", b"/events", *headers, b"Authorization: " + value)

    values = [KEYS[Scope.WRITE].value, b"x", KEYS[Scope.READ].value, KEYS[Scope.WRITE].value]
    with Raw(guarded) as raw:
        raw.send(b"".join(map(post, values)))
        assert [raw.answer().status for _ in values] == [202, 401, 403, 202]


def test_a_stranger_learns_from_the_probes_only_whether_they_are_good(guarded: Service) -> None:
    with client(guarded) as http:
        for headers in (*STRANGERS.values(), KEYS[Scope.READ].headers):
            found = http.get("/health/ready", headers=headers).json()
            assert found == {"status": "ready"}
            assert http.get("/health", headers=headers).json() == {"status": "healthy"}
        found = http.get("/health/ready", headers=KEYS[Scope.OBSERVE].headers).json()
        assert found["dependencies"].keys() == {"queue", "control", "database"}


def test_the_document_asks_for_a_key_on_each_path_that_needs_one(guarded: Service) -> None:
    with client(guarded) as http:
        paths = http.get("/openapi.json").json()["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            scope = ACCESS[method.upper(), path]
            assert operation["security"] == ([] if scope is None else [{"key": [scope]}])


def test_opentelemetry_senders_are_let_in_by_the_same_header(guarded: Service) -> None:
    with client(guarded) as http:
        body, kind = export_request().SerializeToString(), {"content-type": PROTOBUF.media_type}
        assert http.post("/v1/logs", content=body, headers=kind).status_code == 401
        kind |= KEYS[Scope.WRITE].headers
        assert http.post("/v1/logs", content=body, headers=kind).status_code == 200
