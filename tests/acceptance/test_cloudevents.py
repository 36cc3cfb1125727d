"""Send CloudEvents over HTTP, by the official SDK and by hand."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings import http as binding
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.conversion import to_binary, to_dict, to_structured
from cloudevents.v1.http import CloudEvent as FormerEvent
from hypothesis import example, given
from hypothesis import strategies as st

from testbed.service import Service
from tests.support.hostile import BODY, fuzz, mutations, talk
from tests.support.hostile import post as by_hand
from tests.support.problems import problem

ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "A234",
    "source": "/sdk/tests",
    "type": "com.example.invoice.paid",
    "time": datetime(2026, 4, 16, 12, 30, 0, 250_000, UTC),
    "subject": "Rechnung 1042 für „Müller“ 100% 😀",
    "datacontenttype": "application/json",
    "dataschema": "https://example.com/schema",
    "email": "jo@example.com",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
KEPT = {**ATTRIBUTES, "time": "2026-04-16T12:30:00.250000Z"}
DATA = {"invoice": 1042, "amount": 12.5, "lines": [{"text": "größer"}, None]}
STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


def post(running: Service, message: binding.HTTPMessage, path: str = "/events") -> dict[str, Any]:
    """Post what the SDK made; return the event as a query finds it once it is stored."""
    answer = running.http.post(
        path, content=message.body, headers=message.headers, params={"ack": "stored"}
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = running.http.get(answer.headers["location"]).json()
    assert found.pop("receipt") == "stored"
    assert {**found, "receipt": "stored"} == answer.json()
    return found


# --- the official SDK --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [binding.to_binary_event, binding.to_structured_event])
def test_an_event_of_the_sdk_comes_back_whole_in_either_mode(running: Service, mode: Any) -> None:
    found = post(running, mode(CloudEvent(dict(ATTRIBUTES), DATA)))
    assert found["data"] == {**KEPT, "data": DATA}
    assert [found[name] for name in ("component", "environment", "message", "email")] == [
        ATTRIBUTES["type"],
        ATTRIBUTES["source"],
        ATTRIBUTES["subject"],
        ATTRIBUTES["email"],
    ]
    # `data` is a CloudEvent in the JSON format: the SDK reads it as the one it sent.
    again = JSONFormat().read(None, json.dumps(found["data"]))
    assert again.get_attributes() == ATTRIBUTES
    assert again.get_data() == DATA


@pytest.mark.parametrize("mode", [binding.to_binary_event, binding.to_structured_event])
@pytest.mark.parametrize(
    ("content_type", "data", "member"),
    [
        ("text/plain", "größer", {"data": "größer"}),
        ("application/xml", '<much wow="xml"/>', {"data": '<much wow="xml"/>'}),
        ("application/octet-stream", b"\x00\xff", {"data_base64": "AP8="}),
        ("application/json", None, {}),
    ],
)
def test_data_of_any_kind_comes_back(
    running: Service, mode: Any, content_type: str, data: Any, member: dict[str, Any]
) -> None:
    event = CloudEvent({**ATTRIBUTES, "datacontenttype": content_type}, data)
    found = post(running, mode(event))
    assert found["data"] == {**KEPT, "datacontenttype": content_type, **member}


@pytest.mark.parametrize("to", [to_binary, to_structured])
def test_the_former_api_of_the_sdk_is_understood_too(running: Service, to: Any) -> None:
    typed = {"datacontenttype": "application/json", "component": "billing"}
    sent = FormerEvent({"type": "t", "source": "s", **typed}, DATA)
    headers, body = to(sent)
    found = post(running, binding.HTTPMessage(headers, body))
    assert found["component"] == "billing"
    assert found["data"] == {
        name: value for name, value in to_dict(sent).items() if value is not None
    } | {"data": DATA}


def test_a_batch_of_the_sdks_events_is_taken_in_its_order(running: Service) -> None:
    sent = [
        CloudEvent({"type": "t", "source": "s", "id": str(number), "component": "batch"}, DATA)
        for number in range(50)
    ]
    body = b"[" + b",".join(JSONFormat().write(event) for event in sent) + b"]"
    for content, more in ((body, {}), (gzip.compress(body), {"content-encoding": "gzip"})):
        answer = running.http.post(
            "/events/batch?ack=stored", content=content, headers={**BATCH, **more}
        )
        assert answer.status_code == 201, answer.text
        ids = [result["id"] for result in answer.json()["results"]]
        found = running.by_ids(ids)["events"]
        assert [event["data"]["id"] for event in found] == [str(number) for number in range(50)]
        assert {event["component"] for event in found} == {"batch"}
    assert len(running.events(component="batch")) == 100


# --- by hand -----------------------------------------------------------------------------------

WHOLE = b"""{"specversion" : "1.0", "type" : "com.example.someevent", "source" : "/mycontext",
  "subject": null, "id" : "C234-1234-1234", "time" : "2018-04-05T17:31:00Z",
  "comexampleextension1" : "value", "comexampleothervalue" : 5, "datacontenttype" :
  "application/json", "data" : { "big": 123456789012345678901234567890, "exact": 1.2300 } }"""
REQUIRED = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "t"}


@pytest.mark.parametrize("path", ["/events", "/events/", "/api/events", "/api/events/"])
@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json; charset=UTF-8", "Application/CloudEvents+JSON"],
)
def test_a_structured_cloudevent_keeps_every_digit(
    running: Service, path: str, content_type: str
) -> None:
    headers = {"content-type": content_type, "ce-type": "ignored", "ce-specversion": "0.0"}
    answer = running.http.post(path, content=WHOLE, headers=headers)
    assert answer.status_code == 202, answer.text
    assert WHOLE in answer.content
    running.wait_stored(answer.json()["id"])
    stored = running.http.get(answer.headers["location"])
    assert b'"big": 123456789012345678901234567890' in stored.content
    assert b'"exact": 1.2300' in stored.content
    assert stored.json()["component"] == "com.example.someevent"


def test_binary_mode_is_told_from_a_plain_event_by_any_required_attribute(
    running: Service,
) -> None:
    event = {"component": "c", "environment": "e", "message": "m"}
    plain = running.http.post("/events", json=event, headers={"ce-time": "none of ours"})
    assert plain.json()["data"] is None
    whole = running.http.post("/events", json=event, headers=REQUIRED)
    assert whole.json()["data"]["data"] == event
    for name in REQUIRED:
        faults = problem(
            running.http.post("/events", json=event, headers={name: REQUIRED[name]}), 422
        )["errors"]
        assert {fault["header"] for fault in faults} == set(REQUIRED) - {name}


def test_every_error_points_into_the_senders_own_document_or_headers(running: Service) -> None:
    sent = {"specversion": "1.0", "id": "", "source": "s", "Bad": 1, "data": ["\0"]}
    document = problem(
        running.http.post("/events", content=json.dumps(sent), headers=STRUCTURED), 422
    )
    assert document["detail"] == "4 things are wrong."
    assert {fault["pointer"] for fault in document["errors"]} == {"/id", "/type", "/Bad", "/data/0"}
    headers = {**REQUIRED, "ce-time": "now", "ce-source": "%ff", "ce-type": "x" * 300}
    document = problem(running.http.post("/events", json=["\0"], headers=headers), 422)
    assert [fault.get("header", fault.get("pointer")) for fault in document["errors"]] == [
        "ce-source",
        "ce-time",
        "/0",
        "ce-type",
    ]


def test_an_invalid_item_of_a_batch_does_not_affect_the_others(running: Service) -> None:
    good = json.loads(WHOLE) | {"component": "mixed"}
    bad = {**good, "specversion": "0.3", "time": 5}
    large = {**good, "data": "x" * 300_000}
    sent = json.dumps([good, bad, good, large, 5, {**good, "data": "x" * 200_000}])
    answer = running.http.post("/events/batch", content=sent, headers=BATCH)
    assert answer.status_code == 202, answer.text
    results = answer.json()["results"]
    assert ["id" in result for result in results] == [True, False, True, False, False, True]
    assert [results[index]["error"]["status"] for index in (1, 3, 4)] == [422, 413, 422]
    assert [fault["pointer"] for fault in results[1]["error"]["errors"]] == [
        "/specversion",
        "/time",
    ]
    assert results[4]["error"]["errors"][0] == {
        "detail": "must be a JSON object: a CloudEvent",
        "pointer": "",
    }


def test_a_plain_event_is_not_read_as_a_cloudevent_and_the_reverse(running: Service) -> None:
    ours = {"component": "c", "environment": "e", "message": "m"}
    for headers, path in ((STRUCTURED, "/events"), (BATCH, "/events/batch")):
        body = json.dumps([ours] if headers is BATCH else ours)
        problem(running.http.post(path, content=body, headers=headers), 422)
    problem(running.http.post("/events", content=WHOLE, headers=BATCH), 415)
    problem(running.http.post("/events/batch", content=WHOLE, headers=STRUCTURED), 415)
    avro = {"content-type": "application/cloudevents+avro", **REQUIRED}
    problem(running.http.post("/events", content=b"x", headers=avro), 415)


def test_a_retry_counts_once_and_headers_are_part_of_what_is_sent(running: Service) -> None:
    def send(**more: str) -> httpx.Response:
        headers = {**REQUIRED, "Idempotency-Key": "ce-1", **more}
        return running.http.post("/events", json={}, headers=headers)

    first = send()
    assert first.status_code == 202
    assert send().json() == first.json()
    problem(send(**{"ce-subject": "another"}), 422)


def test_the_resulting_event_may_not_exceed_the_size_of_an_event(running: Service) -> None:
    for headers in ({"content-type": "text/plain"}, {"content-type": "image/png"}):
        body = b"\x01" * 250_000
        answer = running.http.post("/events", content=body, headers={**REQUIRED, **headers})
        assert "as an event" in problem(answer, 413)["detail"].lower()


def test_a_cloudevent_is_found_by_its_data(running: Service) -> None:
    more = {"datacontenttype": "application/json", "partitionkey": "p 7"}
    event = CloudEvent({"type": "found", "source": "/by/query", **more}, {"n": 1})
    post(running, binding.to_binary_event(event))
    for query in (
        {"data.partitionkey": "p 7"},
        {"data.data.n": "1", "component": "found"},
        {"data": '{"source":"/by/query"}'},
    ):
        assert len(running.events(**query)) == 1


_names = st.sampled_from([*REQUIRED, "ce-time", "ce-datacontenttype", "ce-data", "CE-Subject"])
_values = st.sampled_from(["1.0", "%", "%41", '"a', "%00", "", " ", "\t", "a" * 300])


@fuzz(200)
@given(
    st.lists(
        st.tuples(
            _names.map(str.encode) | st.binary(max_size=4).map(lambda name: b"ce-" + name),
            _values.map(str.encode) | st.binary(max_size=9),
        ).filter(lambda header: not set(b"\r\n:") & set(header[0]) | set(b"\r\n") & set(header[1])),
        max_size=9,
    )
)
@example([(name.encode(), value.encode()) for name, value in REQUIRED.items()])
def test_any_headers_are_answered(running: Service, headers: list[tuple[bytes, bytes]]) -> None:
    lines = [name + b": " + value for name, value in headers]
    assert talk(running, by_hand(BODY, *lines))[0].status in (202, 400, 422)


@fuzz(200)
@given(mutations([WHOLE]))
def test_a_garbled_structured_cloudevent_is_kept_as_it_is_or_refused(
    running: Service, body: bytes
) -> None:
    answer = running.http.post("/events", content=body, headers=STRUCTURED)
    assert answer.status_code in (202, 400, 422)
    if answer.status_code == 202:
        assert body.strip() in answer.content
