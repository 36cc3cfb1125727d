"""Web pages of other origins post with a key that names their origin, and with no other."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from storage.access.api_key import Scope
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import TestKey, new_key, put_on_queue, revoked
from tests.support.problems import problem

PAGE, OTHER_PAGE, GONE_PAGE = (
    "https://shop.example",
    "http://localhost:3000",
    "https://gone.example",
)
EVENT = {"component": "shop", "environment": "web", "message": "clicked"}

OF_PAGE = new_key(Scope.WRITE, origins=(PAGE,), components=("shop",), events_per_day=1_000)
OF_OTHER_PAGE = new_key(Scope.WRITE, origins=(OTHER_PAGE, "https://another.example"))
OF_NO_PAGE = new_key(Scope.WRITE)
READER = new_key(Scope.READ, origins=("https://reader.example",))
EXPIRED = new_key(
    Scope.WRITE, origins=(GONE_PAGE,), expires_at=datetime.now(UTC) - timedelta(days=1)
)
FEW = new_key(Scope.WRITE, origins=(PAGE,), events_per_day=1)


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Service]:
    with servers.fresh() as settings:
        put_on_queue(settings, OF_PAGE, OF_OTHER_PAGE, OF_NO_PAGE, READER, EXPIRED, FEW)
        with service(settings, workers=0) as started:
            yield started


def preflight(
    running: Service, origin: str, path: str = "/events", headers: str = "authorization"
) -> httpx.Response:
    """Ask what a browser asks before it posts."""
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": headers,
    }
    answer = running.http.options(path, headers=asked)
    assert answer.status_code == 204
    return answer


def allows(answer: httpx.Response) -> str | None:
    """Return the origin whose pages may see the answer."""
    origin: str | None = answer.headers.get("access-control-allow-origin")
    return origin


def post(
    running: Service, key: TestKey | None, origin: str, path: str = "/events", body: object = EVENT
) -> httpx.Response:
    headers = {"origin": origin, **(key.headers if key else {})}
    return running.http.post(path, json=body, headers=headers)


@pytest.mark.parametrize("path", ["/events", "/events/batch", "/v1/logs", "/api/events/"])
@pytest.mark.parametrize("origin", [PAGE, OTHER_PAGE, "https://another.example"])
def test_a_page_may_post_whose_origin_a_key_names(running: Service, path: str, origin: str) -> None:
    answer = preflight(running, origin, path, "authorization,content-type,idempotency-key")
    assert allows(answer) == origin
    assert answer.headers["access-control-allow-methods"] == "POST"
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "content-type", "idempotency-key"} <= set(allowed)
    assert answer.headers["vary"] == "origin"
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "*", "", "https://shop.example.evil.example"),
        *("http://shop.example", "https://shop.example:8443", "https://SHOP.example"),
        *("https://shop.example/", "https://reader.example", GONE_PAGE),
    ],
)
def test_no_other_page_may_post(running: Service, origin: str) -> None:
    assert allows(preflight(running, origin)) is None
    for key in (OF_PAGE, OF_NO_PAGE, READER):
        if origin not in key.key.origins:
            assert allows(post(running, key, origin)) is None


@pytest.mark.parametrize("path", ["/status", "/health", "/nowhere", "/", "*"])
def test_a_page_may_do_nothing_but_post(running: Service, path: str) -> None:
    answer = running.http.options(
        path, headers={"origin": PAGE, "access-control-request-method": "GET"}
    )
    assert allows(answer) is None
    assert allows(running.http.get(path, headers={"origin": PAGE, **OF_PAGE.headers})) is None


def test_a_page_gets_the_answer_only_with_a_key_that_names_it(running: Service) -> None:
    good = post(running, OF_PAGE, PAGE)
    assert (good.status_code, allows(good), good.headers["vary"]) == (202, PAGE, "origin")
    assert "retry-after" in good.headers["access-control-expose-headers"]
    for key in (OF_OTHER_PAGE, OF_NO_PAGE):
        answer = post(running, key, PAGE)
        assert (answer.status_code, allows(answer)) == (202, None)
    assert allows(running.http.post("/events", json=EVENT, headers=OF_PAGE.headers)) is None


def test_a_page_sees_why_its_post_was_refused(running: Service) -> None:
    for status, body in ((422, {}), (403, {**EVENT, "component": "bank"})):
        answer = post(running, OF_PAGE, PAGE, body=body)
        assert (answer.status_code, allows(answer)) == (status, PAGE)
    assert post(running, FEW, PAGE).status_code == 202
    limited = post(running, FEW, PAGE)
    problem(limited, 429)
    assert allows(limited) == PAGE
    accepted = post(running, OF_PAGE, PAGE, "/events/batch", body=[EVENT])
    assert (accepted.status_code, allows(accepted)) == (202, PAGE)


def test_a_page_without_a_valid_key_sees_nothing(running: Service) -> None:
    for key in (None, new_key(origins=(PAGE,)), EXPIRED):
        answer = post(running, key, PAGE)
        assert (answer.status_code, allows(answer)) == (401, None)
    lacking = post(running, READER, "https://reader.example")
    assert (lacking.status_code, allows(lacking)) == (403, "https://reader.example")


def test_headers_of_cloudevents_are_allowed_and_no_others(running: Service) -> None:
    asked = "ce-id, CE-Source,x-evil,ce-a b, ce-,authorization"
    answer = preflight(running, PAGE, headers=asked)
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert [name for name in allowed if name.startswith(("ce-", "x-"))] == ["ce-id", "ce-source"]


def test_a_page_may_post_no_more_once_its_key_is_revoked(
    running: Service, servers: TestServers
) -> None:
    key = new_key(Scope.WRITE, origins=("https://soon.example",))
    put_on_queue(running.settings, key)
    wait_until(lambda: allows(preflight(running, "https://soon.example")), "the key to be known")
    put_on_queue(running.settings, revoked(key))
    wait_until(lambda: allows(preflight(running, "https://soon.example")) is None, "the revocation")
