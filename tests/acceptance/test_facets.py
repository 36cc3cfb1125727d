"""Facets over real HTTP, against a plain count of the same events."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.access.api_key import Scope
from storage.model.event import Event
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import client, new_key, put_on_queue
from tests.support.problems import problem
from tests.support.reading import store
from tests.support.statistics import created, event_at, value_of

NOON = datetime(2026, 10, 25, 12, tzinfo=UTC)
LIMITED = new_key(Scope.READ, components=("pay*",))
READER = new_key(Scope.READ, Scope.WRITE)


def _made() -> list[Event]:
    chance = random.Random(11)
    return [
        event_at(
            NOON + timedelta(milliseconds=chance.randrange(-4 * 86_400_000, 5 * 86_400_000)),
            component=chance.choice(("api", "pay", "pay-eu")),
            environment=chance.choice(("dev", "live")),
            email=chance.choice((None, "A@x.org", f"{number % 80}@x.org")),
            message=chance.choice(("was paid", "failed")),
            data={"tier": chance.choice(("gold", None)), "user": {"n": number % 3}},
        )
        for number in range(4_000)
    ]


EVENTS = _made()


@pytest.fixture(scope="module")
def service_of(servers: TestServers) -> Iterator[Service]:
    """Run a service that has the events."""
    with servers.fresh() as settings:
        put_on_queue(settings, LIMITED, READER)
        store(settings, EVENTS)
        with service(settings, cache_grace_ms=0, statistics_budget_ms=8_000) as running:
            yield running


@pytest.fixture
def running(service_of: Service) -> Service:
    """Return the service; its client has a key that may read everything."""
    service_of.http.headers = READER.headers
    return service_of


def facets(running: Service, *fields: str, **filters: Any) -> dict[str, Any]:
    """Return the whole answer, asking again while it is not complete."""
    asked = {"field": list(fields), **filters}

    def whole() -> dict[str, Any]:
        response = running.http.get("/events/facets", params=asked)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer if answer["complete"] else {}

    return wait_until(whole, "a complete answer")


def paged(running: Service, **params: Any) -> int:
    """Return the number of rows that paging gives."""
    count, cursor = 0, None
    while True:
        query = {**params, "limit": 1000, **({"cursor": cursor} if cursor else {})}
        page = running.http.get("/events", params=query).json()
        count, cursor = count + len(page["events"]), page["next_cursor"]
        if cursor is None:
            return count


def plain(events: list[Event], field: str) -> Counter[str | None]:
    """Count the values of a field; None: no value."""
    group = tuple(field.removeprefix("data.").split(".")) if "data." in field else field
    return Counter(value_of(one, group) for one in events)


@pytest.mark.parametrize("filters", [{}, {"message": "paid"}, {"component": "pay"}], ids=str)
def test_the_values_the_rest_and_the_rows_agree(running: Service, filters: dict[str, str]) -> None:
    fields = ["component", "environment", "email", "data.tier", "data.user.n"]
    start, end = NOON - timedelta(hours=50, milliseconds=7), NOON + timedelta(hours=61)
    window = {"from_date": start.isoformat(), "to_date": end.isoformat(), **filters}
    within = [
        one
        for one in EVENTS
        if start <= created(one) < end
        and filters.get("message", "") in one.message
        and filters.get("component", one.component) == one.component
    ]
    assert paged(running, **window) == len(within)
    for _ in range(2):
        answer = facets(running, *fields, **window)
        assert datetime.fromisoformat(answer["covered"]["from"]) == start
        assert datetime.fromisoformat(answer["covered"]["to"]) == end
        assert (answer["from"], answer["to"]) == tuple(answer["covered"].values())
        assert answer["total"] == len(within)
        assert list(answer["fields"]) == fields
        for field, facet in answer["fields"].items():
            counts = plain(within, field)
            missing = counts.pop(None, 0)
            top = sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))[:10]
            assert facet["values"] == [{"value": name, "count": count} for name, count in top]
            assert facet["other"] == counts.total() - sum(count for _, count in top)
            assert (facet["missing"], facet["distinct"]) == (missing, len(counts))


def test_components_come_from_the_counts_by_hour_and_are_those_of_the_rows(
    running: Service,
) -> None:
    answer = facets(running, "component", environment="live")
    found = {each["value"]: each["count"] for each in answer["fields"]["component"]["values"]}
    assert found == plain([one for one in EVENTS if one.environment == "live"], "component")


def test_as_many_values_are_named_as_are_asked_for(running: Service) -> None:
    facet = facets(running, "email", values="3", message="paid")["fields"]["email"]
    assert len(facet["values"]) == 3
    assert facet["distinct"] == 81
    facet = facets(running, "email", values="100", message="paid")["fields"]["email"]
    assert (len(facet["values"]), facet["other"]) == (81, 0)


def test_a_filtered_field_is_counted_under_its_own_filter_too(running: Service) -> None:
    facet = facets(running, "component", component="pay")["fields"]["component"]
    assert [each["value"] for each in facet["values"]] == ["pay"]


def test_the_keys_of_data_are_those_of_the_newest_events(running: Service) -> None:
    answer = facets(running, "data", "component", message="paid")
    paid = [one for one in EVENTS if "paid" in one.message]
    looked_at = answer["fields"]["data"]["newest"]  # on a busy machine the time for it ends first
    assert 0 < looked_at <= 2_000
    newest = sorted(paid, key=lambda one: (one.created_at, one.id))[-looked_at:]
    with_tier = len(newest) - plain(newest, "data.tier")[None]
    keys = {"data.user.n": len(newest), "data.tier": with_tier}
    values = [{"value": key, "count": count} for key, count in keys.items() if count]
    assert answer["fields"]["data"] == {
        "values": values,
        "missing": 0,
        "distinct": len(values),
        "newest": len(newest),
    }
    for each in answer["fields"]["data"]["values"]:
        assert facets(running, each["value"], message="paid")["fields"]


@pytest.mark.parametrize("filters", [{}, {"message": "paid"}, {"component": "pay"}])
def test_the_keys_of_data_need_no_other_field(running: Service, filters: dict[str, str]) -> None:
    answer = facets(running, "data", **filters)
    assert answer["complete"]
    assert list(answer["fields"]) == ["data"]
    assert 0 < answer["fields"]["data"]["newest"] <= min(2_000, stats_total(running, filters))


def stats_total(running: Service, filters: dict[str, str]) -> int:
    found: int = running.http.get("/events/stats", params=filters).json()["total"]
    return found


def test_a_new_event_is_counted_at_once_and_a_late_one_too(running: Service) -> None:
    def count() -> int:
        facet = facets(running, "email", message="brand new")["fields"]["email"]
        return sum(each["count"] for each in facet["values"])

    assert count() == 0
    posted = running.post(component="c", environment="e", message="brand new", email="n@x.org")
    running.wait_stored(posted["id"])
    assert count() == 1


def test_a_fresh_facet_counts_what_was_posted_before(running: Service) -> None:
    for _ in range(3):
        running.post(component="fresh", environment="e", message="m")
    asked = {"component": "fresh", "field": "component", "fresh": "true"}
    found = running.http.get("/events/facets", params=asked)
    assert found.json()["fields"]["component"]["values"] == [{"value": "fresh", "count": 3}]
    assert "activity-lag" in found.headers


def test_a_question_in_the_query_language_is_counted(running: Service) -> None:
    asked = {"q": "component:(pay OR api) -environment:dev paid"}
    facet = facets(running, "component", **asked)["fields"]["component"]
    within = [
        one
        for one in EVENTS
        if one.component in ("pay", "api") and one.environment == "live" and "paid" in one.message
    ]
    assert {each["value"]: each["count"] for each in facet["values"]} == plain(within, "component")


def test_a_limited_key_counts_what_it_may_see(running: Service) -> None:
    running.http.headers = LIMITED.headers
    for more in ({}, {"message": "paid"}):
        facet = facets(running, "component", **more)["fields"]["component"]
        within = [one for one in EVENTS if one.component.startswith("pay")]
        within = [one for one in within if more.get("message", "") in one.message]
        assert {each["value"]: each["count"] for each in facet["values"]} == plain(
            within, "component"
        )
    none = facets(running, "component", component="api")["fields"]["component"]
    assert none == {"values": [], "other": 0, "missing": 0, "distinct": 0}


@pytest.mark.parametrize(
    ("query", "parameter", "told"),
    [
        ("", "field", "is needed"),
        ("field=", "field", "is needed"),
        ("field=compnent", "field", "did you mean component?"),
        ("field=data.", "field", "empty key"),
        ("field=data.a..b", "field", "empty key"),
        ("field=message", "field", "must be component, environment, email or data.<path>"),
        ("field=amount", "field", "or data for its keys; a value in data is named data.amount"),
        ("field=component,email", "field", "repeat field for each of them"),
        ("&".join(f"field=data.x{n}" for n in range(11)), "field", "is given 11 times, over 10"),
        ("feild=component", "feild", "did you mean field?"),
        ("field=component&limit=5", "limit", "is not a parameter"),
        ("field=component&values=0", "values", "from 1 to 100"),
        ("field=component&values=101", "values", "from 1 to 100"),
        ("field=component&values=5&values=6", "values", "more than once"),
        ("field=component&from_date=tomorrow", "from_date", "not an accepted date"),
    ],
)
def test_what_can_not_be_understood_is_refused_with_its_parameter(
    running: Service, query: str, parameter: str, told: str
) -> None:
    found = problem(running.http.get(f"/events/facets?{query}"), 422)
    faults = [fault for fault in found["errors"] if fault["parameter"] == parameter]
    assert told in faults[0]["detail"]


def test_an_unchanged_answer_is_told_by_its_etag(running: Service) -> None:
    path = "/api/events/facets/?field=email&from_date=2026-10-20&to_date=2026-10-21"
    found = running.http.get(path)
    assert found.headers["cache-control"] == "no-cache"
    same = running.http.get(path, headers={"if-none-match": found.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert running.http.options(path).headers["allow"] == "GET, HEAD, OPTIONS"
    problem(running.http.post("/events/facets", json={}), 405)


def test_without_the_scope_to_read_nothing_is_counted(running: Service) -> None:
    writer = new_key(Scope.WRITE)
    put_on_queue(running.settings, writer)
    with client(running, writer) as http:
        assert http.get("/events/facets?field=component").status_code in (401, 403)
