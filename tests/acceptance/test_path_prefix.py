"""Publish the service below a path of a proxy: its links lead back to itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.nginx import needs_nginx, nginx

EVENT = {"component": "prefix", "environment": "e", "message": "m"}
FORWARDED = {"x-forwarded-prefix": "/logs/v2"}


@pytest.fixture(scope="module")
def settings(servers: TestServers) -> Iterator[StorageSettings]:
    with servers.fresh() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def fixed(settings: StorageSettings) -> Iterator[Service]:
    with service(settings, workers=0, root_path="/activity") as started:
        yield started


@pytest.fixture(scope="module")
def told(settings: StorageSettings) -> Iterator[Service]:
    with service(settings, workers=0) as started:
        yield started


@pytest.fixture(scope="module")
def distrustful(settings: StorageSettings) -> Iterator[Service]:
    with service(settings, workers=0, trusted_proxies="192.0.2.1") as started:
        yield started


def post(http: httpx.Client, path: str, **headers: str) -> str:
    answer = http.post(path, json=EVENT, headers=headers)
    assert answer.status_code == 202, answer.text
    location: str = answer.headers["location"]
    assert location.endswith(f"/events/{answer.json()['id']}")
    return location.rpartition("/events/")[0]


@pytest.mark.parametrize("path", ["/events", "/activity/events", "/activity/api/events/"])
@pytest.mark.parametrize("key", [{}, {"idempotency-key": "k"}])  # the fast path, and the route
def test_location_has_the_prefix_whether_the_proxy_takes_it_off_or_not(
    fixed: Service, path: str, key: dict[str, str]
) -> None:
    key = {name: path + value for name, value in key.items()}
    assert post(fixed.http, path, **key) == "/activity"


@pytest.mark.parametrize("path", ["/activity", ""])
def test_every_call_is_there_below_the_prefix(fixed: Service, path: str) -> None:
    for call in ("/events?component=prefix", "/health", "/health/ready", "/status", "/api/events/"):
        assert fixed.http.get(path + call).status_code == 200
    assert fixed.http.get("/activityevents").status_code == 404
    document = fixed.http.get(path + "/openapi.json").json()
    assert document["servers"] == [{"url": "/activity"}]
    assert "/events" in document["paths"]
    scripts = re.findall(r'src="([^"]+)"', fixed.http.get(path + "/docs").text)
    assert scripts
    for script in scripts:
        assert fixed.http.get(urljoin(path + "/docs", script)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/activity", "/activity/", "/activity/api", "/activity/api/", "/", "/api", "/api/"]
)
def test_the_explorer_and_its_files_are_below_the_prefix(fixed: Service, path: str) -> None:
    page = fixed.http.get(path, headers={"accept": "text/html"})
    files = re.findall(r'(?:href|src)="([^"]*explorer/[^"]+)"', page.text)
    assert any(file.endswith("/app.js") for file in files)
    for file in files:
        assert file.startswith("/activity/explorer/")
        assert fixed.http.get(file).status_code == 200


def test_the_prefix_header_of_a_trusted_proxy_is_used_for_each_request(told: Service) -> None:
    assert post(told.http, "/events", **FORWARDED) == "/logs/v2"
    assert post(told.http, "/logs/v2/events", **FORWARDED) == "/logs/v2"
    assert post(told.http, "/events") == ""
    document = told.http.get("/openapi.json", headers=FORWARDED).json()
    assert document["servers"] == [{"url": "/logs/v2"}]
    assert "servers" not in told.http.get("/openapi.json").json()


def test_the_prefix_header_of_any_other_sender_is_ignored(distrustful: Service) -> None:
    assert post(distrustful.http, "/events", **FORWARDED) == ""
    assert "servers" not in distrustful.http.get("/openapi.json", headers=FORWARDED).json()


@needs_nginx
@pytest.mark.parametrize("passed_on", ["http://service", "http://service/"])
def test_behind_nginx_location_leads_to_the_event(
    fixed: Service, tmp_path: Path, passed_on: str
) -> None:
    locations = f"location /activity/ {{ proxy_pass {passed_on}; }}"
    upstream = fixed.url.removeprefix("http://")
    with (
        nginx(tmp_path, upstream, locations) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http,
    ):
        answer = http.post("/activity/events", json=EVENT)
        assert answer.status_code == 202
        assert http.get(answer.headers["location"]).json()["id"] == answer.json()["id"]
