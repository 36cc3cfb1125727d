"""Import events of the past over real HTTP: each once, at its own time, with no stale answer."""

import gzip
import json
import random
from datetime import timedelta
from typing import Any

import pytest

from storage.access.api_key import Scope
from storage.model.event import new_id
from testbed.service import Service
from tests.support.imports import PAST, PATH, at, fault, is_balanced, item, send, store
from tests.support.keys import new_key
from tests.support.problems import problem

WRITER, READER = new_key(Scope.WRITE), new_key(Scope.READ)
ADMIN = new_key(Scope.ADMIN)


def test_an_event_is_stored_at_its_own_time(running: Service) -> None:
    instant = PAST + timedelta(microseconds=123_999)
    sent = item(1, instant, email="jo@example.com", data={"n": 1.50}, occurred_at=at(PAST))
    [result] = send(running, sent)["results"]
    created = at(instant)
    assert result == {"id": result["id"], "created_at": created}
    running.wait_stored(result["id"])
    stored = running.http.get(f"/events/{result['id']}").json()
    assert stored.pop("occurred_at") == "2019-03-05T07:30:00.000000Z"
    assert stored == {
        **{name: sent[name] for name in ("component", "environment", "message", "email", "data")},
        "id": result["id"],
        "created_at": created,
        "receipt": "stored",
    }
    found = running.events(from_date=at(PAST), to_date=at(PAST + timedelta(seconds=1)))
    assert [one["id"] for one in found] == [result["id"]]


def test_importing_again_doubles_nothing_whatever_the_batches(running: Service) -> None:
    events = [item(n, PAST + timedelta(days=n), component="again") for n in range(60)]
    ids = store(running, *events)
    shuffled = random.Random(5).sample(events, 60)
    for batch in (shuffled[:25], shuffled[25:], events):
        answer = send(running, *batch)
        assert (answer["accepted"], answer["duplicates"]) == (len(batch), len(batch))
        assert all(one["duplicate"] is True for one in answer["results"])
    assert [one["id"] for one in answer["results"]] == ids
    assert len(running.events(component="again", limit=1000)) == 60
    assert is_balanced(running)


def test_an_event_without_an_import_id_is_known_by_its_content(running: Service) -> None:
    def bare(**more: Any) -> dict[str, Any]:
        made = item(7, component="content", data={"a": [1, 2.5], "b": 100}, **more)
        del made["import_id"]
        return made

    text = json.dumps(bare())
    other_notation = text.replace("2.5", "2.50").replace("100", "1e2").replace(".000Z", "Z")
    answer = send(running, bare())
    again = running.http.post(
        PATH, content=f"[{other_notation}]", headers={"content-type": "application/json"}
    ).json()
    assert again["results"][0] == {**answer["results"][0], "duplicate": True}
    assert send(running, bare(email="jo@example.com"))["duplicates"] == 0


def test_of_one_import_id_and_time_only_one_event_is_stored_and_it_is_told(
    running: Service,
) -> None:
    first, other = item(1, component="twice"), item(1, component="twice", message="another")
    in_one_batch = send(running, first, other, first)
    assert (in_one_batch["accepted"], in_one_batch["rejected"]) == (2, 1)
    assert in_one_batch["duplicates"] == 1
    assert "Item 0 of this batch" in in_one_batch["results"][1]["error"]["detail"]
    [kept] = [in_one_batch["results"][0]["id"]]
    running.wait_stored(kept)
    answer = problem(running.http.post(PATH, json=[other]), 422)
    [refused] = answer["results"]
    assert "was accepted before, with another content" in refused["error"]["detail"]
    assert kept in refused["error"]["detail"]
    mixed = send(running, other, item(2, component="twice"))
    assert (mixed["accepted"], mixed["rejected"]) == (1, 1)
    atomic = running.http.post(f"{PATH}&atomic=true", json=[other, item(3, component="twice")])
    assert problem(atomic, 422)["accepted"] == 0
    assert {one["message"] for one in running.events(component="twice")} <= {"m1", "m2"}


def test_another_time_is_another_event(running: Service) -> None:
    store(
        running, item(1, component="times"), item(1, PAST + timedelta(hours=1), component="times")
    )
    assert len(running.events(component="times")) == 2


def test_an_id_of_this_service_is_kept(running: Service) -> None:
    ms = 1_600_000_000_123
    raw = new_id(ms).hex()
    own = f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"
    event = item(1, component="own", id=own)
    del event["import_id"], event["created_at"]
    [result] = send(running, event)["results"]
    assert result == {"id": own, "created_at": "2020-09-13T12:26:40.123Z"}
    again = send(running, {**event, "created_at": "2020-09-13T14:26:40.123999+02:00"})
    assert again["results"] == [{**result, "duplicate": True}]


@pytest.mark.parametrize(
    ("more", "pointer", "words"),
    [
        ({"created_at": None}, "/created_at", "is required in an import"),
        ({"created_at": "1969-12-31T23:59:59.999Z"}, "/created_at", "before 1970"),
        ({"created_at": "2400-01-01T00:00:00Z"}, "/created_at", "in the future"),
        ({"created_at": "yesterday"}, "/created_at", "RFC 3339"),
        ({"created_at": 1_617_000_000}, "/created_at", "must be a string"),
        ({"import_id": ""}, "/import_id", "must not be empty"),
        ({"import_id": "x" * 256}, "/import_id", "at most 255"),
        ({"import_id": 7}, "/import_id", "must be a string"),
        ({"id": "7", "import_id": None}, "/id", "give it as import_id"),
        (
            {"id": "f47ac10b-58cc-4372-a567-0e02b2c3d479", "import_id": None},
            "/id",
            "give it as import_id",
        ),
        (
            {"id": "01747c5b-8a7b-7000-8000-000000000000", "import_id": None},
            "/id",
            "not of created_at",
        ),
        ({"id": "01747c5b-8a7b-7000-8000-000000000000"}, "/import_id", "give one of the two"),
    ],
)
def test_a_wrong_item_is_told_what_is_wrong(
    running: Service, more: dict[str, Any], pointer: str, words: str
) -> None:
    where, detail = fault(running.http.post(PATH, json=[item(**more)]))
    assert (where, words in detail) == (pointer, True), detail


def test_without_import_the_fields_of_an_import_are_refused(running: Service) -> None:
    for path in ("/events/batch", "/events/batch?import=false"):
        answer = problem(running.http.post(path, json=[item()]), 422)
        [result] = answer["results"]
        assert {one["pointer"] for one in result["error"]["errors"]} == {
            "/created_at",
            "/import_id",
        }


def test_a_dry_run_tells_what_would_happen_and_does_nothing(running: Service) -> None:
    store(running, item(1, component="dry"))
    answer = send(
        running,
        item(1, component="dry"),
        item(1, component="dry", message="other"),
        item(2, component="dry"),
        path=f"{PATH}&dry_run=true",
    )
    first, other, new = answer["results"]
    assert (first, new) == ({"valid": True, "duplicate": True}, {"valid": True})
    assert other["error"]["status"] == 422
    assert (answer["dry_run"], answer["duplicates"], answer["rejected"]) == (True, 1, 1)
    assert len(running.events(component="dry")) == 1


def test_an_import_takes_ndjson_and_gzip_and_no_cloud_events(running: Service) -> None:
    lines = "\n".join(json.dumps(item(n, component="lines")) for n in range(3)).encode()
    kind = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    answer = running.http.post(PATH, content=gzip.compress(lines), headers=kind)
    assert answer.json()["accepted"] == 3
    events = {"content-type": "application/cloudevents-batch+json"}
    problem(running.http.post(PATH, content=b"[]", headers=events), 415)


def test_an_idempotency_key_is_refused_because_an_import_needs_none(running: Service) -> None:
    answer = problem(running.http.post(PATH, json=[item()], headers={"Idempotency-Key": "k"}), 422)
    [found] = answer["errors"]
    assert found["header"] == "Idempotency-Key"


@pytest.mark.parametrize(
    "number",
    ["1e5000", "1e131071", "1e1000000000", "1.5e1000000000000000000000", "9" * 4301, "0e999999999"],
)
def test_a_number_that_no_event_may_have_is_told_at_once(running: Service, number: str) -> None:
    start = '{"component":"c","environment":"e","message":"m","created_at":"2021-01-03T00:00:00Z",'
    for text in (f'[{start}"data":{number}}}]', f'[{start}"data":[1]}},{start}"data":{number}}}]'):
        headers = {"content-type": "application/json"}
        answer = running.http.post(f"{PATH}&dry_run=true", content=text, headers=headers)
        wrong = answer.json()["results"][-1]["error"]["errors"]
        assert [one["pointer"] for one in wrong] == ["/data"]
