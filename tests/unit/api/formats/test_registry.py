"""One table says which formats there are: routes, hints and the OpenAPI document follow from it."""

import asyncio
from types import SimpleNamespace

import httpx
import pytest

from api.app import create_app
from api.auth.key_ring import KeyRing
from api.formats.cloudevents.binary import binary_reader
from api.formats.event_reader import EventReader
from api.formats.native_fast import EventIn
from api.formats.registry import BATCHES, EVENTS, LOGS, BatchFormat, EventFormat
from api.http.memory_budget import MemoryBudget
from api.http.problems import Problem
from api.ingest.request_limits import RequestLimits
from api.ingest.service import Accepted
from api.ingest.stamping import stamp_batch
from api.settings import ApiSettings
from storage.model.event import new_stamp
from storage.queue.producer import QueuePosition
from storage.settings import StorageSettings

TEXT = "text/plain"


def text_reader(max_bytes: int) -> EventReader:
    """Return a format of the test's own: the body is the message."""

    def validate(body: bytes) -> EventIn:
        if not body.strip():
            raise Problem(422, "The text is blank.")
        return EventIn("component", "environment", body.decode().strip())

    return EventReader(lambda body: None, validate)


class Ingest:
    def __init__(self) -> None:
        self.messages: list[str] = []

    async def accept_all(self, events: list[EventIn], *keys: object) -> Accepted:
        self.messages += [event.message for event in events]
        return Accepted(stamp_batch(events, new_stamp()), QueuePosition(0, 1))


def post(path: str, body: bytes, ingest: Ingest, media_type: str = TEXT) -> httpx.Response:
    settings = ApiSettings(_env_file=None)
    app = create_app(StorageSettings(_env_file=None), settings).fastapi
    limits = RequestLimits.of(settings)
    app.state.services = SimpleNamespace(
        limits=limits,
        ingest=ingest,
        memory_budget=MemoryBudget(limits.batch.bytes),
        keys=KeyRing("open"),
    )

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, content=body, headers={"content-type": media_type})

    return asyncio.run(send())


def test_a_format_in_the_table_is_taken_and_no_route_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest = Ingest()
    for path in ("/events", "/events/batch"):
        assert post(path, b"one\ntwo", ingest).status_code == 415
    monkeypatch.setitem(EVENTS, TEXT, EventFormat(TEXT, {"type": "string"}, text_reader))
    lines = BatchFormat(TEXT, {"type": "string"}, text_reader, "lines")
    monkeypatch.setitem(BATCHES, TEXT, lines)
    assert post("/events", b"alone", ingest).status_code == 202
    assert post("/events", b" ", ingest).json()["detail"] == "The text is blank."
    assert post("/events/batch", b"one\ntwo", ingest).status_code == 202
    assert ingest.messages == ["alone", "one", "two"]


def test_the_document_offers_the_media_types_of_the_tables() -> None:
    settings = ApiSettings(_env_file=None)
    document = create_app(StorageSettings(_env_file=None), settings).fastapi.openapi()
    tables: dict[str, list[str]] = {
        "/events": list(EVENTS),
        "/events/batch": list(BATCHES),
        "/v1/logs": list(LOGS),
    }
    for path, media_types in tables.items():
        content = document["paths"][path]["post"]["requestBody"]["content"]
        assert list(content) == media_types
        assert all(found["schema"] for found in content.values())


@pytest.mark.parametrize(
    ("path", "media_type", "other"),
    [
        ("/events", "application/x-ndjson", "/events/batch"),
        ("/events", "application/x-protobuf", "/v1/logs"),
        ("/events/batch", "application/cloudevents+json", "/events"),
        ("/v1/logs", "application/x-ndjson", "/events/batch"),
    ],
)
def test_a_media_type_of_another_path_is_pointed_there(
    path: str, media_type: str, other: str
) -> None:
    refused = post(path, b"", Ingest(), media_type)
    assert refused.status_code == 415
    assert f"{media_type} is posted to {other}." in refused.text


def test_the_identity_of_a_cloudevent_in_binary_mode_covers_its_headers() -> None:
    headers = [(b"ce-id", b"1"), (b"ce-type", b"t"), (b"content-type", b"text/plain")]
    other = [(b"ce-id", b"2"), *headers[1:]]
    identity = binary_reader(headers, 1000).identity(b"body")
    assert identity == binary_reader([*reversed(headers), (b"date", b"now")], 1000).identity(
        b"body"
    )
    assert identity != binary_reader(other, 1000).identity(b"body")
    assert identity != binary_reader(headers, 1000).identity(b"another")
