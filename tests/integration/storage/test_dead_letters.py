"""Only a refused row becomes a dead letter; once the cause is gone, a replay stores it."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from cli.main import main
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until

EVENT = {"component": "c", "environment": "e", "message": "good", "data": {"n": 1}}
POISON = {**EVENT, "message": "poison"}


def execute(settings: StorageSettings, statement: str) -> None:
    engine = sa.create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture
def poisoned(settings: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Return a service whose database refuses one kind of message that validation accepts."""
    execute(
        settings,
        "CREATE TABLE cause AS SELECT 'poison' AS message; "
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.message IN (SELECT message FROM cause) THEN "
        "RAISE data_exception USING MESSAGE = 'poison found'; "
        "END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    for name in ("queue_url", "control_url", "database_url"):
        monkeypatch.setenv(f"ACTIVITY_{name.upper()}", getattr(settings, name))
    with service(settings, cache_grace_ms=0) as running:
        yield running


def receipt(running: Service, event_id: object) -> str:
    found: str = running.http.get(f"/events/{event_id}").json()["receipt"]
    return found


def add_dead_letter(running: Service) -> UUID:
    """Post a refused event among good ones; return its ID once it is a dead letter."""
    neighbours = [running.post(**EVENT) for _ in range(5)]
    poison = running.post(**POISON)
    neighbours += [running.post(**EVENT) for _ in range(5)]
    for event in neighbours:
        running.wait_stored(event["id"])
    wait_until(lambda: receipt(running, poison["id"]) == "dead", "a dead letter")
    return UUID(str(poison["id"]))


def test_it_is_dead_lettered_alone_and_its_neighbours_are_stored(poisoned: Service) -> None:
    add_dead_letter(poisoned)
    assert [event["message"] for event in poisoned.events()] == ["good"] * 10
    found = wait_until(
        lambda: found if (found := poisoned.http.get("/status").json())["backlog"] == 0 else {},
        "an empty backlog",
    )
    assert found["dead_letters"] == 1
    assert found["conservation"]["balanced"] is True
    assert sum(shard["dead"] for shard in found["shards"]) == 1
    assert "1 dead letter waits for a decision" in found["attention"]


def test_the_command_lists_and_shows_the_original_bytes_and_the_reason(
    poisoned: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    event_id = add_dead_letter(poisoned)
    assert main(["dead-letters", "list"]) == 0
    assert "poison found" in (line := capsys.readouterr().out)
    assert str(event_id) in line
    assert line.startswith("ID ")
    assert main(["dead-letters", "show", str(event_id)]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[1])["message"] == "poison"


def test_a_replay_stores_it_once_the_cause_is_gone_and_cached_pages_show_it(
    poisoned: Service, settings: StorageSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    event_id = add_dead_letter(poisoned)
    assert main(["dead-letters", "replay", str(event_id)]) == 1
    assert "refused again" in capsys.readouterr().out
    assert receipt(poisoned, event_id) == "dead"
    assert len(poisoned.events()) == len(poisoned.events()) == 10  # from the cache by now
    execute(settings, "DELETE FROM cause")
    assert main(["dead-letters", "replay", "--all"]) == 0
    assert capsys.readouterr().out == (
        f"{event_id}  stored\n1 replayed: 1 stored, 0 refused again\n"
    )
    assert receipt(poisoned, event_id) == "stored"
    assert len(poisoned.events()) == 11
    assert main(["dead-letters", "list"]) == 0
    assert capsys.readouterr().out == ""


def test_a_dead_letter_keeps_when_it_happened(poisoned: Service, settings: StorageSettings) -> None:
    kept = "2026-04-16T12:30:00.250000Z"
    event_id = poisoned.post(**POISON, occurred_at="2026-04-16T14:30:00.25+02:00")["id"]
    wait_until(lambda: receipt(poisoned, event_id) == "dead", "a dead letter")
    assert poisoned.http.get(f"/events/{event_id}").json()["occurred_at"] == kept
    execute(settings, "DELETE FROM cause")
    assert main(["dead-letters", "replay", str(event_id)]) == 0
    assert receipt(poisoned, event_id) == "stored"
    assert [event["occurred_at"] for event in poisoned.events()] == [kept]


def test_each_action_says_what_it_did_as_json(
    poisoned: Service, settings: StorageSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> Any:
        main(["dead-letters", *arguments, "--json"])
        return json.loads(capsys.readouterr().out)

    event_id = str(add_dead_letter(poisoned))
    [letter] = told("list")["dead_letters"]
    assert letter["id"] == event_id
    shown = told("show", event_id)
    assert shown == {**letter, "event": shown["event"]}
    assert json.loads(shown["event"])["id"] == event_id
    refused = [{"id": event_id, "reason": letter["reason"]}]
    assert told("replay", "--all") == {"replayed": 1, "stored": 0, "refused": refused}
    execute(settings, "DELETE FROM cause")
    assert told("replay", event_id) == {"replayed": 1, "stored": 1, "refused": []}
    assert told("replay", "--all") == {"replayed": 0, "stored": 0, "refused": []}
    assert told("discard", event_id)["error"]["type"] == "CliError"


def test_a_discarded_one_is_gone(poisoned: Service, capsys: pytest.CaptureFixture[str]) -> None:
    event_id = add_dead_letter(poisoned)
    assert main(["dead-letters", "discard", str(event_id)]) == 0
    assert main(["dead-letters", "list"]) == 0
    assert capsys.readouterr() == (f"{event_id}  discarded\n", "no dead letters\n")
    assert poisoned.http.get(f"/events/{event_id}").status_code == 404
    assert main(["dead-letters", "discard", str(event_id)]) == 1
    assert "no dead letter has the ID" in capsys.readouterr().err


def test_an_unusual_share_of_refusals_stops_the_drain_and_raises_an_alarm(
    poisoned: Service, settings: StorageSettings
) -> None:
    poisoned.end_processes()
    poisoned.start_api()
    wait_until(lambda: poisoned.http.get("/health/ready").status_code == 200, "the API")
    for _ in range(100):
        poisoned.post(**POISON)
    poisoned.start_worker()

    def attention() -> list[str]:
        found: list[str] = poisoned.http.get("/status").json()["attention"]
        return [text for text in found if "refused" in text]

    assert "poison found" in wait_until(attention, "an alarm")[0]
    status = poisoned.http.get("/status").json()
    assert (status["dead_letters"], status["backlog"]) == (0, 100)
    execute(settings, "DELETE FROM cause")
    wait_until(lambda: poisoned.http.get("/status").json()["backlog"] == 0, "an empty backlog")
    # A batch that was being halved when the cause went away may have made dead letters of a few.
    assert main(["dead-letters", "replay", "--all"]) == 0
    assert len(poisoned.events(limit=200)) == 100


def test_a_producer_that_waits_for_the_commit_is_not_told_that_a_dead_letter_is_stored(
    poisoned: Service,
) -> None:
    items = [{**EVENT, "message": message} for message in ("good", "poison", "good too")]
    answer = poisoned.http.post("/events/batch?ack=stored", json=items)
    assert (answer.status_code, answer.headers["activity-ack"]) == (202, "queued")
    results = answer.json()["results"]
    receipts = [result["receipt"] for result in results]
    assert receipts == ["stored", "dead", "stored"]
    found = poisoned.by_ids([result["id"] for result in results])
    assert [one["receipt"] for one in found["events"]] == receipts
