"""Read the feed in polls: `GET /events/changes`."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from api.query.feed.tokens import position_of, token_of
from storage.feed.position import Position
from storage.postgres.engine import short_engine
from testbed.service import Service
from tests.support.event_streams import changes, ids, read_on
from tests.support.hostile import get
from tests.support.keys import client
from tests.support.problems import problem
from tests.support.raw_http import Raw


def post(running: Service, count: int, **more: object) -> list[Any]:
    event = {"component": "c", "environment": "e", "message": "m", **more}
    sent = [running.post(**event)["id"] for _ in range(count)]
    for each in sent:
        running.wait_stored(each)
    return sent


def test_a_reader_begins_now_or_at_the_start_and_gets_each_event_once(running: Service) -> None:
    before = post(running, 3)
    first = changes(running.http, wait=60)  # at once: the token is worth more than an event
    assert (first["events"], first["behind"]) == ([], 0)
    sent = post(running, 7, component="other")
    for limit in (1, 2, 3, 7, 1000):
        got = list(read_on(running.http, first["next"], limit=limit))
        assert sorted(got) == sorted(sent)
    everything = list(read_on(running.http, "start", limit=4))
    assert len(everything) == len(set(everything))
    assert {*before, *sent} <= set(everything)
    (page,) = running.events(component="other", limit=1)
    assert page in changes(running.http, after=first["next"])["events"]


def test_the_filters_are_those_of_pages_and_may_change_from_poll_to_poll(running: Service) -> None:
    start = changes(running.http)["next"]
    sent = [*post(running, 1, component="a"), *post(running, 1, component="b", email="x@y.z")]
    assert ids(changes(running.http, after=start, component="a")) == sent[:1]
    assert ids(changes(running.http, after=start, q="-component:a email:x@y.z")) == sent[1:]
    assert ids(changes(running.http, after=start, from_date="2999-01-01")) == []
    behind_first = changes(running.http, after=start, component="a")["next"]
    assert ids(changes(running.http, after=behind_first)) == []  # a position is one for all filters


def test_a_poll_waits_until_something_is_stored(running: Service) -> None:
    start = changes(running.http)["next"]
    found: list[dict[str, Any]] = []

    def poll() -> None:
        with client(running) as http:
            found.append(changes(http, after=start, wait=60, component="awaited"))

    waiting = threading.Thread(target=poll)
    waiting.start()
    post(running, 2)
    assert waiting.is_alive()  # another component is no reason to answer
    sent = post(running, 1, component="awaited")
    waiting.join(60)
    assert ids(found[0]) == sent
    assert ids(changes(running.http, after=found[0]["next"])) == []


def test_a_poll_for_nothing_ends_with_a_token_that_goes_on(running: Service) -> None:
    start = changes(running.http)["next"]
    found = changes(running.http, after=start, wait=1)
    assert (found["events"], found["behind"]) == ([], 0)
    sent = post(running, 1)
    assert ids(changes(running.http, after=found["next"])) == sent


@pytest.mark.parametrize(
    "token", ["x", "start ", "null", "A" * 80, "A" * 7000, "é" * 40, "%00", "0"]
)
def test_what_is_no_token_is_refused(running: Service, token: str) -> None:
    answer = running.http.get("/events/changes", params={"after": token})
    if token.strip() == "start":
        assert answer.status_code == 200
        return
    (fault,) = problem(answer, 422)["errors"]
    assert fault["parameter"] == "after"
    assert "is not a token of this feed" in fault["detail"]


def test_an_altered_token_is_refused_and_one_of_another_database_is_gone(
    running: Service,
) -> None:
    token = changes(running.http)["next"]
    for place in range(0, len(token), 5):
        other = "A" if token[place] != "A" else "B"
        wrong = token[:place] + other + token[place + 1 :]
        problem(running.http.get("/events/changes", params={"after": wrong}), 422)
    foreign = token_of(Position("another feed", {0: 1})).decode()
    told = problem(running.http.get("/events/changes", params={"after": foreign}), 410)
    assert "after=start" in told["detail"]
    header = {"Last-Event-ID": foreign}
    problem(running.http.get("/events/tail", headers=header), 410)
    wrong = {"Last-Event-ID": token[:-1]}
    (fault,) = problem(running.http.get("/events/tail", headers=wrong), 422)["errors"]
    assert fault["header"] == "Last-Event-ID"


def test_head_answers_as_get_does_but_waits_for_nothing(running: Service) -> None:
    token = changes(running.http)["next"]
    asked = {"after": token, "wait": "60"}
    answer = running.http.head("/events/changes", params=asked, timeout=30)
    assert (answer.status_code, answer.content) == (200, b"")
    for path in ("/events/changes", "/events/tail"):
        options = running.http.options(path)
        assert options.headers["allow"] == "GET, HEAD, OPTIONS"
        assert problem(running.http.post(path), 405)
        assert running.http.get(f"/api{path}/", params={"x": 1}).status_code == 422


def test_a_poll_whose_client_has_gone_is_given_up(running: Service) -> None:
    token = changes(running.http)["next"]
    for _ in range(120):  # more than may wait at once
        with Raw(running) as raw:
            raw.send(get(b"/events/changes?wait=60&after=%b" % token.encode()))
    assert changes(running.http, after=token, wait=1)["events"] == []


def test_the_id_of_the_feed_is_in_no_answer(running: Service) -> None:
    with short_engine(running.settings.database_url) as engine, engine.begin() as connection:
        feed_id = str(connection.scalar(sa.text("SELECT feed_id FROM feed_identity")))
    found = running.http.get("/events/changes", params={"after": "start"})
    assert feed_id not in found.text
    assert position_of(found.json()["next"], feed_id).feed_id == feed_id
