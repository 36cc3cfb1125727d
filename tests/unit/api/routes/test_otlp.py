"""What goes wrong while logs are taken is told in the protocol's own form."""

import asyncio
import json
from collections.abc import Sequence
from types import SimpleNamespace

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from api.app import create_app
from api.auth.key_ring import KeyRing
from api.formats.native_fast import EventIn
from api.http.memory_budget import MemoryBudget
from api.ingest.request_limits import RequestLimits
from api.settings import ApiSettings
from storage.errors import QueueFull, QueueUnavailable
from storage.settings import StorageSettings

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}


class Ingest:
    """Raises what it is told to, or remembers what it accepted."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.accepted: list[str] = []

    async def accept_all(self, posted: Sequence[EventIn], api_key: object) -> SimpleNamespace:
        if self.error:
            raise self.error
        self.accepted += [event.message for event in posted]
        return SimpleNamespace(limit_headers=())


def post(
    sent: ExportLogsServiceRequest,
    ingest: Ingest,
    budget: MemoryBudget | None = None,
    headers: dict[str, str] = PROTOBUF,
) -> httpx.Response:
    settings = ApiSettings(_env_file=None)
    app = create_app(StorageSettings(_env_file=None), settings).fastapi
    limits = RequestLimits.of(settings)
    app.state.services = SimpleNamespace(
        limits=limits,
        ingest=ingest,
        memory_budget=budget or MemoryBudget(limits.batch.bytes),
        keys=KeyRing("open"),
    )
    body = sent.SerializeToString() if headers is PROTOBUF else b'{"resourceLogs":[' + LOG + b"]}"

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/v1/logs", content=body, headers=headers)

    return asyncio.run(send())


LOG = b'{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"m"}}]}]}'


def logs(count: int = 1, text: str = "m", of_resource: str = "") -> ExportLogsServiceRequest:
    sent = ExportLogsServiceRequest()
    group = sent.resource_logs.add()
    group.resource.attributes.add(key="k").value.string_value = of_resource
    records = group.scope_logs.add().log_records
    for _ in range(count):
        records.add().body.string_value = text
    return sent


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (QueueFull("full", 17), 503, 14, "17"),
        (QueueUnavailable("away"), 503, 14, "2"),
        (RuntimeError("a bug"), 500, 13, None),
    ],
)
def test_whatever_goes_wrong_is_a_status_in_the_requests_encoding(
    error: Exception, status: int, code: int, retry: str | None
) -> None:
    in_protobuf = post(logs(), Ingest(error))
    in_json = post(logs(), Ingest(error), headers=JSON)
    for answer, headers in ((in_protobuf, PROTOBUF), (in_json, JSON)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == headers["content-type"]
        assert answer.headers.get("retry-after") == retry
    assert Status.FromString(in_protobuf.content).code == code
    assert json.loads(in_json.content)["code"] == code
    assert b"a bug" not in in_protobuf.content + in_json.content


def test_records_that_are_all_refused_are_nothing_to_accept() -> None:
    ingest = Ingest(RuntimeError("must not be asked"))
    assert post(logs(text="\0"), ingest).status_code == 200
    assert post(ExportLogsServiceRequest(), ingest).status_code == 200


def test_a_request_takes_room_as_it_was_sent_and_as_events_and_gives_it_back() -> None:
    plain = logs(10, "x" * 1000)
    size = len(plain.SerializeToString())
    budget = MemoryBudget(3 * size + 1)
    ingest = Ingest()
    nothing_kept, kept_often = logs(0, of_resource="r" * 4 * size), logs(100, "m", "r" * 1000)
    with budget.reservation() as other:
        other.reserve(1)
        for sent in (nothing_kept, kept_often):
            refused = post(sent, ingest, budget)
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert b"all the memory for requests" in refused.content
        assert not ingest.accepted
        assert budget.free == 3 * size
        assert post(plain, ingest, budget).status_code == 200
        assert len(ingest.accepted) == 10
        assert budget.free == 3 * size
