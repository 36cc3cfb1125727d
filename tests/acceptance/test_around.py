"""What stands before and after one event: `GET /events/{id}/around`."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

import httpx
import pytest

from storage.model.event import Event
from storage.postgres.engine import short_engine
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.problems import problem, without_id
from tests.support.queued import add_dead_letter, make_event
from tests.support.reading import made, store

START_MS = 1_772_323_200_000
COUNT = 400
INSTANTS = 50  # so few that many events have the same
UNKNOWN = "0199a3c0-1111-7222-8333-444455556666"
EMAILS = [None, "jo@example.com", "Jo@Example.com", "al@example.com"]
FAR_FUTURE = "ffffffff-ffff-7fff-bfff-ffffffffffff"


class Filled(NamedTuple):
    """A service that stores nothing more, and what PostgreSQL has, in the order of time."""

    running: Service
    stored: list[Event]
    settings: StorageSettings


@pytest.fixture(scope="module")
def filled(servers: TestServers) -> Iterator[Filled]:
    spread = Random(5)
    events = [
        made(
            START_MS + spread.randrange(INSTANTS) * 40_000_000,  # over 23 days
            component=spread.choice(["orders", "orders*", "auth"]),
            environment=spread.choice(["production", "test"]),
            email=spread.choice(EMAILS),
            number=spread.randrange(1 << 40),
        )
        for _ in range(COUNT)
    ]
    with servers.fresh() as settings:
        store(settings, events)
        with service(settings, workers=0) as running:
            in_order = sorted(events, key=lambda one: (one.created_at, one.id))
            yield Filled(running, in_order, settings)


def around(filled: Filled, event_id: str, **asked: object) -> dict[str, Any]:
    answer = filled.running.http.get(f"/events/{event_id}/around", params=asked)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    assert answer.headers["activity-lag"]
    return answer.json()  # type: ignore[no-any-return]


def ids(events: Sequence[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in events]


def alike(one: Event, other: Event, names: Sequence[str]) -> bool:
    values = [(getattr(one, name) or "", getattr(other, name) or "") for name in names]
    return all(mine.lower() == others.lower() for mine, others in values)


@pytest.mark.parametrize(
    "same", [[], ["component"], ["environment"], ["email"], ["component", "environment", "email"]]
)
def test_it_shows_the_nearest_of_both_sides_in_order(filled: Filled, same: list[str]) -> None:
    spread = Random(6)
    for event in spread.sample([one for one in filled.stored if one.email], 20):
        matching = [one.id for one in filled.stored if alike(one, event, same)]
        at = matching.index(event.id)
        before, after = spread.choice([(20, 20), (0, 5), (100, 0), (1, 1), (3, 100)])
        found = around(filled, event.id, before=before, after=after, same=same)
        assert list(found) == ["before", "event", "after"]
        assert ids(found["before"]) == matching[max(at - before, 0) : at]
        assert ids(found["after"]) == matching[at + 1 : at + 1 + after]
        assert (found["event"]["id"], found["event"]["receipt"]) == (event.id, "stored")


def test_events_of_the_same_instant_are_ordered_by_id_and_none_is_left_out(filled: Filled) -> None:
    event = filled.stored[COUNT // 2]
    at = COUNT // 2
    tied = [one.id for one in filled.stored if one.created_at == event.created_at]
    assert len(tied) > 2
    found = around(filled, event.id)
    shown = [*ids(found["before"]), event.id, *ids(found["after"])]
    assert shown == [one.id for one in filled.stored[at - 20 : at + 21]]
    assert set(tied) <= set(shown)


def test_the_first_and_the_last_event_have_one_side(filled: Filled) -> None:
    first, last = around(filled, filled.stored[0].id), around(filled, filled.stored[-1].id)
    assert (first["before"], len(first["after"])) == ([], 20)
    assert (len(last["before"]), last["after"]) == (20, [])


def test_a_queued_event_and_a_dead_letter_are_shown_among_what_is_stored(filled: Filled) -> None:
    queued = filled.running.post(component="orders", environment="test", message="new")["id"]
    found = around(filled, str(queued))
    assert found["event"]["receipt"] == "queued"
    assert ids(found["before"]) == [one.id for one in filled.stored[-20:]]
    assert found["after"] == []
    problem(filled.running.http.get(f"/events/{queued}/around?fresh=true"), 503)
    letter = make_event(component="orders")
    with short_engine(filled.settings.database_url) as engine:
        add_dead_letter(engine, letter)
    found = around(filled, letter.id, same="component", before=100)
    assert (found["event"]["id"], found["event"]["receipt"]) == (letter.id, "dead")
    assert {one["component"] for one in found["before"]} == {"orders"}
    assert letter.id not in ids(found["before"])


def test_what_get_of_the_event_refuses_is_refused_alike(filled: Filled) -> None:
    broken = make_event()
    with short_engine(filled.settings.database_url) as engine:
        add_dead_letter(engine, broken, b"\xff not an event")
    for event_id in (UNKNOWN, FAR_FUTURE, "no-id", "batch", broken.id):
        alone = filled.running.http.get(f"/events/{event_id}")
        found = filled.running.http.get(f"/events/{event_id}/around")
        if event_id == "batch":
            problem(found, 404)
            continue
        assert (found.status_code, without_id(found)) == (alone.status_code, without_id(alone))


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("before=101", "before"),
        ("after=-1", "after"),
        ("before=x", "before"),
        ("after=1.5", "after"),
        ("before=" + "9" * 5000, "before"),
        ("before=1&before=2", "before"),
        ("same=message", "same"),
        ("same=Component", "same"),
        ("befor=1", "befor"),
        ("component=orders", "component"),
        ("fresh=maybe", "fresh"),
    ],
)
def test_a_wrong_parameter_is_told(filled: Filled, query: str, parameter: str) -> None:
    found = filled.running.http.get(f"/events/{filled.stored[0].id}/around?{query}")
    faults = problem(found, 422)["errors"]
    assert [fault["parameter"] for fault in faults] == [parameter]


def test_blank_values_are_ignored_and_repeated_ones_count_once(filled: Filled) -> None:
    event = filled.stored[100]
    path = f"/events/{event.id}/around"
    get = filled.running.http.get
    assert get(f"{path}?before=&same=&after=%20").json() == get(path).json()
    repeated = get(f"{path}?before=3&before=3&same=component&same=component").json()
    assert repeated == get(f"{path}?before=3&same=component").json()


def test_the_same_email_as_none_is_refused(filled: Filled) -> None:
    event = next(one for one in filled.stored if one.email is None)
    found = filled.running.http.get(f"/events/{event.id}/around?same=email")
    assert "none" in problem(found, 422)["errors"][0]["detail"]


def test_it_is_a_path_like_every_other(filled: Filled) -> None:
    path = f"/events/{filled.stored[0].id}/around"
    answers: list[httpx.Response] = [
        filled.running.http.get(form) for form in (path, f"{path}/", f"/api{path}", f"/api{path}/")
    ]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert filled.running.http.head(path).status_code == 200
    assert "GET" in filled.running.http.options(path).headers["allow"]
    problem(filled.running.http.post(path), 405)
