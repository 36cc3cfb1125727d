"""Spans: their parent, what they tell, and that there is none without a receiver."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from storage import tracing
from storage.errors import DatabaseUnavailable
from storage.logs.request_id import RequestId, handling
from storage.settings import SpanSettings
from storage.tracing import span

TRACE, PARENT = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
SENT = f"00-{TRACE:032x}-{PARENT:016x}-%s"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    found = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(found))
    tracing.use(provider)
    try:
        yield found
    finally:
        tracing.use(None)
        provider.shutdown()


def parent_of(found: ReadableSpan) -> tuple[int, int]:
    assert found.parent
    return found.parent.trace_id, found.parent.span_id


def test_the_traceparent_of_the_request_is_the_parent(exporter: InMemorySpanExporter) -> None:
    with (
        handling(RequestId([(b"traceparent", (SENT % "01").encode())])),
        span("SELECT events", {"a": 1}, "client") as measured,
    ):
        measured.set_attribute("b", 2)
    [found] = exporter.get_finished_spans()
    assert (found.name, found.kind, dict(found.attributes or {})) == (
        "SELECT events",
        SpanKind.CLIENT,
        {"a": 1, "b": 2},
    )
    assert parent_of(found) == (TRACE, PARENT)


def test_a_request_that_its_sender_does_not_sample_is_not_sampled(
    exporter: InMemorySpanExporter,
) -> None:
    request = RequestId([(b"traceparent", (SENT % "00").encode())])
    with handling(request), span("SELECT events", {}):
        pass
    assert exporter.get_finished_spans() == ()


def test_a_span_within_another_is_its_child(exporter: InMemorySpanExporter) -> None:
    with handling(RequestId([(b"traceparent", b"nonsense")])), span("drain", {}), span("batch", {}):
        pass
    batch, drain = exporter.get_finished_spans()
    assert drain.parent is None
    assert drain.context
    assert parent_of(batch) == (drain.context.trace_id, drain.context.span_id)


def test_a_failure_is_told_without_secrets(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(DatabaseUnavailable), span("drain", {}):
        raise DatabaseUnavailable("no answer from redis://u:hidden@h")
    [found] = exporter.get_finished_spans()
    assert found.status.status_code is StatusCode.ERROR
    assert found.status.description == "no answer from redis://u:***@h"
    assert found.events == ()


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "a"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_spans_are_wanted_where_a_receiver_is_named(
    variables: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert SpanSettings.of_environment().wanted == wanted


def test_the_headers_for_the_receiver_are_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hidden1,other=hidden2")
    assert SpanSettings.of_environment().secrets == ("hidden1", "hidden2")


WITHOUT_RECEIVER = """
import sys
import api.process, worker.process
from storage.tracing import exporting_spans, span
with exporting_spans("api"), span("a", {}) as one, span("b", {}) as other:
    assert one is other
# redis-py imports a part of the SDK wherever it is installed.
assert not any(name.startswith("opentelemetry.exporter") for name in sys.modules)
"""
WITHOUT_EXTRA = """
import sys
sys.modules["opentelemetry.sdk.trace"] = None
from storage.logs.setup import set_up
from storage.tracing import exporting_spans, span
set_up("api")
with exporting_spans("api"), span("a", {}):
    print("goes on")
"""


def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**env, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def test_without_a_receiver_the_exporter_is_not_even_imported() -> None:
    assert run(WITHOUT_RECEIVER).stderr == ""


def test_without_the_extra_a_warning_says_so_and_the_process_goes_on() -> None:
    ran = run(WITHOUT_EXTRA, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert ran.stdout == "goes on\n"
    assert "no spans are exported: the extra `otel` is not installed" in ran.stderr
