"""A key with limits sees nothing outside of them, however it asks."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest

from storage.postgres.engine import short_engine
from tests.support import limited_keys
from tests.support.keys import client
from tests.support.limited_keys import ALL, COUNT, ONE, READS_PAY, Limited, event, is_within
from tests.support.problems import problem, without_id
from tests.support.queued import add_dead_letter, make_event

limited = limited_keys.limited

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
