"""Test probes, the paths at the root and under /api, and the description of the API."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.query.fresh import FRESH
from api.query.id_params import ID
from storage.model.filters import PARAMETERS
from testbed.service import Service
from tests.support.problems import problem

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
PATHS = ["/events", "/health", "/heath", "/health/ready", "/openapi.json", "/docs"]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_in_each_of_its_forms_without_a_redirect(
    running: Service, path: str
) -> None:
    forms = [path, f"{path}/", f"/api{path}", f"/api{path}/"]
    answers = [running.http.get(form, follow_redirects=False) for form in forms]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.headers["content-type"] for answer in answers}) == 1
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize(
    "path", ["/events", "/events/", "/api/events", "/api/events/", "/events%2F"]
)
def test_an_event_can_be_posted_to_and_read_from_each_form(running: Service, path: str) -> None:
    answer = running.http.post(path, json=EVENT, follow_redirects=False)
    assert answer.status_code == 202
    event_id = answer.json()["id"]
    assert answer.headers["location"] == f"/events/{event_id}"
    found = running.http.get(f"{path.removesuffix('/')}/{event_id}", follow_redirects=False)
    if path != "/events%2F":
        assert found.json()["id"] == event_id
    # The route, which makes error messages, is behind each form too.
    problem(running.http.post(path, json={}), 422)


def test_the_process_says_that_it_lives(running: Service) -> None:
    for path in ("/health", "/heath"):
        answer = running.http.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


@pytest.mark.parametrize("query", ["", "?for=accept", "?for=query"])
def test_ready_tells_the_state_of_each_server(running: Service, query: str) -> None:
    answer = running.http.get(f"/health/ready{query}")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "dependencies": {
            "queue": {"state": "up"},
            "control": {"state": "up"},
            "database": {"state": "up"},
        },
    }


def test_ready_for_nonsense_is_refused_with_what_can_be_asked(running: Service) -> None:
    found = problem(running.http.get("/health/ready?for=nonsense"), 422)
    [error] = found["errors"]
    assert error["parameter"] == "for"
    assert "'accept' or 'query'" in error["detail"]


def values(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield every name and its value, anywhere in the document."""
    for name, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield str(name), value
        if isinstance(value, dict | list):
            yield from values(value)


def resolve(document: Any, reference: str) -> Any:
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        document = document[part]
    return document


def test_the_openapi_document_is_whole(running: Service) -> None:
    document = running.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    references = {value for name, value in values(document) if name == "$ref"}
    assert "#/components/schemas/ProblemAnswer" in references
    for reference in references:
        assert resolve(document, reference)


def test_the_openapi_document_names_paths_parameters_and_answers(running: Service) -> None:
    paths = running.http.get("/openapi.json").json()["paths"]
    assert {"/events", "/events/batch", "/events/{event_id}", "/health", "/health/ready"} <= set(
        paths
    )
    filters = {parameter["name"] for parameter in paths["/events"]["get"]["parameters"]}
    assert filters >= {"component", "environment", "email", "message", "data", "from_date", "id"}
    assert filters == {each.name for each in (*PARAMETERS, ID, FRESH) if each.kind != "data path"}
    posted = paths["/events"]["post"]
    assert {"202", "400", "408", "413", "415", "422", "503"} <= set(posted["responses"])
    schema = posted["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["required"]) == {"component", "environment", "message"}
    for answer in ("400", "422", "503"):
        assert set(posted["responses"][answer]["content"]) == {"application/problem+json"}
    assert {"200", "404", "503"} <= set(paths["/events/{event_id}"]["get"]["responses"])
    [asked] = paths["/health/ready"]["get"]["parameters"]
    assert asked["name"] == "for"
    assert asked["schema"]["enum"] == ["accept", "query"]


def test_the_example_of_the_openapi_document_is_accepted(running: Service) -> None:
    posted = running.http.get("/openapi.json").json()["paths"]["/events"]["post"]
    [example] = posted["requestBody"]["content"]["application/json"]["schema"]["examples"]
    running.post(**example)


def test_the_documentation_page_finds_the_openapi_document(running: Service) -> None:
    page = running.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text
