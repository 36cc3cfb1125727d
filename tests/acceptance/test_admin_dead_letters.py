"""Dead letters over HTTP: lists, original bytes, replays and discards of a selection."""

import threading
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import sqlalchemy as sa

from storage.postgres.engine import short_engine
from storage.postgres.tables import audit_log, dead_letters
from testbed.service import Service
from tests.support.admin import (
    DISCARD,
    LETTERS,
    REPLAY,
    act,
    audit,
    execute,
    make_letters,
    results,
)
from tests.support.keys import client
from tests.support.problems import problem
from tests.support.queued import add_dead_letter, make_event
from tests.support.refusing import refuse, refuse_nothing

UNKNOWN = "0199a3c0-1111-7222-8333-444455556666"


@pytest.fixture
def engine(running: Service) -> Iterator[sa.Engine]:
    """Yield an engine for the service's database, which has no dead letter and no act."""
    with short_engine(running.settings.database_url) as found:
        execute(found, dead_letters.delete())
        execute(found, audit_log.delete())
        yield found


def test_a_list_has_each_dead_letter_once_page_by_page(running: Service, engine: sa.Engine) -> None:
    ids = make_letters(engine, 7)
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = running.http.get(LETTERS, params={"limit": 3, **after}).json()
        found += [letter["id"] for letter in page["dead_letters"]]
        if page["next_after"] is None:
            break
        after = {"after": page["next_after"]}
    assert found == ids
    [letter] = running.http.get(LETTERS, params={"limit": 1}).json()["dead_letters"]
    assert (letter["component"], letter["environment"]) == ("orders", "production")
    assert letter["message"].startswith("number ")
    assert letter["size"] > 100
    assert letter["reason"]


def test_a_list_of_a_reason_has_no_others(running: Service, engine: sa.Engine) -> None:
    first, second = make_letters(engine, 2)
    change = dead_letters.update().where(dead_letters.c.id == UUID(first))
    execute(engine, change.values(reason="22001: 100% too long"))
    found = running.http.get(LETTERS, params={"reason": "100% too"}).json()["dead_letters"]
    assert [letter["id"] for letter in found] == [first]
    assert running.http.get(LETTERS, params={"reason": "100_"}).json()["dead_letters"] == []
    assert second != first


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"after": "x"}, "after"),
        ({"reason": "x" * 501}, "reason"),
        ({"all": "true"}, "all"),
    ],
)
def test_a_parameter_out_of_bounds_is_named(
    running: Service, params: dict[str, str], named: str
) -> None:
    [fault] = problem(running.http.get(LETTERS, params=params), 422)["errors"]
    assert fault["parameter"] == named


def test_the_original_bytes_are_shown_as_text_or_in_base64_and_bounded(
    running: Service, engine: sa.Engine
) -> None:
    plain, binary, long = make_letters(engine, 3)
    for one, raw in ((binary, b"\xff\x00"), (long, "ä".encode() * 600_000)):
        change = dead_letters.update().where(dead_letters.c.id == UUID(one))
        execute(engine, change.values(event=raw))
    text = running.http.get(f"{LETTERS}/{plain}").json()
    assert text["encoding"] == "utf-8"
    assert text["is_whole"] is True
    assert f'"id":"{plain}"' in text["original"]
    raw = running.http.get(f"{LETTERS}/{binary}").json()
    assert (raw["encoding"], b64decode(raw["original"])) == ("base64", b"\xff\x00")
    cut = running.http.get(f"{LETTERS}/{long}").json()
    assert (cut["size"], cut["is_whole"], cut["encoding"]) == (1_200_000, False, "utf-8")
    assert set(cut["original"]) == {"ä"}
    listed = {one["id"]: one for one in running.http.get(LETTERS).json()["dead_letters"]}
    assert listed[binary]["component"] is None
    assert listed[long]["size"] == 1_200_000
    for unknown in (UNKNOWN, "x"):
        problem(running.http.get(f"{LETTERS}/{unknown}"), 404)


def test_a_selection_is_stored_once_after_the_reason_is_mended_and_no_other(
    running: Service, engine: sa.Engine
) -> None:
    refuse(engine, "22000", "%", said="this component is refused")
    ids = make_letters(engine, 4, "refused")
    chosen, left = ids[:3], ids[3]
    page = {"component": "refused"}
    assert running.events(**page) == running.events(**page) == []
    refused = act(running.http, REPLAY, [*chosen, UNKNOWN, chosen[0]])
    assert results(refused) == {**dict.fromkeys(chosen, "refused"), UNKNOWN: "not_found"}
    assert len(refused) == 4
    assert "this component is refused" in refused[0]["reason"]
    refuse_nothing(engine)
    assert set(results(act(running.http, REPLAY, chosen)).values()) == {"stored"}
    assert {event["id"] for event in running.events(**page)} == set(chosen)
    assert set(results(act(running.http, REPLAY, chosen)).values()) == {"not_found"}
    assert [one["id"] for one in running.http.get(LETTERS).json()["dead_letters"]] == [left]
    assert audit(engine) == [
        ("without a key@http", "dead-letters replay", one, result)
        for result in ("refused", "done")
        for one in chosen
    ]


def test_an_event_that_is_stored_already_is_said_to_be_so(
    running: Service, engine: sa.Engine
) -> None:
    event = running.post(component="a", environment="b", message="c")
    running.wait_stored(event["id"])
    stored = make_event("c")
    add_dead_letter(engine, stored)
    execute(
        engine, sa.text("INSERT INTO events SELECT created_at, id, 'a', 'b', 'c' FROM dead_letters")
    )
    assert results(act(running.http, REPLAY, [stored.id])) == {stored.id: "stored_already"}
    assert running.http.get(LETTERS).json()["dead_letters"] == []


def test_two_replays_of_the_same_selection_at_once_store_each_event_once(
    running: Service, engine: sa.Engine
) -> None:
    ids = make_letters(engine, 20, "twice")
    start = threading.Barrier(2)

    def replay() -> dict[str, str]:
        with client(running) as http:
            start.wait(30)
            return results(act(http, REPLAY, ids))

    with ThreadPoolExecutor(2) as threads:
        first, second = (job.result() for job in [threads.submit(replay) for _ in range(2)])
    for one in ids:
        assert sorted((first[one], second[one])) == ["not_found", "stored"]
    assert len(running.events(component="twice", limit=100)) == 20


def test_a_discarded_selection_is_gone_and_no_other(running: Service, engine: sa.Engine) -> None:
    first, second, left = make_letters(engine, 3)
    found = results(act(running.http, DISCARD, [first, second, UNKNOWN]))
    assert found == {first: "discarded", second: "discarded", UNKNOWN: "not_found"}
    assert [one["id"] for one in running.http.get(LETTERS).json()["dead_letters"]] == [left]
    assert {line[1:] for line in audit(engine)} == {
        ("dead-letters discard", one, "done") for one in (first, second)
    }


@pytest.mark.parametrize("path", [REPLAY, DISCARD])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": ["all"]},
        {"ids": "all"},
        {"ids": None},
        {"ids": [UNKNOWN] * 1001},
        {"ids": [UNKNOWN], "all": True},
        {"all": True},
        [UNKNOWN],
    ],
    ids=lambda body: str(body)[:40],
)
def test_what_is_no_selection_changes_nothing(
    running: Service, engine: sa.Engine, path: str, body: object
) -> None:
    make_letters(engine, 1)
    problem(running.http.post(path, json=body), 422)
    assert len(running.http.get(LETTERS).json()["dead_letters"]) == 1


def test_a_page_of_another_site_can_not_act(running: Service, engine: sa.Engine) -> None:
    [one] = make_letters(engine, 1)
    body = f'{{"ids": ["{one}"]}}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        headers = {"origin": "https://evil.example", **({"content-type": kind} if kind else {})}
        problem(running.http.post(DISCARD, content=body, headers=headers), 415)
    asked = {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    assert "access-control-allow-origin" not in running.http.options(DISCARD, headers=asked).headers
    assert len(running.http.get(LETTERS).json()["dead_letters"]) == 1


def test_without_postgresql_nothing_is_done_and_the_answer_says_so(
    running: Service, engine: sa.Engine
) -> None:
    [one] = make_letters(engine, 1)
    execute(engine, sa.text("ALTER TABLE dead_letters RENAME TO away"))
    assert "retry-after" in running.http.get(LETTERS).headers
    problem(running.http.post(REPLAY, json={"ids": [one]}), 503)
    execute(engine, sa.text("ALTER TABLE away RENAME TO dead_letters"))
    assert results(act(running.http, REPLAY, [one])) == {one: "stored"}


def test_what_is_larger_than_any_event_is_left_to_the_command(
    running: Service, engine: sa.Engine
) -> None:
    [one] = make_letters(engine, 1)
    change = dead_letters.update().where(dead_letters.c.id == UUID(one))
    execute(engine, change.values(event=b"x" * ((16 << 20) + 1)))
    [found] = act(running.http, REPLAY, [one])
    assert found["result"] == "refused"
    assert "activity dead-letters replay" in found["reason"]
