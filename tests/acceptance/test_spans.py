"""The spans that a receiver of OpenTelemetry gets: a drain, its batches, a query; none of posts."""

import os
import signal
from collections.abc import Iterator

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.span_receiver import SpanReceiver, span_receiver

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
EVENT = {"component": "traced", "environment": "e", "message": "m"}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[SpanReceiver]:
    with span_receiver() as found:
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=for-the-receiver")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield found


@pytest.fixture
def traced(receiver: SpanReceiver, settings: StorageSettings) -> Iterator[Service]:
    with service(settings, cache_grace_ms=0) as running:
        yield running


def test_a_drain_its_batches_and_a_query_are_spans(traced: Service, receiver: SpanReceiver) -> None:
    posted = traced.post(**EVENT)
    traced.wait_stored(posted["id"])
    [query] = _query(traced, receiver)
    assert (query.trace_id.hex(), query.parent_span_id.hex()) == (TRACE, PARENT)
    assert query.kind == query.SPAN_KIND_CLIENT
    told = {each.key: each.value for each in query.attributes}
    assert told["db.system.name"].string_value == "postgresql"
    assert told["activity.page.events"].int_value == 1
    assert "traced" not in str(query)
    drain = wait_until(lambda: receiver.named("activity-worker", "drain"), "the drain's span")[0]
    [batch] = receiver.named("activity-worker", "store batch")
    assert (batch.trace_id, batch.parent_span_id) == (drain.trace_id, drain.span_id)
    assert {each.key: each.value.int_value for each in batch.attributes} == {
        "activity.shard": drain.attributes[0].value.int_value,
        "activity.batch.events": 1,
        "activity.batch.stored": 1,
    }
    assert receiver.headers[0]["api-key"] == "for-the-receiver"


def _query(traced: Service, receiver: SpanReceiver) -> list[Span]:
    response = traced.http.get("/events", params={"component": "traced"}, headers=SENT)
    assert response.headers["x-cache"] == "MISS"
    for _ in range(5):
        hit = traced.http.get("/events", params={"component": "traced"}, headers=SENT)
        assert hit.headers["x-cache"] == "HIT"
    return wait_until(lambda: receiver.named("activity-api", "SELECT events"), "the query's span")


def test_posts_and_cached_pages_have_no_span(traced: Service, receiver: SpanReceiver) -> None:
    posted = [traced.http.post("/events", json=EVENT, headers=SENT).json() for _ in range(20)]
    for each in posted:
        traced.wait_stored(each["id"])
    _query(traced, receiver)
    seen = len(receiver.spans)
    assert traced.events(component="other") == []
    traced.stop()
    assert len(receiver.spans) > seen, "the last spans came too"
    assert {span.name for sender, span in receiver.spans if sender == "activity-api"} == {
        "SELECT events"
    }
    assert len(receiver.named("activity-api", "SELECT events")) == 2


def test_a_receiver_that_is_away_stops_nothing(
    settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    with service(settings, cache_grace_ms=0) as running:
        posted = running.post(**EVENT)
        running.wait_stored(posted["id"])
        assert len(running.events(component="traced")) == 1
        processes = [*running.apis, *running.workers]
        running.http.close()
        for process in processes:
            process.terminate()
        # uvicorn ends by the signal that it got.
        assert [process.wait(60) for process in processes] == [-signal.SIGTERM, 0]
