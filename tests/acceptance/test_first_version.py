"""Test each acceptance case of the first version, over real HTTP."""

from typing import Any

import pytest

from testbed.service import Service
from testbed.waiting import wait_until

VALID: dict[str, Any] = {
    "component": "orders",
    "environment": "production",
    "message": "Order 77 was shipped",
    "email": "jo@example.com",
    "data": {"order": 77, "items": ["a", "b"]},
}


def problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    return document


def pointers(document: dict[str, Any]) -> set[str]:
    return {error["pointer"] for error in document["errors"]}


def test_posting_a_valid_event_answers_202_with_the_whole_event(running: Service) -> None:
    response = running.http.post("/events", json=VALID)
    assert response.status_code == 202
    event = response.json()
    assert {name: event[name] for name in VALID} == VALID
    assert set(event) == {"id", "created_at", *VALID}
    assert response.headers["location"] == f"/events/{event['id']}"
    assert event["created_at"].endswith("Z")


def test_posting_only_empty_fields_lists_every_empty_field(running: Service) -> None:
    empty = {"component": "", "environment": "", "message": "", "email": "", "data": ""}
    document = problem(running.http.post("/events", json=empty), 422)
    assert pointers(document) == {"/component", "/environment", "/message", "/email"}


def test_posting_nothing_names_the_required_fields(running: Service) -> None:
    document = problem(running.http.post("/events", json={}), 422)
    assert pointers(document) == {"/component", "/environment", "/message"}
    assert {error["detail"] for error in document["errors"]} == {"is required"}


def test_posting_an_invalid_email_points_at_it(running: Service) -> None:
    document = problem(running.http.post("/events", json={**VALID, "email": "jo at home"}), 422)
    assert pointers(document) == {"/email"}


def test_posting_invalid_json_says_where_it_breaks(running: Service) -> None:
    response = running.http.post(
        "/events", content=b'{"component": "orders",}', headers={"content-type": "application/json"}
    )
    assert "line 1, column" in problem(response, 400)["detail"]


@pytest.mark.parametrize("name", ["component", "message", "environment"])
@pytest.mark.parametrize("blank", ["", "  \t"])
def test_posting_a_blank_field_points_at_it(running: Service, name: str, blank: str) -> None:
    document = problem(running.http.post("/events", json={**VALID, name: blank}), 422)
    assert pointers(document) == {f"/{name}"}


def test_getting_without_parameters_returns_what_was_posted_newest_first(running: Service) -> None:
    first = running.post(**VALID)
    second = running.post(**{**VALID, "message": "another"})
    running.wait_stored(first["id"])
    running.wait_stored(second["id"])
    listed = [event["id"] for event in running.events()]
    assert listed.index(second["id"]) < listed.index(first["id"])


def test_getting_with_all_parameters_finds_the_one_event(running: Service) -> None:
    wanted = running.post(
        component="all-parameters", environment="staging", message="A Needle here", email="Al@B.org"
    )
    running.post(component="all-parameters", environment="staging", message="hay", email="al@b.org")
    day = str(wanted["created_at"])[:10]
    filters = {
        "component": "all-parameters",
        "environment": "staging",
        "message": "needle",
        "email": "al@b.org",
        "from_date": f"{day[5:7]}-{day[8:10]}-{day[:4]}",
        "to_date": day,
        "limit": 10,
        "order": "asc",
    }
    found = wait_until(lambda: running.events(**filters), "the event to be found")
    assert found == [wanted]


def test_getting_with_an_invalid_date_shows_the_accepted_forms(running: Service) -> None:
    document = problem(running.http.get("/events", params={"from_date": "2021/04/16"}), 422)
    [error] = document["errors"]
    assert error["parameter"] == "from_date"
    assert "04-16-2021" in error["detail"]
