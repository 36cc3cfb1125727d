"""Run the service behind the proxies of docs/proxies.md, with exactly their configurations."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
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
Proxy = Callable[..., AbstractContextManager[int]]


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
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return request.param  # type: ignore[no-any-return]


@contextmanager
def published(
    proxy: Proxy, behind: Service, folder: Path, **options: str
) -> Iterator[httpx.Client]:
    authority = Authority(folder)
    port = int(behind.url.rpartition(":")[2])
    with (
        proxy(folder, port, authority, **options) as secure,
        public_client(secure, authority) as client,
    ):
        yield client


@pytest.fixture
def public(proxy: Proxy, behind: Service, tmp_path: Path) -> Iterator[httpx.Client]:
    with published(proxy, behind, tmp_path) as client:
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


def test_operators_have_their_page_from_their_network_and_need_a_key(
    proxy: Proxy, behind: Service, tmp_path: Path
) -> None:
    with published(proxy, behind, tmp_path, operators="127.0.0.1/32") as client:
        html = {"accept": "text/html"}
        page = ask(client, "GET", "/activity/?page=operator", headers=html)
        assert page.headers["content-type"].startswith("text/html")
        for path in ("/activity/status", "/activity/api/status"):
            assert ask(client, "GET", path).json()["backlog"] == 0
        made = ask(
            client,
            "POST",
            "/activity/admin/keys",
            json={"name": "o", "scopes": ["admin", "observe"]},
        )
        assert made.status_code == 201, made.text
        wait_until(lambda: ask(client, "GET", "/activity/status").status_code == 401, "the key")
        key = {"authorization": f"Bearer {made.json()['token']}"}
        for path in ("/activity/admin/dead-letters", "/activity/admin/rates"):
            assert ask(client, "GET", path).status_code == 401
            assert ask(client, "GET", path, headers=key).status_code == 200
        assert ask(client, "GET", "/activity/metrics").status_code == 404


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
