"""Exports over real HTTP: each event once, whatever breaks the download off."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.access.api_key import Scope
from storage.model.event import Event
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.exports import Download, query_of
from tests.support.keys import new_key, put_on_queue
from tests.support.problems import problem
from tests.support.reading import store
from tests.support.statistics import event_at

START = datetime(2026, 10, 25, 1, tzinfo=UTC)
COUNT = 30_000
READER = new_key(Scope.READ)
LIMITED = new_key(Scope.READ, components=("pay*",))
WRITER = new_key(Scope.WRITE)
OBSERVER = new_key(Scope.OBSERVE)
KEYS = (READER, LIMITED, WRITER, OBSERVER)
AUTH = f"Authorization: Bearer {READER.token}"
NASTY = ('"quoted" \\ back\r\n=1+1', "\b\f\t\x01\x1f\x7f\u2028\U0001f600é", "</script>", "%s {0}")


def _made() -> list[Event]:
    chance = random.Random(7)
    times = sorted(chance.randrange(3 * 86_400_000) for _ in range(COUNT))
    return [
        event_at(
            START + timedelta(milliseconds=ms - ms % 50),  # many in the same millisecond
            component=chance.choice(("api", "pay", "pay-eu")),
            environment=chance.choice(("dev", "live")),
            message=f"{chance.choice(NASTY)} {number}",
            email=chance.choice((None, "A@x.org", "b@x.org")),
            data={"n": number % 7, "text": chance.choice(NASTY), "order": {"id": number}},
            **({"occurred_at": "2026-10-24T00:00:00.000001Z"} if number % 5 == 0 else {}),
        )
        for number, ms in enumerate(times)
    ]


EVENTS = sorted(_made(), key=lambda event: event.id)


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Service]:
    """Run a service that has the events."""
    with servers.fresh() as settings:
        put_on_queue(settings, *KEYS)
        store(settings, EVENTS)
        with service(settings) as started:
            started.http.headers = READER.headers
            yield started


def exported(running: Service, **params: Any) -> list[dict[str, Any]]:
    """Return the events of a whole export as lines of JSON."""
    response = running.http.get("/events/export", params=params)
    assert response.status_code == 200, response.text
    assert not response.content or response.content.endswith(b"\n")
    return [json.loads(line) for line in response.content.split(b"\n")[:-1]]


def pages(running: Service, **params: Any) -> list[dict[str, Any]]:
    """Return the same by pages."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        query = {**params, "order": "asc", "limit": 1000, "cursor": cursor}
        answer = running.http.get("/events", params=query).json()
        found += answer["events"]
        cursor = answer["next_cursor"]
    return found


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


def test_an_export_has_every_event_once_oldest_first_as_pages_have_them(running: Service) -> None:
    response = running.http.get("/events/export")
    assert response.headers["content-type"] == "application/x-ndjson"
    name = response.headers["content-disposition"]
    assert name.startswith('attachment; filename="events-')
    assert name.endswith('.ndjson"')
    lines = response.content.split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line)["id"] for line in lines] == [event.id for event in EVENTS]
    assert [json.loads(line) for line in lines] == pages(running)


def test_the_lines_are_written_as_in_pages_byte_for_byte(running: Service) -> None:
    lines = running.http.get("/events/export", params={"email": "b@x.org"}).content
    whole = b"".join(
        running.http.get(
            "/events", params={"email": "b@x.org", "order": "asc", "limit": 1000}
        ).content
        for _ in range(1)
    )
    for line in lines.split(b"\n")[:1000]:
        assert line in whole


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("form", ["ndjson"])
def test_a_download_cut_at_random_bytes_and_resumed_has_each_event_once(
    running: Service, coding: str, form: str
) -> None:
    chance = random.Random(f"{coding} {form}")
    body, cursor, parts = b"", "", 0
    while True:
        query = query_of(format=form, **({"cursor": cursor} if cursor else {}))
        with Download(running, query, AUTH, f"Accept-Encoding: {coding}") as part:
            assert part.headers.get("content-encoding", "identity") == coding
            got = part.read(chance.randrange(1, 1_500_000))
            is_whole = part.is_whole
        parts += 1
        body += got if is_whole else got[: got.rfind(b"\n") + 1]
        if is_whole:
            break
        if body:
            cursor = json.loads(body[:-1].rpartition(b"\n")[2])["id"]
    assert parts > 3
    assert [json.loads(line)["id"] for line in body.split(b"\n")[:-1]] == [e.id for e in EVENTS]


FILTERS: dict[str, dict[str, Any]] = {
    "component": {"component": "pay"},
    "prefix": {"component": "pay*"},
    "several": {"component": ["pay", "api"], "environment": "live"},
    "excluded": {"-component": "api", "-email": "a@x.org"},
    "email": {"email": "B@x.ORG"},
    "message": {"message": "script"},
    "rare message": {"message": " 1234"},
    "nothing": {"message": "absent from all"},
    "data": {"data.n": "3"},
    "rare data": {"data.order.id": "777"},
    "question": {"q": 'component:(api OR pay-eu) data.n>3 "script"'},
    "occurred": {"occurred_to": "2026-10-24T12:00:00Z"},
    "window": {"from_date": "2026-10-26", "to_date": "2026-10-26"},
    "window of nothing": {"from_date": "2020-01-01", "to_date": "2020-01-02"},
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_mean_what_they_mean_in_pages(running: Service, name: str) -> None:
    assert exported(running, **FILTERS[name]) == pages(running, **FILTERS[name])


def test_a_key_exports_only_what_it_may_read(running: Service) -> None:
    running.http.headers = LIMITED.headers
    try:
        found = exported(running)
        assert ids(found) == [event.id for event in EVENTS if event.component.startswith("pay")]
        assert ids(exported(running, component="api")) == []
    finally:
        running.http.headers = READER.headers


def test_only_the_scope_read_exports(running: Service) -> None:
    for key, status in ((WRITER, 403), (OBSERVER, 403), (None, 401)):
        headers = key.headers if key else {"authorization": ""}
        problem(running.http.get("/events/export", headers=headers), status)


def test_wrong_parameters_are_all_listed(running: Service) -> None:
    query = "format=xml&columns=id&cursor=1&limit=5&from_date=x&now=now"
    listed = problem(running.http.get(f"/events/export?{query}"), 422)["errors"]
    assert isinstance(listed, list)
    assert {one["parameter"] for one in listed} == {
        *("format", "columns", "cursor", "limit", "from_date", "now")
    }
    query = "format=csv&columns=id,mesage,data..x,id"
    listed = problem(running.http.get(f"/events/export?{query}"), 422)["errors"]
    assert [one["detail"] for one in listed] == [
        "columns has 'mesage', which is no column; did you mean message?",
        "columns has 'data..x', which has an empty key in its path",
    ]


def test_a_resumed_export_means_the_same_by_a_relative_date(running: Service) -> None:
    cursor = EVENTS[100].id
    refused = running.http.get(f"/events/export?from_date=-9000d&cursor={cursor}")
    assert "Activity-Now" in str(problem(refused, 422))
    query = {"from_date": "-1d", "now": "2026-10-27T00:00:30Z"}
    answer = running.http.get("/events/export", params=query)
    assert answer.headers["activity-now"] == "2026-10-27T00:00:00.000Z"
    found = [json.loads(line)["id"] for line in answer.content.split(b"\n")[:-1]]
    assert found == [e.id for e in EVENTS if e.created_at >= "2026-10-26T00:00:00"]
    rest = exported(running, **query, cursor=found[10])
    assert ids(rest) == found[11:]


def test_head_tells_the_headers_and_reads_nothing(running: Service) -> None:
    answer = running.http.head("/events/export?format=csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.content == b""
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("path", ["/api/events/export", "/events/export/"])
def test_every_spelling_of_the_path_exports(running: Service, path: str) -> None:
    answer = running.http.get(path, params={"component": "pay", "message": " 1234"})
    assert answer.status_code == 200


def test_http_1_0_gets_the_whole_without_chunks_and_a_close_in_order(running: Service) -> None:
    with Download(running, "", AUTH, version="1.0") as old:
        assert "transfer-encoding" not in old.headers
        assert old.headers["connection"] == "close"
        while old.receive_plain():
            pass
        assert old.is_closed_in_order
        assert old.body.count(b"\n") == COUNT


def test_connection_close_gets_chunks(running: Service) -> None:
    with Download(running, "", AUTH, "Connection: close") as closing:
        closing.read()
        assert closing.is_whole
        assert closing.body.count(b"\n") == COUNT


def test_metrics_count_exports_by_their_end(running: Service) -> None:
    def value(name: str) -> float:
        text = running.http.get("/metrics", headers=OBSERVER.headers).text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    whole, events = 'activity_exports_total{end="complete"}', "activity_exported_events_total"
    before = value(whole), value(events)
    exported(running, component="pay")
    assert value(whole) == before[0] + 1
    assert value(events) - before[1] == sum(event.component == "pay" for event in EVENTS)
    assert 'route="/events/export"' in running.http.get("/metrics", headers=OBSERVER.headers).text
