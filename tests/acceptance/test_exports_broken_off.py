"""Exports that something breaks off: the client notices, can go on, and nothing stays behind."""

import ast
import json
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from storage.access.api_key import Scope
from storage.model.event import Event
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.export_faults import away, blocked, observer, running_queries, states
from tests.support.exports import Download, query_of
from tests.support.keys import new_key, put_on_queue, revoked
from tests.support.problems import problem
from tests.support.reading import store
from tests.support.statistics import event_at

START = datetime(2026, 10, 25, tzinfo=UTC)
COUNT = 12_000
TEXT = "x" * 1000
SECONDS = 60
KEY = new_key(Scope.READ, Scope.OBSERVE)
ENDS = new_key(Scope.READ)


def events_from(start: datetime, count: int = COUNT, component: str = "c") -> list[Event]:
    """Make events a second apart, of a kilobyte each: much more than what sockets keep."""
    step = timedelta(seconds=1)
    return [
        event_at(start + step * number, message=f"{number} {TEXT}", component=component)
        for number in range(count)
    ]


EVENTS = events_from(START)


@pytest.fixture(scope="module")
def stored(servers: TestServers) -> Iterator[StorageSettings]:
    """Yield settings of servers that have the events."""
    with servers.fresh() as settings:
        put_on_queue(settings, KEY, ENDS)
        store(settings, EVENTS)
        yield settings


@pytest.fixture
def running(stored: StorageSettings) -> Iterator[Service]:
    with service(stored, workers=0) as started:
        started.http.headers = KEY.headers
        yield started


def ids(body: bytes | bytearray) -> list[str]:
    """Return the ids of the whole lines."""
    return [json.loads(line)["id"] for line in body.split(b"\n")[:-1]]


def resumed(running: Service, body: bytearray) -> list[str]:
    """Return the ids of what was got and of the rest."""
    before = ids(body)
    with Download(running, query_of(component="c", cursor=before[-1])) as rest:
        assert rest.status == 200
        rest.read()
        assert rest.is_whole
    return [*before, *ids(rest.body)]


def ended(running: Service, end: str) -> float:
    """Return how many exports have ended so."""
    name = f'activity_exports_total{{end="{end}"}}'
    lines = running.http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def begun(running: Service, *headers: str, **query: Any) -> Download:
    """Begin an export whose client then does not read."""
    download = Download(running, query_of(**{"component": "c", **query}), *headers)
    download.read(50_000)
    return download


def test_late_events_are_in_it_where_it_has_not_been_and_before_its_end(
    stored: StorageSettings, running: Service
) -> None:
    day = START + timedelta(days=3)
    mine = events_from(day, component="late")
    store(stored, mine)
    with begun(running, component="late") as slow:
        behind = event_at(day + timedelta(milliseconds=500), component="late", message="behind")
        ahead = event_at(day + timedelta(seconds=COUNT - 9.5), component="late", message="ahead")
        after = event_at(day + timedelta(seconds=COUNT), component="late", message="after the end")
        store(stored, [behind, ahead, after])
        slow.read()
        assert slow.is_whole
    expected = [*mine[: COUNT - 9], ahead, *mine[COUNT - 9 :]]
    assert ids(slow.body) == [event.id for event in expected]


def test_a_client_that_reads_slowly_keeps_no_transaction_open(
    stored: StorageSettings, running: Service
) -> None:
    with observer(stored) as connection, begun(running) as slow:
        wait_until(lambda: set(states(connection)) == {"idle"}, "no transaction")
        slow.read()
        assert ids(slow.body) == [event.id for event in EVENTS]


@pytest.mark.parametrize("leave", ["close", "half-close", "reset"])
def test_the_query_of_a_client_that_has_gone_is_cancelled(
    stored: StorageSettings, running: Service, leave: str
) -> None:
    before = ended(running, "client_gone")
    with observer(stored) as connection, begun(running) as download, blocked(stored):
        # Read on until its next page waits for the lock.
        wait_until(lambda: _reads_on(download) or running_queries(connection), "a query")
        if leave == "reset":
            linger = b"\1\0\0\0\0\0\0\0"
            download.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if leave == "half-close":
            download.socket.shutdown(socket.SHUT_WR)
        else:
            download.socket.close()
        wait_until(lambda: ended(running, "client_gone") == before + 1, "its end")
        assert running_queries(connection) == 0


def _reads_on(download: Download) -> bool:
    download.socket.settimeout(0.05)
    try:
        download.read(len(download.body) + 1)
    except TimeoutError:
        pass
    finally:
        download.socket.settimeout(SECONDS)
    return False


def test_more_exports_than_places_are_refused_until_one_ends(running: Service) -> None:
    slow = [begun(running) for _ in range(4)]
    refused = running.http.get("/events/export")
    problem(refused, 503)
    assert int(refused.headers["retry-after"]) > 0
    assert ended(running, "refused") == 1
    slow.pop().socket.close()
    wait_until(lambda: running.http.head("/events/export").status_code == 200, "HEAD, always")
    wait_until(
        lambda: running.http.get("/events/export?to_date=2020-01-01").status_code == 200, "a place"
    )
    for each in slow:
        each.read()
        assert each.is_whole
        each.socket.close()


def test_an_export_goes_on_when_postgresql_comes_back(
    stored: StorageSettings, running: Service
) -> None:
    with begun(running) as download:
        with away(stored):
            wait_until(
                lambda: _reads_on(download) or running.http.get("/events").status_code == 503,
                "PostgreSQL to be away",
            )
            assert not download.is_whole
        download.read()
        assert download.is_whole
        assert ids(download.body) == [event.id for event in EVENTS]


def test_without_postgresql_an_export_is_refused(stored: StorageSettings, running: Service) -> None:
    with away(stored):
        answer = running.http.get("/events/export")
    assert "History can't be read" in str(problem(answer, 503))


def test_a_stop_breaks_an_export_off_and_another_process_continues_it(
    stored: StorageSettings, running: Service
) -> None:
    with begun(running) as download:
        process = running.apis[0]
        process.send_signal(signal.SIGTERM)
        running.start_api()
        assert process.wait(SECONDS) == -signal.SIGTERM
        download.read()
        assert not download.is_whole
    running.apis.remove(process)
    wait_until(lambda: running.answers("/health/ready"), "the other process")
    assert resumed(running, download.body) == [event.id for event in EVENTS]


KILLED: dict[str, tuple[str, tuple[str, ...]]] = {
    "chunked": ("1.1", ()),
    "gzip": ("1.1", ("Accept-Encoding: gzip",)),
    "connection: close": ("1.1", ("Connection: close",)),
}


@pytest.mark.parametrize("how", KILLED)
def test_a_killed_process_leaves_no_half_that_looks_whole(
    stored: StorageSettings, running: Service, how: str
) -> None:
    version, headers = KILLED[how]
    with Download(running, "component=c", *headers, version=version) as download:
        download.read(50_000)
        running.apis[0].kill()
        download.read()
        assert not download.is_whole
    _replace_killed(running)
    assert resumed(running, download.body) == [event.id for event in EVENTS]


def test_a_killed_process_resets_the_connection_of_http_1_0(
    stored: StorageSettings, running: Service
) -> None:
    with Download(running, "component=c", version="1.0") as download:
        assert download.receive_plain()
        running.apis[0].kill()
        while download.receive_plain():
            pass
        assert not download.is_closed_in_order
    _replace_killed(running)
    assert resumed(running, download.body) == [event.id for event in EVENTS]


def _replace_killed(running: Service) -> None:
    running.apis.pop().wait(SECONDS)
    running.start_api()
    wait_until(lambda: running.answers("/health/ready"), "the next process")


def _stop(running: Service) -> None:
    running.apis[0].send_signal(signal.SIGTERM)


def test_a_stop_resets_the_connection_of_http_1_0(running: Service) -> None:
    with Download(running, "component=c", version="1.0") as download:
        _stop(running)
        running.apis.pop().wait(SECONDS)
        while download.receive_plain():
            pass
        assert not download.is_closed_in_order


def test_a_key_that_is_revoked_ends_its_export(stored: StorageSettings, running: Service) -> None:
    with begun(running, f"Authorization: Bearer {ENDS.token}") as download:
        put_on_queue(stored, revoked(ENDS))
        wait_until(lambda: ended(running, "revoked") == 1, "its end")
        download.read()
        assert not download.is_whole
        assert 0 < len(ids(download.body)) < COUNT


def test_the_documented_program_completes_a_file_with_what_the_client_brings(
    stored: StorageSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs/export.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    named = {
        alias.name
        for each in ast.walk(ast.parse(program))
        if isinstance(each, ast.Import)
        for alias in each.names
    }
    assert named <= {*sys.stdlib_module_names, "urllib3"}
    scope: dict[str, Any] = {}
    exec(program, scope)
    file = tmp_path / "events.ndjson"
    with service(stored, workers=0) as running:
        running.http.headers = KEY.headers
        whole = running.http.get("/events/export", params={"component": "c"}).content
        file.write_bytes(whole[: len(whole) // 2])  # as a break leaves it
        monkeypatch.setattr("urllib3.request", _with_key(urllib3.request))
        scope["export"](running.url, str(file), {"component": "c"})
    assert file.read_bytes() == whole


def _with_key(request: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given, **options: request(*given, headers=KEY.headers, **options)
