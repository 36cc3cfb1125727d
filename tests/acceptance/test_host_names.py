"""Refuse requests of a web page whose name was rebound to this machine."""

import json
from collections.abc import Iterator

import httpx
import pytest

from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.problems import problem
from tests.support.raw_http import Raw

EVENT = {"component": "hosts", "environment": "e", "message": "m"}
LOGS: dict[str, object] = {"resourceLogs": []}
CALLS = [
    ("POST", "/events", EVENT, 202),
    ("POST", "/events?ack=queued", EVENT, 202),
    ("POST", "/events/batch", [EVENT], 202),
    ("POST", "/v1/logs", LOGS, 200),
    ("GET", "/events?component=hosts", None, 200),
    ("GET", "/status", None, 200),
    ("GET", "/health", None, 200),
    ("GET", "/health/ready", None, 200),
    ("GET", "/openapi.json", None, 200),
]


@pytest.fixture(scope="module")
def settings(servers: TestServers) -> Iterator[StorageSettings]:
    with servers.fresh() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def running(settings: StorageSettings) -> Iterator[Service]:
    with service(settings, cache_grace_ms=0) as started:
        yield started


@pytest.fixture(scope="module")
def named(settings: StorageSettings) -> Iterator[Service]:
    names = "logs.example.com, *.internal"
    with service(settings, workers=0, cache_grace_ms=0, allowed_hosts=names) as started:
        yield started


def ask(running: Service, method: str, path: str, body: object, host: str) -> httpx.Response:
    content = None if body is None else json.dumps(body)
    headers = {"host": host, "content-type": "application/json"}
    return running.http.request(method, path, content=content, headers=headers)


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
def test_on_loopback_only_loopback_host_names_are_accepted(
    running: Service, method: str, path: str, body: object, status: int
) -> None:
    for host in ("localhost", "127.0.0.1:5000", "[::1]:80"):
        assert ask(running, method, path, body, host).status_code == status
    for host in ("evil.example", "evil.example:5000", "192.0.2.1"):
        answer = ask(running, method, path, body, host)
        assert "ACTIVITY_ALLOWED_HOSTS" in problem(answer, 421)["detail"]
        assert host.partition(":")[0] in answer.json()["detail"]


def test_only_the_configured_host_names_are_accepted(named: Service) -> None:
    for method, path, body, status in CALLS:
        for host in ("logs.example.com", "a.internal:8080", "localhost"):
            assert ask(named, method, path, body, host).status_code == status
        problem(ask(named, method, path, body, "example.com"), 421)


@pytest.mark.parametrize(
    "hosts", [b"", b"Host: localhost\r\nHost: evil.example\r\n", b"Host: a b\r\n"]
)
@pytest.mark.parametrize("start", [b"GET /events HTTP/1.1\r\n", b"POST /events HTTP/1.1\r\n"])
def test_a_request_without_one_host_is_refused(
    running: Service, start: bytes, hosts: bytes
) -> None:
    body = json.dumps(EVENT).encode()
    rest = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with Raw(running) as raw:
        raw.send(start + hosts + rest)
        answer = raw.answer(start[:4].decode().strip())
        assert (answer.status, json.loads(answer.body)["errors"][0]["header"]) == (400, "Host")
        raw.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw.answer("GET").status == 200


def test_http_1_0_needs_no_host(running: Service) -> None:
    with Raw(running) as raw:
        raw.send(b"GET /health HTTP/1.0\r\n\r\n")
        assert raw.answer("GET").status == 200
