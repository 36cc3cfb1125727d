"""Run the official OpenTelemetry SDK as an exporter to a service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from testbed.service import Service


@contextmanager
def sdk(
    running: Service, component: str, compression: Compression, **more: Any
) -> Iterator[tuple[LoggerProvider, list[requests.Response]]]:
    """Yield a provider that exports in batches, and the service's answers."""
    answers: list[requests.Response] = []
    with requests.Session() as session:
        session.trust_env = False
        session.hooks["response"].append(lambda response, **_: answers.append(response))
        url = f"{running.url}/v1/logs"
        exporter = OTLPLogExporter(url, compression=compression, session=session)
        resource = Resource({"service.name": component, "deployment.environment.name": "tests"})
        provider = LoggerProvider(resource, shutdown_on_exit=False)
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter, **more))
        try:
            yield provider, answers
        finally:
            provider.shutdown()
