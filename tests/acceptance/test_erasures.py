"""Erasing a person over HTTP and at the terminal, and what the feed tells of it."""

import json
import re
import signal
from typing import Any

import pytest
import sqlalchemy as sa

from storage.postgres.engine import short_engine
from storage.postgres.tables import audit_log
from storage.retention.holds import LegalHolds
from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.service import Service
from testbed.waiting import wait_until
from tests.support.activity_command import ActivityCommand
from tests.support.erasing import supervised
from tests.support.event_streams import changes, tail
from tests.support.problems import problem

PATH = "/admin/erasures"
EVENT = {"component": "c", "environment": "e"}


def begin(running: Service, email: str, **more: Any) -> dict[str, Any]:
    answer = running.http.post(PATH, json={"email": email, **more})
    assert answer.status_code == 202, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def get(running: Service, erasure: str) -> dict[str, Any]:
    answer = running.http.get(f"{PATH}/{erasure}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def finish(running: Service, erasure: str) -> dict[str, Any]:
    done = wait_until(
        lambda: found if (found := get(running, erasure))["finished_at"] else None, "its end", 120
    )
    assert done is not None
    return done


def post_person(running: Service, email: str) -> tuple[str, str]:
    """Store an event of the person and one that names it; return their ids."""
    mine = running.post(**EVENT, message="mine", email=email)["id"]
    other = running.post(**EVENT, message=f"mail to {email}", data={"to": email})["id"]
    for event_id in (mine, other):
        running.wait_stored(event_id)
    return str(mine), str(other)


def test_a_person_is_erased_over_http(running: Service) -> None:
    mine, other = post_person(running, "ann@b.example")
    assert running.events(email="ann@b.example")
    with supervised(running.settings):
        begun = begin(running, "Ann@B.example")
        done = finish(running, begun["id"])
    assert (done["step"], done["deleted"], done["redacted"]) == ("done", 1, 1)
    assert running.http.get(f"/events/{mine}").status_code == 404
    found = running.http.get(f"/events/{other}").json()
    assert (found["message"], found["data"]) == ("mail to [erased]", {"to": "[erased]"})
    assert running.events(email="ann@b.example") == []
    listed = running.http.get(PATH, params={"limit": 1}).json()["erasures"]
    assert listed == [done]
    with short_engine(running.settings.database_url) as engine, engine.connect() as connection:
        lines = connection.execute(sa.select(audit_log)).all()
    told = [json.dumps(listed), repr(lines)]
    assert not [text for text in told if "ann@" in text.lower()]
    assert done["digest"] in told[1]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/email"),
        ({"email": "not an address"}, "/email"),
        ({"email": None}, "/email"),
        ({"email": "a@b.c", "rewrite": "yes"}, "/rewrite"),
        ({"email": "a@b.c", "more": 1}, "/more"),
    ],
)
def test_what_is_no_request_is_refused(running: Service, body: object, pointer: str) -> None:
    found = problem(running.http.post(PATH, json=body), 422)
    assert [error["pointer"] for error in found["errors"]] == [pointer]


def test_a_legal_hold_is_409_and_nothing_is_erased(running: Service) -> None:
    mine, _ = post_person(running, "kim@b.example")
    with short_engine(running.settings.database_url) as engine:
        hold = LegalHolds(engine).add("a lawsuit", email="Kim@b.example")
        found = problem(running.http.post(PATH, json={"email": "kim@B.example"}), 409)
        assert (found["type"], str(hold.id) in found["detail"]) == (
            "urn:activity:problem:held",
            True,
        )
        LegalHolds(engine).remove(hold.id)
    assert running.http.get(f"/events/{mine}").json()["email"] == "kim@b.example"
    with supervised(running.settings):
        finish(running, begin(running, "kim@b.example")["id"])
    assert running.http.get(f"/events/{mine}").status_code == 404


@pytest.mark.parametrize("name", ["d9b48f4a-fd2c-4b93-bba6-64f0fbc3fde3", "none"])
def test_an_unknown_erasure_is_404(running: Service, name: str) -> None:
    problem(running.http.get(f"{PATH}/{name}"), 404)


def test_a_stream_and_polls_tell_what_was_erased(running: Service) -> None:
    mine, other = post_person(running, "bob@b.example")
    token = changes(running.http)["next"]
    with tail(running.http, after=token) as stream, supervised(running.settings):
        finish(running, begin(running, "bob@b.example")["id"])
        acts: dict[str, str] = {}
        while len(acts) < 2:
            acts |= {one["id"]: one["act"] for one in stream.next("erased")["events"]}
        last = stream.parser.last_event_id
    assert acts == {mine: "deleted", other: "redacted"}
    polled = changes(running.http, after=token)
    assert {one["id"]: one["act"] for one in polled["erased"]} == acts
    for after in (polled["next"], last, "start"):
        assert changes(running.http, after=after)["erased"] == []
    other_component = changes(running.http, after=token, component="another")
    assert other_component["erased"] == []


def test_the_command_counts_erases_and_lists(running: Service) -> None:
    mine, _ = post_person(running, "eve@b.example")
    command = ActivityCommand(**_servers(running.settings))
    counted = json.loads(
        command.lines("erase", "--email", "EVE@b.example", "--dry-run", "--json")[0]
    )
    assert counted == {"owned": 1, "named": 1, "letters": 0, "waiting": 0, "holds": []}
    assert running.http.get(f"/events/{mine}").status_code == 200
    unseen = command.lines("erase", "--email", "-", "--dry-run", "--json", input="Eve@b.example\n")
    assert json.loads(unseen[0]) == counted
    done = json.loads(command.lines("erase", "--email", "eve@b.example", "--rewrite", "--json")[0])
    assert (done["step"], done["deleted"], done["redacted"]) == ("done", 1, 1)
    assert any("write-ahead log" in text for text in done["remains"])
    assert running.http.get(f"/events/{mine}").status_code == 404
    listed = json.loads(command.lines("erase", "--list", "--json")[0])["erasures"]
    assert listed[0]["id"] == done["id"]
    assert "done" in command.lines("erase", "--list")[0]
    refused = command.run("erase", "--email", "eve")
    assert refused.returncode == 2
    assert "e-mail address" in refused.stderr


def test_an_erasure_that_is_interrupted_says_how_it_goes_on(running: Service) -> None:
    mine, _ = post_person(running, "sue@b.example")
    command = ActivityCommand(**_servers(running.settings))
    erasing = command.start("erase", "--email", "sue@b.example")
    assert erasing.stderr is not None
    told: list[str] = []
    while not told or " waits for " not in told[-1]:
        told.append(erasing.stderr.readline())
        assert told[-1], told
    erasing.send_signal(signal.SIGINT)
    _, said = erasing.communicate(timeout=60)
    assert erasing.returncode == 130
    (interrupted,) = [line for line in said.splitlines() if "interrupted" in line]
    assert "goes on while `activity up` or `activity worker` runs" in interrupted
    assert "`activity erase --list` shows how far it is" in interrupted
    (erasure,) = re.findall(r"the erasure ([0-9a-f-]{36}) is recorded", interrupted)
    assert command.lines("erase", "--list")[0].startswith(erasure)
    with supervised(running.settings):
        assert finish(running, erasure)["step"] == "done"
    assert running.http.get(f"/events/{mine}").status_code == 404


def _servers(settings: StorageSettings) -> dict[str, str]:
    wanted = ("ACTIVITY_QUEUE_URL", "ACTIVITY_CONTROL_URL", "ACTIVITY_DATABASE_URL")
    found = environment(settings)
    return {name: found[name] for name in wanted}
