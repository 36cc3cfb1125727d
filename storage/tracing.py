"""Spans for OpenTelemetry. Without the extra `otel`, or a receiver, they cost nothing.

The SDK is imported only if the variables of OpenTelemetry say where spans go. It sends them in a
thread of its own, and drops them when the receiver is away.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, Protocol

from storage.failures import reason
from storage.logs import request_id
from storage.logs.filters import OnceAMinute
from storage.logs.redaction import learn
from storage.logs.request_id import trace_parent
from storage.settings import SpanSettings

Kind = Literal["client", "internal"]
Attributes = Mapping[str, str | int]

END_SECONDS = 2.0  # for the last spans, when a process ends
_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"

log = logging.getLogger(__name__)


class Span(Protocol):
    """What is measured. `set_attribute` adds a fact that is known later."""

    def set_attribute(self, key: str, value: str | int) -> object:
        """Add an attribute, never a part of an event or a filter."""
        ...


class _NoSpan:
    def set_attribute(self, key: str, value: str | int) -> None:
        """Do nothing."""


_NO_SPAN: AbstractContextManager[Span] = nullcontext(_NoSpan())

_tracer: Any = None


def span(
    name: str, attributes: Attributes, kind: Kind = "internal"
) -> AbstractContextManager[Span]:
    """Measure the block. The request that is handled, or else the span around it, is its parent."""
    return _NO_SPAN if _tracer is None else _span(name, attributes, kind)


@contextmanager
def exporting_spans(role: str) -> Iterator[None]:
    """Export the spans of this process within the block, if the environment says where to."""
    settings = SpanSettings.of_environment()
    learn(*settings.secrets)
    provider = _provider(role) if settings.wanted else None
    try:
        yield
    finally:
        if provider is not None:
            # In a thread, because the SDK waits half a minute for a receiver that is away.
            ending = threading.Thread(target=provider.shutdown, name="last-spans", daemon=True)
            ending.start()
            ending.join(END_SECONDS)


def _provider(role: str) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning("no spans are exported: the extra `otel` is not installed (%s)", error)
        return None
    logging.getLogger(_EXPORTER).addFilter(OnceAMinute())
    named = "service.name" in OTELResourceDetector().detect().attributes
    resource = Resource.create({} if named else {"service.name": f"activity-{role}"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)
    return provider


def use(provider: Any) -> None:
    """Make spans with this TracerProvider; None: make none."""
    global _tracer
    _tracer = None if provider is None else provider.get_tracer("activity-service")


@contextmanager
def _span(name: str, attributes: Attributes, kind: Kind) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind, StatusCode

    with _tracer.start_as_current_span(
        name,
        context=_parent(),
        kind=SpanKind[kind.upper()],
        attributes=attributes,
        record_exception=False,  # its text may hold events
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(StatusCode.ERROR, reason(error))
            raise


def _parent() -> Any:
    """Return the context of the request's `traceparent`; None, the current one, without any."""
    request = request_id.current()
    sent = trace_parent(request.headers) if request else None
    if sent is None:
        return None
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    trace, parent, flags = (int(part, 16) for part in sent)
    remote = SpanContext(trace, parent, is_remote=True, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(remote))
