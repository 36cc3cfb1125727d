"""Test that the OpenAPI document is true: schemathesis sends valid and invalid requests.

There is never a 5xx, and only the statuses, media types, headers and bodies that are documented.
What the document allows is accepted; what it forbids is refused.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, cast
from unittest import SkipTest
from urllib.parse import parse_qsl, urlsplit

import pytest
import schemathesis
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from schemathesis import CheckFunction, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from api.app import create_app
from api.settings import ApiSettings
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.hostile import fuzz

DOCUMENT: dict[str, Any] = create_app(
    StorageSettings(_env_file=None),
    ApiSettings(_env_file=None),
).fastapi.openapi()

# A JSON schema can't describe a message in protobuf.
_messages = st.builds(
    lambda text: ExportLogsServiceRequest(
        resource_logs=cast(
            Any, [{"scope_logs": [{"log_records": [{"body": {"string_value": text}}]}]}]
        )
    ).SerializeToString(),
    st.text(st.characters(codec="utf-8")),
)
schemathesis.openapi.media_type("application/x-protobuf", _messages)

schema = schemathesis.openapi.from_dict(DOCUMENT)
# A JSON schema can't say that a NUL is refused anywhere.
schema.config.generation.allow_x00 = False
_ENDLESS = "GET /events/tail"  # tests/acceptance/test_tail.py
_ALL = [cast(Any, found).ok() for found in schema.get_all_operations()]
OPERATIONS = [operation for operation in _ALL if operation.label != _ENDLESS]

_seen: Counter[tuple[str, int]] = Counter()

# Only the text of the document says what these must be, and how long a whole query may be.
_DATES = {"from_date", "to_date", "occurred_from", "occurred_to"}
_OF_COUNTS = {"tz", "group_by", "next", "field"}
_OF_EXPORTS = {"columns", "now"}
_OF_ADMINS = {"name", "components", "environments", "origins", "expires_at", "before", "after"}
_OF_ADMINS |= {"events_per_second", "events_per_day"}
_QUERIES = {f"GET /events{end}" for end in ("", "/stats", "/facets", "/changes", "/export")}
_IN_WORDS = {*_DATES, *_OF_COUNTS, *_OF_EXPORTS, "after", "cursor", "data", "id", "q", None}


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Service]:
    """Run a service that stays open: requests of these tests make API keys."""
    with (
        servers.fresh() as settings,
        service(settings, cache_grace_ms=0, auth="open") as started,
    ):
        yield started


def test_the_document_is_the_one_that_is_served(running: Service) -> None:
    assert running.http.get("/openapi.json").json() == DOCUMENT


# Not by schemathesis's own decorator: its tests share one name, so with several test processes
# each process would run only the first one.
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_operation_answers_as_documented(
    running: Service, operation: Any, mode: GenerationMode
) -> None:
    @fuzz(50)
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: schemathesis.Case[Any]) -> None:
        assume(not _is_another_path(case))
        response = case.call(base_url=running.url, timeout=20)
        _seen[case.operation.label, response.status_code] += 1
        case.validate_response(response, excluded_checks=list(_excluded(case, response)))

    try:
        answers()
    except (Unsatisfiable, SkipTest):
        assert mode is GenerationMode.NEGATIVE  # no input of it can be wrong


def _is_another_path(case: schemathesis.Case[Any]) -> bool:
    """Return whether the id makes the path that of another operation, as `facets` does.

    Paths without parameters are matched first (OpenAPI 3.1, "Path Templating Matching").
    """
    return bool(case.path_parameters) and urlsplit(case.formatted_path).path in DOCUMENT["paths"]


def _key_was_reused(case: schemathesis.Case[Any], response: schemathesis.Response) -> bool:
    """Skip a reused key: the document can't say that a key must not come with another body."""
    if case.operation.method.upper() != "POST" or response.status_code != 422:
        return False
    return any("header" in fault for fault in response.json().get("errors", ()))


def _a_float_is_no_integer(response: schemathesis.Response) -> bool:
    """Skip 204.0: it is an integer in JSON schema, but not in CloudEvents (JSON format, 2.2)."""
    if response.status_code != 422:
        return False
    document = response.json()
    items = [result.get("error", {}) for result in document.get("results", ())]
    faults = [fault for told in (document, *items) for fault in told.get("errors", ())]
    return bool(faults) and all("integer of 32 bits" in fault["detail"] for fault in faults)


def _is_in_words(case: schemathesis.Case[Any], response: schemathesis.Response) -> bool:
    """Return whether an administrator's request was refused for what only the text says."""
    if "/admin/" not in case.operation.label or response.status_code != 422:
        return False
    faults = response.json().get("errors", ())
    found = {fault.get("pointer", fault.get("parameter")) for fault in faults}
    return {(text or "").strip("/").split("/")[0] for text in found} <= _OF_ADMINS


def _is_import(response: schemathesis.Response) -> bool:
    """Return whether a batch was to be imported, and was refused."""
    sent = parse_qsl(urlsplit(str(response.request.url)).query)
    return ("import", "true") in sent and response.status_code in (415, 422)


def _an_item_was_refused(case: schemathesis.Case[Any], response: schemathesis.Response) -> bool:
    """Return whether a batch was accepted without its bad items: each has an error of its own."""
    if case.operation.label != "POST /events/batch" or response.status_code not in (200, 201, 202):
        return False
    return any("error" in result for result in response.json()["results"])


def _excluded(
    case: schemathesis.Case[Any], response: schemathesis.Response
) -> Iterator[CheckFunction]:
    """Skip what schemathesis expects of a query and can't know better."""
    if response.status_code == 413:  # a refusal, of which schemathesis does not know
        yield negative_data_rejection
    if _is_import(response):  # only the text says what an import needs besides
        yield positive_data_acceptance
    if _is_in_words(case, response):
        yield positive_data_acceptance
    if _key_was_reused(case, response) or _a_float_is_no_integer(response):
        yield positive_data_acceptance
    sent = parse_qsl(urlsplit(str(response.request.url)).query, keep_blank_values=True)
    if _an_item_was_refused(case, response) or any(not value.strip() for _, value in sent):
        yield negative_data_rejection  # bad items were rejected; blank values are ignored
    if case.operation.label not in _QUERIES:
        return
    if response.status_code == 422:
        faults = response.json().get("errors", ())
        if {fault.get("parameter") for fault in faults} <= _IN_WORDS:
            yield positive_data_acceptance
    if response.status_code == 431:
        yield from (positive_data_acceptance, negative_data_rejection)


def test_each_operation_was_called_with_valid_and_with_invalid_requests() -> None:
    wanted = {
        ("POST /events", 202),
        ("POST /events/batch", 202),
        ("POST /events/batch", 422),
        ("POST /events", 422),
        ("POST /v1/logs", 200),
        ("POST /v1/logs", 400),
        ("GET /events", 200),
        ("GET /events", 422),
        ("GET /events/stats", 200),
        ("GET /events/stats", 422),
        ("GET /events/facets", 200),
        ("GET /events/facets", 422),
        ("GET /events/changes", 200),
        ("GET /events/changes", 422),
        ("GET /events/export", 200),
        ("GET /events/export", 422),
        ("GET /events/{event_id}", 404),
        ("GET /events/{event_id}/around", 404),
        ("GET /health", 200),
        ("GET /health/ready", 200),
        ("GET /health/ready", 422),
        ("GET /status", 200),
        ("GET /admin/dead-letters", 200),
        ("GET /admin/dead-letters", 422),
        ("GET /admin/dead-letters/{event_id}", 404),
        ("POST /admin/dead-letters/replay", 200),
        ("POST /admin/dead-letters/replay", 422),
        ("POST /admin/dead-letters/discard", 200),
        ("POST /admin/keys", 422),
        ("POST /admin/keys/{key_id}/revoke", 404),
        ("GET /admin/audit", 200),
        ("GET /admin/erasures", 200),
        ("POST /admin/erasures", 202),
        ("POST /admin/erasures", 422),
        ("GET /admin/erasures/{erasure_id}", 404),
        ("GET /admin/rates", 200),
    }
    if not _seen:
        pytest.skip("nothing was asked in this run")
    assert wanted <= set(_seen)


def test_an_event_is_answered_as_documented_wherever_it_is(running: Service) -> None:
    event = running.post(component="a", environment="b", message="c", data={"n": [1.50, None]})
    by_id = schema["/events/{event_id}"]["GET"]
    around = schema["/events/{event_id}/around"]["GET"]
    page = schema["/events"]["GET"]
    running.wait_stored(event["id"])
    for _ in range(2):
        found = by_id.Case(path_parameters={"event_id": event["id"]})
        assert found.call_and_validate(base_url=running.url).status_code == 200
        beside = around.Case(path_parameters={"event_id": event["id"]}, query={"fresh": "true"})
        assert beside.call_and_validate(base_url=running.url).status_code == 200
        answer = page.Case(query={"limit": 1}).call_and_validate(base_url=running.url)
        assert answer.json()["next_cursor"]
        unchanged = page.Case(
            query={"limit": 1}, headers={"If-None-Match": answer.headers["etag"][0]}
        )
        assert unchanged.call_and_validate(base_url=running.url).status_code == 304
