"""Run the service behind the proxies of docs/proxies.md, with exactly their configurations."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from storage.settings import StorageSettings
from testbed.service import Service, service
from tests.support.bounds import connections
from tests.support.certificates import Authority
from tests.support.event_streams import Stream
from tests.support.nginx import needs_nginx
from tests.support.proxies import (
    NAME,
    ask,
    documented_caddy,
    documented_nginx,
    needs_caddy,
    public_client,
)
from tests.support.uploads import upload

EVENT = {"component": "c", "environment": "e", "message": "through a proxy"}
MIB = 1024 * 1024
Proxy = Callable[[Path, int, Authority], AbstractContextManager[int]]


@pytest.fixture
def behind(settings: StorageSettings) -> Iterator[Service]:
    with service(settings, allowed_hosts=NAME) as running:
        yield running


@pytest.fixture(
    params=[
        pytest.param(documented_nginx, marks=needs_nginx, id="nginx"),
        pytest.param(documented_caddy, marks=needs_caddy, id="caddy"),
    ]
)
def public(
    request: pytest.FixtureRequest, behind: Service, tmp_path: Path
) -> Iterator[httpx.Client]:
    proxy: Proxy = request.param
    authority = Authority(tmp_path)
    port = int(behind.url.rpartition(":")[2])
    with proxy(tmp_path, port, authority) as secure, public_client(secure, authority) as client:
        yield client


def test_the_service_is_published_below_its_prefix_and_its_figures_are_not(
    public: httpx.Client,
) -> None:
    posted = ask(public, "POST", "/activity/events", json=EVENT)
    assert posted.status_code == 202, posted.text
    location = posted.headers["location"]
    assert location.startswith("/activity/events/")
    assert ask(public, "GET", location).json()["message"] == EVENT["message"]
    assert ask(public, "GET", "/activity/health/ready").status_code == 200
    assert ask(public, "GET", "/activity").headers["location"].endswith("/activity/")
    for name in ("status", "metrics", "admin/keys", "admin/dead-letters/replay"):
        for form in (
            *(f"/activity/{name}", f"/activity/{name}/", f"/activity/api/{name}"),
            *(f"/activity//{name}", f"/activity/%{ord(name[0]):x}{name[1:]}"),
            *(f"/activity/x/../{name}", f"/activity/{name}?a=b", f"/{name}", f"/activity/./{name}"),
        ):
            answer = ask(public, "GET", form)
            assert answer.status_code == 404, (form, answer.text)
            assert "backlog" not in answer.text


def test_the_largest_batch_passes_and_a_larger_one_is_refused(public: httpx.Client) -> None:
    ndjson = {"content-type": "application/x-ndjson"}
    largest = upload(16 * MIB, 10_000)
    answer = ask(public, "POST", "/activity/events/batch", content=largest, headers=ndjson)
    assert answer.json()["accepted"] == 10_000
    lines = "\n".join([json.dumps(EVENT)] * 100).encode()
    answer = ask(public, "POST", "/activity/events/batch", content=largest + lines, headers=ndjson)
    assert answer.status_code == 413


def test_a_tail_comes_through_at_once_and_its_tokens_go_on(public: httpx.Client) -> None:
    options = {"headers": {"host": NAME}, "extensions": {"sni_hostname": NAME}}
    with public.stream("GET", "/activity/events/tail", **options) as answer:  # type: ignore[arg-type]
        assert answer.headers["content-type"] == "text/event-stream"
        stream = Stream(answer)
        assert stream.next("at")["behind"] == 0  # while nothing is sent, too
        sent = [ask(public, "POST", "/activity/events", json=EVENT).json()["id"] for _ in range(3)]
        assert sorted(each["id"] for each in stream.take(3)) == sorted(sent)
        token = stream.parser.last_event_id
    options["headers"]["last-event-id"] = token
    with public.stream("GET", "/activity/events/tail", **options) as answer:  # type: ignore[arg-type]
        again = ask(public, "POST", "/activity/events", json=EVENT).json()["id"]
        assert [each["id"] for each in Stream(answer).take(1)] == [again]


def test_connections_to_the_service_are_kept(public: httpx.Client, behind: Service) -> None:
    without_proxy = connections(behind)
    for _ in range(50):
        assert ask(public, "POST", "/activity/events", json=EVENT).status_code == 202
    assert 1 <= connections(behind) - without_proxy <= 4
