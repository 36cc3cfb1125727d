"""A key with limits posts and sees nothing outside of them, however it asks."""

import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from api.formats.otlp.encodings import PROTOBUF
from storage.access.api_key import Scope, admits
from storage.model.event import Event
from storage.postgres.engine import short_engine
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.keys import TestKey, client, new_key, put_on_queue
from tests.support.otlp_requests import log_record
from tests.support.otlp_requests import request as export_request
from tests.support.problems import problem, without_id
from tests.support.queued import add_dead_letter, make_event
from tests.support.reading import made, store

COMPONENTS = ["pay", "pay-a", "pay-b", "pay.", "pa", "web", "web-1", "é-1", "a_b", "axb"]
ENVIRONMENTS = ["prod", "prod-eu", "test"]
PATTERNS = ["pay", "pay-*", "pay*", "web", "web*", "é*", "a_b", "a_*", "%", "nobody", "p*"]
START_MS = 1_772_323_200_000
COUNT = 300

ALL = new_key()
PAY = new_key(components=("pay-*", "web"), environments=("prod*",))
ONE = new_key(components=("pay-a",))
READS_PAY = new_key(Scope.READ, components=("pay-*",))


class Limited(NamedTuple):
    """A service whose keys have limits, and the events that PostgreSQL has."""

    running: Service
    stored: list[Event]
    keys: list[TestKey]
    settings: StorageSettings


def random_keys(count: int) -> list[TestKey]:
    spread = Random(3)

    def some(values: list[str]) -> tuple[str, ...]:
        return tuple(spread.sample(values, spread.choice([0, 1, 1, 2, 3])))

    return [
        new_key(Scope.READ, components=some(PATTERNS), environments=some([*ENVIRONMENTS, "prod-*"]))
        for _ in range(count)
    ]


def stored_events() -> list[Event]:
    spread = Random(4)
    return [
        made(
            START_MS + spread.randrange(1000),
            component=spread.choice(COMPONENTS),
            environment=spread.choice(ENVIRONMENTS),
            message=f"order {spread.randrange(30)}",
            data=json.dumps({"n": spread.randrange(5)}),
        )
        for _ in range(COUNT)
    ]


@pytest.fixture(scope="module")
def limited(servers: TestServers) -> Iterator[Limited]:
    """Run a service that stores nothing: what is posted stays queued, and pages stay cached."""
    with servers.fresh() as settings:
        keys, stored = random_keys(25), stored_events()
        store(settings, stored)
        put_on_queue(settings, ALL, PAY, ONE, READS_PAY, *keys)
        with service(settings, workers=0, auth="required", cache_grace_ms=0) as running:
            yield Limited(running, stored, keys, settings)


def event(component: str, environment: str = "prod", **more: object) -> dict[str, object]:
    return {"component": component, "environment": environment, "message": "m", **more}


def is_within(key: TestKey, component: str, environment: str) -> bool:
    return admits(key.key.components, component) and admits(key.key.environments, environment)


# --- posts -------------------------------------------------------------------------------------


def native(sent: dict[str, object]) -> dict[str, Any]:
    return {"json": sent}


def structured(sent: dict[str, object]) -> dict[str, Any]:
    cloud = {
        "specversion": "1.0",
        "id": "1",
        "type": "t",
        "source": "/s",
        "component": sent["component"],
        "environment": sent["environment"],
        "data": {"message": "m"},
    }
    return {
        "content": json.dumps(cloud),
        "headers": {"content-type": "application/cloudevents+json"},
    }


def binary(sent: dict[str, object]) -> dict[str, Any]:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-type": "t",
        "ce-source": "/s",
        "ce-component": str(sent["component"]),
        "ce-environment": str(sent["environment"]),
        "content-type": "application/json",
    }
    return {"content": "{}", "headers": headers}


@pytest.mark.parametrize("form", [native, structured, binary])
@pytest.mark.parametrize(
    ("component", "environment", "refused"),
    [
        ("pay-a", "prod", None),
        ("web", "prod-eu", None),
        ("pay", "prod", "component"),
        ("web-1", "prod", "component"),
        ("PAY-a", "prod", "component"),
        ("pay-a", "test", "environment"),
    ],
)
def test_one_event_outside_is_refused_with_what_is_allowed(
    limited: Limited, form: Any, component: str, environment: str, refused: str | None
) -> None:
    with client(limited.running, PAY) as http:
        found = http.post("/events", **form(event(component, environment)))
    if refused is None:
        assert found.status_code == 202, found.text
        return
    detail = problem(found, 403)["detail"]
    assert f"`{refused}`" in detail
    assert ("`pay-*`, `web`" if refused == "component" else "`prod*`") in detail


BATCH = [event("pay-a"), event("pay"), event("web", "test"), event("web"), {"component": "x"}]


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("dry_run", [False, True])
def test_each_item_of_a_batch_has_its_own_verdict(
    limited: Limited, lines: bool, dry_run: bool
) -> None:
    sent: dict[str, Any] = {"json": BATCH}
    if lines:
        sent = {
            "content": "\n".join(map(json.dumps, BATCH)),
            "headers": {"content-type": "application/x-ndjson"},
        }
    with client(limited.running, PAY) as http:
        found = http.post("/events/batch", params={"dry_run": str(dry_run).lower()}, **sent)
    document = found.json()
    assert (document["accepted"], document["rejected"]) == (2, 3)
    statuses = [result.get("error", {}).get("status") for result in document["results"]]
    assert statuses == [None, 403, 403, None, 422]
    assert "`component`" in document["results"][1]["error"]["detail"]
    assert "`environment`" in document["results"][2]["error"]["detail"]


def test_an_atomic_batch_with_an_event_outside_is_refused_whole(limited: Limited) -> None:
    with client(limited.running, PAY) as http:
        found = http.post("/events/batch", params={"atomic": "true"}, json=BATCH[:2])
    document = problem(found, 422)
    statuses = [result["error"]["status"] for result in document["results"]]
    assert statuses == [424, 403]


def test_a_batch_of_events_outside_only_is_refused(limited: Limited) -> None:
    with client(limited.running, PAY) as http:
        found = http.post("/events/batch", json=[event("pay")] * 3)
    assert [each["error"]["status"] for each in problem(found, 422)["results"]] == [403] * 3


def test_log_records_outside_are_counted_as_rejected(limited: Limited) -> None:
    def export(service_name: str) -> bytes:
        origin = {"service.name": service_name, "deployment.environment.name": "prod"}
        sent = export_request(log_record("a"), log_record("b"), of_resource=origin)
        return sent.SerializeToString()

    with client(limited.running, PAY) as http:
        kind = {"content-type": PROTOBUF.media_type}
        found = http.post("/v1/logs", content=export("web") + export("pay"), headers=kind)
    assert found.status_code == 200
    partial = ExportLogsServiceResponse.FromString(found.content).partial_success
    assert partial.rejected_log_records == 2
    assert "`component`" in partial.error_message


def test_an_idempotency_key_belongs_to_the_api_key(limited: Limited) -> None:
    headers = {"idempotency-key": "the same"}
    with client(limited.running, ALL) as first, client(limited.running, PAY) as second:
        mine = first.post("/events", json=event("pay-a", data=1), headers=headers)
        theirs = second.post("/events", json=event("pay-a", data=2), headers=headers)
        again = second.post("/events", json=event("pay-a", data=2), headers=headers)
        same = first.post("/events", json=event("pay-a", data=1), headers=headers)
        other = first.post("/events", json=event("pay-a", data=3), headers=headers)
    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert mine.json()["id"] != theirs.json()["id"]
    assert "idempotency-replayed" not in theirs.headers
    assert again.json() == theirs.json()
    assert same.json() == mine.json()
    problem(other, 422)


# --- pages -------------------------------------------------------------------------------------

QUERIES: list[dict[str, object]] = [
    {},
    {"component": "pay-a"},
    {"component": ["pay-a", "web", "nobody"]},
    {"component": "web", "environment": "test"},
    {"environment": ["prod", "test"]},
    {"-component": "pay-a"},
    {"message": "order 1"},
    {"data.n": "3"},
    {"order": "asc", "from_date": "2026-02-28"},
    {"to_date": "2026-03-02"},
]


def page(http: httpx.Client, query: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    found = http.get("/events", params={**query, "limit": 1000, **more})
    assert found.status_code == 200, found.text
    return found.json()  # type: ignore[no-any-return]


def ids(found: dict[str, Any]) -> list[str]:
    return [each["id"] for each in found["events"]]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_page_has_what_the_key_may_see_whoever_asked_before(
    limited: Limited, query: dict[str, object]
) -> None:
    by_id = {each.id: each for each in limited.stored}
    with client(limited.running, ALL) as http:
        everything = ids(page(http, query))
        assert everything
        for key in limited.keys:
            with client(limited.running, key) as asking:
                expected = [
                    one
                    for one in everything
                    if is_within(key, by_id[one].component, by_id[one].environment)
                ]
                for _ in range(2):  # from PostgreSQL, then from the cache
                    assert ids(page(asking, query)) == expected
            assert ids(page(http, query)) == everything


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_cursor_of_another_key_is_a_place_and_no_right(limited: Limited, order: str) -> None:
    with client(limited.running, ALL) as http, client(limited.running, READS_PAY) as asking:
        mine = ids(page(asking, {"order": order}))
        everything = ids(page(http, {"order": order}))
        for place in (1, 17, COUNT - 1):
            cursor = page(http, {"order": order}, limit=place)["next_cursor"]
            behind = everything[place:]
            assert ids(page(asking, {"order": order, "cursor": cursor})) == [
                one for one in mine if one in behind
            ]


def test_an_etag_of_another_key_tells_nothing(limited: Limited) -> None:
    with client(limited.running, ALL) as http, client(limited.running, READS_PAY) as asking:
        etag = http.get("/events").headers["etag"]
        assert asking.get("/events", headers={"if-none-match": etag}).status_code == 200


# --- events by id --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outside(limited: Limited) -> dict[str, str]:
    """Return an event of each kind that `ONE` may not see."""
    letter = make_event(component="web")
    broken = make_event(component="pay-a")
    with short_engine(limited.settings.database_url) as engine:
        add_dead_letter(engine, letter)
        add_dead_letter(engine, broken, b"\xff not an event")
    with client(limited.running, ALL) as http:
        queued = http.post("/events", json=event("web")).json()["id"]
        assert http.get(f"/events/{letter.id}").json()["receipt"] == "dead"
        assert http.get(f"/events/{broken.id}").status_code == 500
    stored = next(each.id for each in limited.stored if each.component == "web")
    return {"queued": queued, "stored": stored, "dead": letter.id, "unreadable": broken.id}


UNKNOWN = "0199a3c0-1111-7222-8333-444455556666"


@pytest.mark.parametrize("end", ["", "/around", "/around?same=component"])
@pytest.mark.parametrize("kind", ["queued", "stored", "dead", "unreadable"])
def test_an_event_outside_is_as_unknown(
    limited: Limited, outside: dict[str, str], kind: str, end: str
) -> None:
    with client(limited.running, ONE) as http:
        found, unknown = (http.get(f"/events/{one}{end}") for one in (outside[kind], UNKNOWN))
        problem(found, 404)
        assert without_id(found) == without_id(unknown)
        assert found.headers.keys() == unknown.headers.keys()
        assert http.get("/events", params={"id": outside[kind]}).json() == {
            "events": [],
            "missing": [outside[kind]],
            "next_cursor": None,
        }


@pytest.mark.parametrize("same", [[], ["component"], ["environment"], ["component", "environment"]])
def test_around_an_event_only_those_within_are_shown(limited: Limited, same: list[str]) -> None:
    in_order = sorted(limited.stored, key=lambda one: (one.created_at, one.id))
    for key in (ONE, READS_PAY, *limited.keys):
        mine = [one for one in in_order if is_within(key, one.component, one.environment)]
        with client(limited.running, key) as http:
            for event in mine[:: max(len(mine) // 3, 1)]:
                found = http.get(f"/events/{event.id}/around", params={"same": same}).json()
                alike = [
                    one.id
                    for one in mine
                    if all(getattr(one, name) == getattr(event, name) for name in same)
                ]
                at = alike.index(event.id)
                shown = [found["before"], [found["event"]], found["after"]]
                expected = [alike[max(at - 20, 0) : at], [event.id], alike[at + 1 : at + 21]]
                assert [[one["id"] for one in side] for side in shown] == expected


def test_many_ids_give_those_within(limited: Limited, outside: dict[str, str]) -> None:
    with client(limited.running, ONE) as http:
        queued = http.post("/events", json=event("pay-a")).json()["id"]
        stored = next(each.id for each in limited.stored if each.component == "pay-a")
        asked = [queued, *outside.values(), stored, UNKNOWN]
        found = http.get("/events", params={"id": asked}).json()
        assert ids(found) == [queued, stored]
        assert found["missing"] == [*outside.values(), UNKNOWN]
        for one in (queued, stored):
            assert http.get(f"/events/{one}").json()["component"] == "pay-a"
        assert http.get(f"/events/{UUID(queued)}").json()["receipt"] == "queued"


def test_a_read_key_posts_nothing_and_a_limited_one_waits_for_its_own(limited: Limited) -> None:
    with client(limited.running, READS_PAY) as http:
        problem(http.post("/events", json=event("pay-a")), 403)
    with client(limited.running, ONE) as http:
        problem(http.post("/events", params={"ack": "stored"}, json=event("web")), 403)
