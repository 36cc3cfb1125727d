"""Test `GET /metrics`: the whole catalogue, true figures, and nothing that is unknown."""

import shutil
import socket
import subprocess
from collections.abc import Mapping

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)

from storage.metrics.catalogue import CATALOGUE
from storage.metrics.service_catalogue import (
    DISK_BUDGET,
    HORIZON,
    KEY_EXPIRY,
    QUEUE_MEMORY,
    RETENTION_RUN,
    STANDBY_LAG,
    STANDBY_LAG_BYTES,
    STANDBY_USABLE,
    WORKERS_WANTED,
)
from testbed.service import Service
from testbed.waiting import wait_until
from tests.support.scraped import Scrape, scrape

EVENT = {"component": "c", "environment": "e", "message": "m", "email": "jo@example.com"}


@pytest.fixture(scope="module")
def used(running: Service) -> Service:
    """Use the service in every way that some metric needs before it has a value."""
    for _ in range(5):
        running.post(**EVENT)
    running.wait_stored(running.post(**EVENT)["id"])
    running.events(component="c")
    running.events(component="c")
    return running


def test_every_metric_of_the_catalogue_is_shown_and_no_other(used: Service) -> None:
    shown = scrape(used.http).families
    not_always_known = (
        *(QUEUE_MEMORY, WORKERS_WANTED, KEY_EXPIRY),
        *(DISK_BUDGET, RETENTION_RUN, HORIZON),  # where retention has a budget, and has run
        *(STANDBY_USABLE, STANDBY_LAG_BYTES, STANDBY_LAG),  # where readers may use standbys
    )
    unknown = {metric.name for metric in not_always_known}
    known = {metric.name: metric for metric in CATALOGUE}
    assert known.keys() - shown.keys() - unknown == set()
    assert shown.keys() - known.keys() == set()
    for name, family in shown.items():
        metric = known[name]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels == {label for label, _ in metric.labels}


def test_no_label_tells_who_sent_what(used: Service) -> None:
    text = used.http.get("/metrics").text
    assert "example.com" not in text
    values = {
        value
        for family in scrape(used.http).families.values()
        for sample in family.samples
        for label, value in sample.labels.items()
        if label not in ("le", "shard", "standby", "version")
    }
    listed = {value for metric in CATALOGUE for _, values in metric.labels for value in values}
    assert values <= listed


def test_the_format_follows_the_accept_header(used: Service) -> None:
    plain = used.http.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    asked = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}

    def names_are_equal() -> bool:
        answer = used.http.get("/metrics", headers=asked)
        told = answer.headers["content-type"]
        assert told.startswith("application/openmetrics-text; version=1.0.0")
        names = {family.name for family in parse_openmetrics(answer.text)}  # type: ignore[no-untyped-call]
        return names == {name.removesuffix("_total") for name in scrape(used.http).families}

    wait_until(
        names_are_equal, "both to have the same metrics, also those that are not always known"
    )
    odd = used.http.get(
        "/metrics", headers={b"accept": b"application/openmetrics-text;version=\xff"}
    )
    assert (odd.status_code, odd.headers["content-type"]) == (200, plain.headers["content-type"])
    head = used.http.head("/metrics")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (package prometheus)"
)
def test_promtool_has_nothing_to_say(used: Service) -> None:
    text = used.http.get("/metrics").text
    said = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (said.stdout, said.stderr, said.returncode) == ("", "", 0)


def test_requests_are_counted_by_route_on_every_way_through_the_service(used: Service) -> None:
    before = scrape(used.http)
    used.http.post("/events", json=EVENT)  # the fast path
    used.http.post("/api/events/", json=EVENT)
    used.http.post("/events?ack=queued", json=EVENT)  # the route
    used.http.post("/events", json={})
    used.http.get("/events", params={"component": "c"})
    used.http.get("/events", params={"component": "c"})
    used.http.get("/events/00000000-0000-7000-8000-000000000000")
    used.http.get("/events/nothing")
    used.http.get("/heath")
    used.http.head("/health")
    used.http.get("/docs/docs.js")
    used.http.get("/no/such/path")
    used.http.get("/another")
    used.http.put("/events")
    used.http.post("/events/batch", json=[])
    with socket.create_connection(("127.0.0.1", used.listener.getsockname()[1])) as connection:
        connection.sendall(b"not HTTP\r\n\r\n")
        assert b"400" in connection.recv(100)
    assert scrape(used.http).rise(
        before, "activity_http_requests_total", "method", "route", "code"
    ) == {
        ("POST", "/events", "202"): 3,
        ("POST", "/events", "422"): 1,
        ("GET", "/events", "200"): 2,
        ("GET", "/events/{event_id}", "404"): 2,
        ("GET", "/health", "200"): 1,
        ("HEAD", "/health", "200"): 1,
        ("GET", "/docs/{file}", "200"): 1,
        ("GET", "unmatched", "404"): 2,
        ("other", "/events", "405"): 1,
        ("POST", "/events/batch", "422"): 1,
        ("other", "unread", "400"): 1,
        ("GET", "/metrics", "200"): 1,  # the scrape before
    }


def test_the_time_of_requests_is_counted_with_them(used: Service) -> None:
    before = scrape(used.http)
    for _ in range(3):
        used.post(**EVENT)
    rise = scrape(used.http).rise(
        before, "activity_http_request_duration_seconds_count", "method", "route"
    )
    assert rise == {("POST", "/events"): 3, ("GET", "/metrics"): 1}
    found = scrape(used.http)
    sums = found.by("activity_http_request_duration_seconds_sum", "method", "route")
    assert 0 < sums["POST", "/events"] < 60


def rejected(running: Service, before: Scrape) -> Mapping[tuple[str, ...], float]:
    return scrape(running.http).rise(before, "activity_rejected_events_total", "reason")


def test_each_rejected_event_is_counted_by_its_reason(used: Service) -> None:
    http = used.http
    before = scrape(http)
    http.post("/events", json={})
    http.post("/events", content=b"{", headers={"content-type": "application/json"})
    assert rejected(used, before) == {("invalid",): 2}
    http.post("/events", content=b"x", headers={"content-type": "image/png"})
    http.post("/events", content=b"x" * 300_000, headers={"content-type": "application/json"})
    large = {**EVENT, "message": "x" * 300_000}
    answer = http.post("/events/batch", json=[EVENT, {}, large, EVENT])
    assert (answer.status_code, answer.json()["rejected"]) == (202, 2)
    assert rejected(used, before) == {("invalid",): 3, ("too_large",): 2, ("unsupported",): 1}
    http.post("/events/batch?atomic=true", json=[EVENT, {}, EVENT])
    http.post("/events/batch?dry_run=true", json=[EVENT, {}, EVENT])
    http.post("/events/batch?dry_run=true", json=[{}, {}])
    http.post("/events/batch", json=[{}, {}])
    assert rejected(used, before) == {
        ("invalid",): 6,
        ("too_large",): 2,
        ("unsupported",): 1,
        ("held_back",): 2,
    }
    key = {"idempotency-key": "metrics"}
    http.post("/events", json=EVENT, headers=key)
    http.post("/events", json={**EVENT, "message": "another"}, headers=key)
    assert rejected(used, before)["idempotency",] == 1
    records = [{"body": {"stringValue": "log"}, "attributes": []}, {"body": {"stringValue": ""}}]
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    partial = http.post("/v1/logs", json=logs).json().get("partialSuccess", {})
    refused = int(partial.get("rejectedLogRecords", 0))
    assert rejected(used, before).get(("invalid",), 0) == 6 + refused


def test_pages_are_counted_by_where_they_came_from(used: Service) -> None:
    before = scrape(used.http)
    asked = {"component": "verdicts"}
    assert [used.http.get("/events", params=asked).headers["x-cache"] for _ in range(3)] == [
        "MISS",
        "HIT",
        "HIT",
    ]
    used.http.get("/events", params={"id": "00000000-0000-7000-8000-000000000000"})
    after = scrape(used.http)
    assert after.rise(before, "activity_cache_requests_total", "verdict") == {
        ("hit",): 2,
        ("miss",): 1,
        ("bypass",): 1,
    }
    assert after.rise(before, "activity_query_seconds_count") == {(): 1}
