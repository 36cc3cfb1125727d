"""What an import means for all that takes time for granted: caches, counts, lag, partitions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.events import ngram_builder
from storage.events.hour_counts import read_differing
from storage.postgres.engine import short_engine
from storage.redis.client import connect
from testbed.service import Service
from testbed.waiting import wait_until
from tests.support.hour_counts import count_all
from tests.support.imports import PAST, bars, item, send, store
from tests.support.refusing import refuse, refuse_nothing


def test_what_was_cached_before_an_import_is_right_after_it(running: Service) -> None:
    """A closed page, bars, facets and a page of everything, each cached before."""
    day, hour = PAST.replace(year=2017), PAST.replace(year=2017, minute=0)
    window = {"from_date": "2017-03-05", "to_date": "2017-03-05"}
    store(running, item(1, day, component="cached"))
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/events", window),
        ("/events", {"component": "cached"}),
        ("/events", {"message": "m", **window}),
        ("/events/stats", {"interval": "hour", "from_date": "2017-03-04", "to_date": "2017-03-06"}),
        ("/events/stats", {"interval": "day", "message": "m", **window}),
        ("/events/facets", {"field": "environment", "message": "m", **window}),
    ]

    def ask() -> list[Any]:
        return [running.http.get(path, params=params).json() for path, params in asked]

    before = ask()
    assert ask() == before
    hit = running.http.get("/events", params=window)
    assert hit.headers["x-cache"] == "HIT"
    new = [
        item(2, day + timedelta(minutes=1), component="cached"),
        item(3, day + timedelta(hours=1), component="cached", environment="other"),
    ]
    store(running, *new)
    page, of_component, found, hours, days, facets = ask()
    for events in (page, of_component, found):
        assert [one["message"] for one in events["events"]] == ["m3", "m2", "m1"]
    counts = {bar["at"]: bar["count"] for bar in bars(hours)}
    assert counts == {at_second(hour): 2, at_second(hour + timedelta(hours=1)): 1}
    assert sum(bar["count"] for bar in bars(days)) == 3
    assert {one["value"]: one["count"] for one in facets["fields"]["environment"]["values"]} == {
        "live": 2,
        "other": 1,
    }
    with short_engine(running.settings.database_url) as engine:
        count_all(engine)
        assert read_differing(engine, hour) == 0
    assert bars(ask()[3]) == bars(hours)


def at_second(instant: datetime) -> str:
    return f"{instant.isoformat()[:-6]}Z"


def test_a_search_finds_an_event_of_a_day_whose_n_grams_are_recorded(running: Service) -> None:
    day = PAST.replace(year=2016)
    store(running, item(1, day, component="grams", message="nothing of interest"))
    with short_engine(running.settings.database_url) as engine:
        end = day.replace(hour=0, minute=0) + timedelta(days=1)
        wait_until(lambda: ngram_builder.record_next(engine, before=end) is not None, "a record")
    window = {"from_date": "2016-03-05", "to_date": "2016-03-05", "message": "xyzzy"}
    assert running.events(**window) == []
    store(running, item(2, day, component="grams", message="the word is xyzzy"))
    assert [one["message"] for one in running.events(**window)] == ["the word is xyzzy"]


def test_a_history_of_many_years_in_one_batch_makes_few_partitions(running: Service) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    instants = [
        datetime(year, month, 3, tzinfo=UTC) for year in range(1970, now.year) for month in (2, 9)
    ]
    instants += [now - timedelta(days=days, hours=1) for days in range(90)]
    events = [item(n, instant, component="years") for n, instant in enumerate(instants)]
    ids = store(running, *events)
    assert len(set(ids)) == len(events)
    oldest = running.events(component="years", order="asc", limit=1)
    assert oldest[0]["created_at"] == "1970-02-03T00:00:00.000Z"
    with short_engine(running.settings.database_url) as engine, engine.connect() as connection:
        count = connection.scalar(
            sa.text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass")
        )
    assert count is not None
    assert count < 70 + (now.year - 1970) + 24


def test_a_dead_letter_of_an_import_is_replayed_at_its_own_time(running: Service) -> None:
    instant = PAST.replace(year=2015)
    with (
        short_engine(running.settings.database_url) as engine,
        connect(running.settings.control_url) as control,
    ):
        refuse(engine, "23514", "poison%")
        event = item(1, instant, component="dead", message="poison")
        [result] = send(running, event)["results"]
        path = f"/events/{result['id']}"
        wait_until(lambda: running.http.get(path).json().get("receipt") == "dead", "the letter", 60)
        assert send(running, event)["results"] == [{**result, "duplicate": True}]
        refuse_nothing(engine)
        window = {"from_date": "2015-03-05", "to_date": "2015-03-05"}
        assert running.events(**window) == []
        letters = DeadLetters(engine, running.settings.partition_by, CacheInvalidator(control))
        [letter] = letters.newest(1)
        assert letters.replay(letter) is None
    assert [one["id"] for one in running.events(**window)] == [result["id"]]
