"""Statistics over real HTTP, against a plain count of the same events."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from storage.access.api_key import Scope
from storage.model.event import Event
from storage.postgres.engine import short_engine
from storage.redis.client import connect
from storage.statistics.bars import INTERVALS
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.hour_counts import count_all
from tests.support.keys import client, new_key, put_on_queue
from tests.support.problems import problem
from tests.support.reading import store
from tests.support.statistics import bar_of, counted, created, event_at, value_of

CHANGE = datetime(2026, 10, 25, 1, tzinfo=UTC)  # of the clock in Berlin
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu")
LIMITED = new_key(Scope.READ, components=("pay*",))
READER = new_key(Scope.READ, Scope.OBSERVE)
WRITER = new_key(Scope.WRITE)


def _made() -> list[Event]:
    chance = random.Random(11)
    return [
        event_at(
            CHANGE + timedelta(milliseconds=chance.randrange(-4 * 86_400_000, 5 * 86_400_000)),
            component=chance.choice(("api", "pay", "pay-eu")),
            environment=chance.choice(("dev", "live")),
            email=chance.choice((None, "A@x.org", f"{number % 80}@x.org")),
            message=chance.choice(("was paid", "failed")),
            data={"tier": chance.choice(("gold", None)), "n": number % 3},
        )
        for number in range(9_000)
    ]


EVENTS = _made()


@pytest.fixture(scope="module")
def service_of(servers: TestServers) -> Iterator[Service]:
    """Run a service that has the events; its budget is almost nothing."""
    with servers.fresh() as settings:
        put_on_queue(settings, LIMITED, READER, WRITER)
        store(settings, EVENTS)
        with short_engine(settings.database_url) as engine:
            count_all(engine)
        with service(settings, statistics_budget_ms=1) as running:
            yield running


@pytest.fixture
def running(service_of: Service) -> Service:
    """Return the service; its client has a key that may read everything."""
    service_of.http.headers = READER.headers
    return service_of


def stats(running: Service, **params: Any) -> list[dict[str, Any]]:
    """Return every answer to a question, following `next`."""
    answers: list[dict[str, Any]] = []
    while not answers or answers[-1]["next"]:
        more = {"next": answers[-1]["next"]} if answers else {}
        response = running.http.get("/events/stats", params={**params, **more})
        assert response.status_code == 200, response.text
        answers.append(response.json())
    return answers


def bars(answers: list[dict[str, Any]]) -> Counter[str]:
    """Return the counts of all answers by `at`."""
    found: Counter[str] = Counter()
    for answer in answers:
        assert sum(bar["count"] for bar in answer["bars"]) == answer["total"]
        assert answer["complete"] == (answer["next"] is None)
        found.update({bar["at"]: bar["count"] for bar in answer["bars"]})
    return found


def paged(running: Service, **params: Any) -> int:
    """Return the number of rows that paging gives."""
    count, cursor = 0, None
    while True:
        query = {**params, "limit": 1000, **({"cursor": cursor} if cursor else {})}
        page = running.http.get("/events", params=query).json()
        count, cursor = count + len(page["events"]), page["next_cursor"]
        if cursor is None:
            return count


def test_the_same_question_goes_on_where_the_budget_ended_and_other_bars_repeat_it(
    servers: TestServers,
) -> None:
    whole = {"message": "paid", "from_date": "2026-10-01", "group_by": "email"}
    paid = [one for one in EVENTS if "paid" in one.message]
    with servers.fresh() as settings:
        store(settings, EVENTS)
        with service(settings, cache_grace_ms=0, statistics_budget_ms=200) as running:

            def ask(interval: str, zone: str) -> dict[str, Any]:
                asked = {**whole, "interval": interval, "tz": zone}
                answer: dict[str, Any] = running.http.get("/events/stats", params=asked).json()
                assert sum(bar["count"] for bar in answer["bars"]) == answer["total"]
                return answer if answer["complete"] else {}

            first = wait_until(lambda: ask("day", "UTC"), "a complete answer")
            other = wait_until(lambda: ask("week", "Asia/Kathmandu"), "a complete answer")
        with connect(settings.control_url) as control:
            assert len(list(control.scan_iter("cache:day:*"))) >= 9
    assert first["total"] == other["total"] == len(paid)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("filters", [{}, {"message": "paid"}], ids=("hours", "table"))
def test_the_bars_the_total_the_rows_and_a_plain_count_agree(
    running: Service, interval: str, zone: str, filters: dict[str, str]
) -> None:
    length = timedelta(hours=30) if interval == "minute" else timedelta(days=9)
    start = CHANGE - length / 2 + timedelta(seconds=12, milliseconds=34)
    end = start + length
    window = {"from_date": start.isoformat(), "to_date": end.isoformat(), **filters}
    answers = stats(running, interval=interval, tz=zone, **window)

    within = [
        one
        for one in EVENTS
        if start <= created(one) < end and filters.get("message", "") in one.message
    ]
    found: Counter[Any] = Counter()
    for at, count in bars(answers).items():
        found[bar_of(datetime.fromisoformat(at), interval, ZoneInfo(zone))] += count
    assert +found == counted(within, interval, ZoneInfo(zone))
    assert sum(answer["total"] for answer in answers) == paged(running, **window) == len(within)


def test_following_next_gives_the_exact_whole_with_its_groups(running: Service) -> None:
    answers = stats(running, interval="day", group_by="email", message="paid")

    assert answers[0]["to"] == answers[-1]["to"]
    covered = [(one["covered"]["from"], one["covered"]["to"]) for one in answers]
    assert [end for _, end in covered] == [answers[0]["to"], *(start for start, _ in covered[:-1])]
    assert covered[-1][0] == answers[-1]["from"]
    plain = Counter(value_of(one, "email") for one in EVENTS if "paid" in one.message)
    found: Counter[str | None] = Counter()
    other = 0
    for bar in (bar for answer in answers for bar in answer["bars"]):
        groups = bar["groups"]
        named = {each["value"]: each["count"] for each in groups["values"]}
        assert sum(named.values()) + groups["other"] + groups["missing"] == bar["count"]
        found.update(named)
        found[None] += groups["missing"]
        other += groups["other"]
    assert len(found) == 51
    assert all(plain[value] == count for value, count in found.items())
    assert other == sum(plain.values()) - sum(found.values())


@pytest.mark.parametrize("field", ["component", "environment", "data.tier", "data.n"])
def test_groups_are_those_of_a_plain_count(running: Service, field: str) -> None:
    answers = stats(running, group_by=field)
    group = tuple(field.removeprefix("data.").split(".")) if "data." in field else field
    found: Counter[Any] = Counter()
    for bar in (bar for answer in answers for bar in answer["bars"]):
        found.update({each["value"]: each["count"] for each in bar["groups"]["values"]})
        found[None] += bar["groups"]["missing"]
    assert +found == Counter(value_of(one, group) for one in EVENTS)


def test_a_limited_key_counts_what_it_may_see_and_learns_nothing_else(running: Service) -> None:
    running.http.headers = LIMITED.headers
    answers = stats(running, interval="day", group_by="component")
    within = [one for one in EVENTS if one.component.startswith("pay")]
    assert sum(answer["total"] for answer in answers) == len(within)
    values = {
        each["value"] for one in answers for bar in one["bars"] for each in bar["groups"]["values"]
    }
    assert values == {"pay", "pay-eu"}
    first = min(map(created, within)).replace(minute=0, second=0, microsecond=0)
    assert datetime.fromisoformat(answers[0]["from"]) == first
    assert sum(one["total"] for one in stats(running, component="api")) == 0


def test_an_event_of_the_future_is_in_the_window_that_is_left_open(running: Service) -> None:
    late = event_at(datetime.now(UTC) + timedelta(hours=3), component="late")
    store(running.settings, [late])
    (answer,) = stats(running, component="late")
    assert answer["total"] == 1
    assert datetime.fromisoformat(answer["to"]) > created(late)
    assert stats(running, component="nobody")[0]["bars"] == []


@pytest.mark.parametrize(
    ("query", "parameter", "told"),
    [
        ("intervall=day", "intervall", "did you mean interval?"),
        ("limit=5", "limit", "is not a parameter"),
        ("interval=days", "interval", "did you mean day?"),
        ("group_by=data.*", "group_by", "names one path"),
        ("tz=europe/berlinn", "tz", "did you mean Europe/Berlin?"),
        ("tz=../etc/passwd", "tz", "is not a time zone"),
        ("group_by=compnent", "group_by", "did you mean component?"),
        ("group_by=data.", "group_by", "empty key"),
        ("group_by=amount", "group_by", "data.<path>; a value in data is named data.amount"),
        ("group_by=component,email", "group_by", "one field is counted at a time"),
        ("next=AAAA", "next", "is not the next"),
        ("interval=day&interval=week", "interval", "more than once"),
        ("interval=minute&from_date=2026-10-01&to_date=2026-10-30", "interval", "interval=hour"),
        ("from_date=tomorrow", "from_date", "not an accepted date"),
    ],
)
def test_what_can_not_be_understood_is_refused_with_its_parameter(
    running: Service, query: str, parameter: str, told: str
) -> None:
    found = problem(running.http.get(f"/events/stats?{query}"), 422)
    faults = [fault for fault in found["errors"] if fault["parameter"] == parameter]
    assert told in faults[0]["detail"]


@pytest.mark.parametrize(
    ("path", "parameter", "told"),
    [
        ("/events/ID?frsh=true", "frsh", "did you mean fresh?"),
        ("/events/ID/around?befor=3", "befor", "did you mean before?"),
        ("/status?verbose=1", "verbose", "There are none"),
        ("/health/ready?four=query", "four", "did you mean for?"),
        ("/events?limit=0", "limit", "whole number"),
    ],
)
def test_a_parameter_that_is_none_or_wrong_is_told_on_every_read(
    running: Service, path: str, parameter: str, told: str
) -> None:
    found = problem(running.http.get(path.replace("ID", EVENTS[0].id)), 422)
    assert found["detail"].startswith("A parameter is not valid")
    (fault,) = found["errors"]
    assert fault["parameter"] == parameter
    assert told in fault["detail"]


def test_next_continues_its_own_question_only(running: Service) -> None:
    params = {"message": "paid", "interval": "hour"}
    first = running.http.get("/events/stats", params=params).json()
    place = first["next"]
    assert place
    for wrong in (
        {**params, "interval": "day"},
        {**params, "message": "failed"},
        {**params, "group_by": "email"},
        {**params, "tz": "Europe/Berlin"},
    ):
        problem(running.http.get("/events/stats", params={**wrong, "next": place}), 422)
    forged = place[:10] + ("A" if place[10] != "A" else "B") + place[11:]
    for text in (forged, place[:-1], place + "A", place + "=", "é"):
        problem(running.http.get("/events/stats", params={**params, "next": text}), 422)
    again = running.http.get("/events/stats", params={**params, "next": place})
    assert again.status_code == 200


def test_an_unchanged_answer_is_told_by_its_etag(running: Service) -> None:
    path = "/api/events/stats/?from_date=2026-10-20&to_date=2026-10-21"
    found = running.http.get(path)
    assert found.headers["cache-control"] == "no-cache"
    same = running.http.get(path, headers={"if-none-match": found.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    head = running.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == found.headers["content-length"]
    assert running.http.options(path).headers["allow"] == "GET, HEAD, OPTIONS"
    problem(running.http.post("/events/stats", json={}), 405)


def test_without_the_scope_to_read_nothing_is_counted(running: Service) -> None:

    with client(running, WRITER) as http:
        assert http.get("/events/stats").status_code in (401, 403)


def test_statistics_that_hang_keep_neither_pages_nor_probes_waiting(running: Service) -> None:
    with ThreadPoolExecutor(30) as pool, short_engine(running.settings.database_url) as engine:
        with engine.begin() as blocking:
            blocking.exec_driver_sql("LOCK TABLE event_hours IN ACCESS EXCLUSIVE MODE")
            asked = [pool.submit(running.http.get, "/events/stats") for _ in range(30)]
            refused = wait_until(lambda: [one for one in asked if one.done()], "a full line")
            assert problem(refused[0].result(), 503)["detail"].startswith("Too many statistics")
            assert int(refused[0].result().headers["retry-after"]) > 0
            for number in range(20):
                assert running.events(message=f"paid {number}") == []
                assert running.http.get("/health/ready?for=query").status_code == 200
            assert not all(one.done() for one in asked)
        assert {one.result().status_code for one in asked} <= {200, 503}
    assert running.http.get("/events/stats").status_code == 200


@pytest.mark.parametrize("message", ["", "paid"])
@pytest.mark.parametrize("day", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_a_window_at_either_end_of_all_time_is_empty(
    running: Service, day: str, message: str
) -> None:
    window = {"from_date": f"{day}.000001Z", "to_date": f"{day}.000003Z"}
    [answer] = stats(running, message=message, interval="minute", **window)
    assert (answer["total"], answer["complete"], len(answer["bars"])) == (0, True, 1)


def test_a_value_that_is_long_in_json_is_one_of_the_others(running: Service) -> None:
    values = ["\x01" * 42, "\x01" * 43, '"' * 127, '"' * 128, "x" * 255, "x" * 256, "é" * 127]
    with client(running, WRITER) as http:
        for value in values:
            event = {"component": "long", "environment": "e", "message": "m", "data": {"k": value}}
            assert http.post("/events", json=event).status_code == 202
    [answer] = stats(running, component="long", group_by="data.k", fresh="true", interval="week")
    named = [each["value"] for bar in answer["bars"] for each in bar["groups"]["values"]]
    assert sorted(named) == sorted(values[0::2])
    assert sum(bar["groups"]["other"] for bar in answer["bars"]) == 3


def test_a_fresh_statistic_counts_what_was_posted_before(running: Service) -> None:
    with client(running, WRITER) as http:
        event = {"component": "fresh", "environment": "e", "message": "m"}
        assert http.post("/events", json=event).status_code == 202
    found = running.http.get("/events/stats", params={"component": "fresh", "fresh": "true"})
    assert found.json()["total"] == 1
    assert "activity-lag" in found.headers
