"""Retention over real HTTP: what clients see before and after, and the commands for operators."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from cli.main import main
from storage.model.event import time_text, to_ms
from storage.settings import StorageSettings
from testbed.service import Service, service
from tests.support.event_streams import changes, read_on
from tests.support.reading import made
from tests.support.retention import DAY, EVENTS, History, history, today

AGE = 5  # of 9 days, three go


@pytest.fixture
def world(settings: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    for name in ("queue_url", "control_url", "database_url"):
        monkeypatch.setenv(f"ACTIVITY_{name.upper()}", getattr(settings, name))
    monkeypatch.setenv("ACTIVITY_RETENTION_DAYS", str(AGE))
    with history(settings) as found:
        yield found


@pytest.fixture
def running(world: History) -> Iterator[Service]:
    with service(world.settings, cache_grace_ms=0) as started:
        yield started


def asked(running: Service) -> dict[str, Any]:
    """Ask each question twice, the second time from the cache if there is one for it."""
    questions = {
        "page": "/events?limit=1000",
        "oldest": "/events?order=asc&limit=1000",
        "closed": f"/events?limit=1000&to_date={today() - DAY:%Y-%m-%d}",
        "bars": "/events/stats?interval=day",
        "filtered bars": "/events/stats?interval=day&message=event",
        "facets": "/events/facets?field=component&message=event",
    }
    for path in questions.values():
        assert running.http.get(path).status_code == 200
    return {name: running.http.get(path).json() for name, path in questions.items()}


def ids(events: list[Any]) -> set[str]:
    return {one["id"] if isinstance(one, dict) else one.id for one in events}


def counted(answer: dict[str, Any]) -> int:
    return sum(bar["count"] for bar in answer["bars"])


def test_pages_statistics_and_the_feed_are_right_at_once_after_it(
    world: History, running: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    left = [one for one in world.events if one.created_at >= time_text(to_ms(world.days[3]))]
    half = changes(running.http, after="start", limit=2)
    before = asked(running)
    assert ids(before["page"]["events"]) == ids(list(world.events))
    assert main(["retention", "run", "--yes"]) == 0
    assert capsys.readouterr().out.count("removed: about 3 rows") == 3
    after = asked(running)
    assert ids(after["page"]["events"]) == ids(after["oldest"]["events"]) == ids(left)
    assert ids(after["closed"]["events"]) <= ids(left)
    for name in ("bars", "filtered bars"):
        assert (counted(before[name]), counted(after[name])) == (len(world.events), len(left))
    for answers, events in ((before, world.events), (after, left)):
        found = answers["facets"]["fields"]["component"]["values"]
        assert sum(one["count"] for one in found) == len(events)
    assert list(read_on(running.http, "start")) == [one.id for one in left]
    assert set(read_on(running.http, half["next"])) == ids(left)
    new = running.post(component="c", environment="e", message="after it")
    running.wait_stored(new["id"])
    assert list(read_on(running.http, half["next"]))[-1] == new["id"]
    assert running.http.get("/status").json()["conservation"]["balanced"]


def test_a_removed_event_is_404_that_names_the_horizon(world: History, running: Service) -> None:
    gone, kept = world.events[0], world.events[-1]
    never_there = str(UUID(made(to_ms(world.days[-1]) + 99).id))
    assert running.http.get(f"/events/{gone.id}").status_code == 200
    assert main(["retention", "run", "--yes"]) == 0
    for path in (f"/events/{gone.id}", f"/events/{gone.id}/around"):
        answer = running.http.get(path)
        assert answer.status_code == 404
        assert f"before {time_text(to_ms(world.days[3]))} are not kept" in answer.json()["detail"]
    assert running.http.get(f"/events/{kept.id}").status_code == 200
    other = running.http.get(f"/events/{never_there}")
    assert (other.status_code, other.json()["detail"]) == (
        404,
        "No event with this ID was accepted.",
    )


def test_the_commands_show_stop_and_remove(
    world: History, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*words: str, status: int = 0) -> str:
        assert main(["retention", *words]) == status
        return capsys.readouterr().out

    shown = json.loads(said("show", "--json"))
    assert (shown["retention_days"], shown["due_partitions"]) == (AGE, 3)
    assert [one["due"] for one in shown["partitions"]] == ["age"] * 3 + [None] * 6
    assert shown["needs_yes"]  # of the rows it is a third
    assert "only by `activity retention run --yes`" in said("show")
    assert json.loads(said("run", "--dry-run", "--json")) == shown
    assert main(["retention", "run"]) == 1
    assert "--yes" in capsys.readouterr().err
    assert world.stored() == list(world.days)
    removed = json.loads(said("run", "--yes", "--json"))
    assert [one["rows"] for one in removed["removed"]] == [EVENTS] * 3
    assert said("run") == "nothing was removed\n"
    after = json.loads(said("show", "--json"))
    assert (after["horizon"], after["needs_yes"]) == (world.days[3].isoformat(), False)
    assert "under other settings" not in said("show")
    monkeypatch.setenv("ACTIVITY_RETENTION_DAYS", str(AGE + 1))
    assert "under other settings" in said("show")


def test_a_terminal_without_the_settings_has_those_of_the_workers(
    world: History, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.run(AGE, is_confirmed=False)  # as a worker runs it
    assert run is not None
    assert run.is_braked
    monkeypatch.delenv("ACTIVITY_RETENTION_DAYS")
    assert main(["retention", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["retention_days"], shown["due_partitions"], shown["needs_yes"]) == (AGE, 3, True)
    assert main(["retention", "run", "--yes"]) == 0
    assert world.stored() == list(world.days[3:])


def test_without_any_settings_nothing_is_due(
    world: History, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACTIVITY_RETENTION_DAYS")
    assert main(["retention", "show"]) == 0
    assert "no limit (ACTIVITY_RETENTION_DAYS)" in capsys.readouterr().out


def test_the_commands_for_holds_keep_and_release(
    world: History, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str, status: int = 0) -> Any:
        assert main(["holds", *words, "--json"]) == status
        return json.loads(capsys.readouterr().out)

    first = f"{world.days[0]:%Y-%m-%d}"
    of_time = said("add", "case 17", "--to", f"{world.days[0] + DAY:%Y-%m-%d}")
    of_person = said("add", "case 18", "--email", "JO@example.com", "--from", first)
    assert of_person["email"] == "jo@example.com"
    assert said("list")["holds"] == [of_person, of_time]
    assert said("add", "nothing", status=2)["error"]["type"] == "BadArguments"
    assert main(["holds", "add", "nothing"]) == 2
    usage, error = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: activity holds add REASON ")
    assert error.startswith("activity: error: a hold needs ")
    assert main(["holds", "list"]) == 0
    assert "case 17" in capsys.readouterr().out
    assert main(["retention", "run", "--yes"]) == 0
    assert f"events_{world.days[0]:%Y%m%d}" in capsys.readouterr().out
    assert world.stored() == [world.days[0], *world.days[3:]]
    assert said("remove", of_time["id"]) == {"removed": of_time["id"]}
    assert said("remove", of_time["id"], status=1)["error"]["type"] == "CliError"
    assert main(["retention", "run", "--yes"]) == 0
    assert world.stored() == list(world.days[3:])


def test_bounds_of_the_settings_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("ACTIVITY_RETENTION_DAYS", "1"), ("ACTIVITY_DISK_BUDGET", "much")):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            assert main(["retention", "show"]) == 2
        assert name in capsys.readouterr().err
