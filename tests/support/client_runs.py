"""Clients of a stub service."""

from typing import Any

from activity_client import ActivityClient
from tests.support.stub_service import StubService


def client_of(stub: StubService, **more: Any) -> ActivityClient:
    return ActivityClient(stub.url, component="c", environment="e", **more)


def send_all(client: ActivityClient, *messages: str) -> None:
    for message in messages:
        client.send(message=message)
