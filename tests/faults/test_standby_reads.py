"""Readers that use a standby see every commit that they may know of, however late it replays."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import httpx
import pytest

from cli.doctor.check import Verdict
from storage.postgres.migrate import upgrade
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.doctor_bench import findings_of
from tests.support.scraped import scrape
from tests.support.standby import Member, address_of_one, two_servers

READS = "activity_standby_reads_total"
ROUNDS = 10

_names = count()


class Bench(NamedTuple):
    service: Service
    primary: Member
    standby: Member


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Bench]:
    """Run a service whose readers use a standby, for which no commit waits."""
    with servers.fresh() as fresh, two_servers(waits_for_standby=False) as (primary, standby):
        settings = StorageSettings(
            queue_url=fresh.queue_url,
            control_url=fresh.control_url,
            database_url=address_of_one(primary),
            read_url=address_of_one(standby),
            _env_file=None,
        )
        upgrade(settings.database_url)
        with service(settings, cache_grace_ms=0) as started:
            yield Bench(started, primary, standby)


@pytest.fixture
def bench(running: Bench) -> Iterator[Bench]:
    """Begin with a standby that readers use; replay at once after the test."""
    running.standby.replay()
    store(running, new_name())  # until the first commit nobody knows what a standby must have
    wait_for(running, "standby")
    yield running
    running.standby.replay()


def new_name() -> str:
    return f"component-{next(_names)}"


def store(bench: Bench, component: str, **more: Any) -> str:
    """Post an event, and return its ID once its commit is known."""
    event = {"component": component, "environment": "test", "message": "m", **more}
    answer = bench.service.http.post("/events?ack=stored", json=event)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def get(bench: Bench, path: str, **params: str) -> httpx.Response:
    answer = bench.service.http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer


def page(bench: Bench, component: str) -> list[str]:
    return [event["id"] for event in get(bench, "/events", component=component).json()["events"]]


def total(bench: Bench, component: str) -> int:
    """Count by a filter that no count by hour has: the table is counted."""
    answer = get(bench, "/events/stats", component=component, message="m").json()
    return int(answer["total"])


def hours(bench: Bench, component: str) -> int:
    return int(get(bench, "/events/stats", component=component).json()["total"])


def facet(bench: Bench, component: str) -> int:
    found = get(bench, "/events/facets", field="component", component=component, message="m")
    return sum(each["count"] for each in found.json()["fields"]["component"]["values"])


def exported(bench: Bench, component: str) -> list[str]:
    text = get(bench, "/events/export", component=component).text
    return [json.loads(line)["id"] for line in text.splitlines()]


def after(bench: Bench, event_id: str) -> list[str]:
    """Return the events of the same component that come after this one."""
    found = get(bench, f"/events/{event_id}/around", same="component", after="100").json()
    return [event["id"] for event in found["after"]]


def outcomes(bench: Bench) -> dict[str, float]:
    return {key[0]: n for key, n in scrape(bench.service.http).by(READS, "outcome").items()}


def rises(bench: Bench, read: Callable[[], object]) -> set[str]:
    """Return which outcomes reads have had since before this one."""
    before = outcomes(bench)
    read()
    return {key for key, n in outcomes(bench).items() if n > before[key]}


def is_of_standby(bench: Bench, read: Callable[[], object]) -> bool:
    return rises(bench, read) == {"standby"}


def wait_for(bench: Bench, outcome: str) -> None:
    """Wait until a read has this outcome."""
    wait_until(
        lambda: outcome in rises(bench, lambda: page(bench, new_name())), f"a read: {outcome}"
    )


def state(bench: Bench) -> str:
    return str(get(bench, "/status").json()["standbys"][0]["state"])


def lag(bench: Bench) -> dict[tuple[str, ...], float]:
    return scrape(bench.service.http).by("activity_standby_lag_bytes", "standby")


def sees_everything(bench: Bench, component: str, ids: list[str]) -> None:
    """Require each kind of read to find exactly these events, in this order of time."""
    newest_first = ids[::-1]
    assert page(bench, component) == newest_first
    assert exported(bench, component) == ids
    assert total(bench, component) == hours(bench, component) == facet(bench, component) == len(ids)
    assert get(bench, f"/events/{ids[-1]}").json()["receipt"] == "stored"
    assert after(bench, ids[0]) == ids[1:]


def test_every_kind_of_read_is_answered_by_the_standby(bench: Bench) -> None:
    component = new_name()
    event_id = store(bench, component)
    reads: list[Callable[[], object]] = [
        lambda: page(bench, new_name()),
        lambda: total(bench, component),
        lambda: hours(bench, component),
        lambda: facet(bench, component),
        lambda: exported(bench, component),
        lambda: after(bench, event_id),
        lambda: get(bench, f"/events/{event_id}"),
    ]
    for number, read in enumerate(reads):
        wait_until(partial(is_of_standby, bench, read), f"the read {number}")
    sees_everything(bench, component, [event_id])


def test_the_doctor_and_the_metrics_know_the_standby(bench: Bench) -> None:
    findings = findings_of(bench.service.settings)
    assert findings["database-read-standbys"].verdict is Verdict.OK
    wait_until(lambda: state(bench) == "reading", "the status to say so")
    found = scrape(bench.service.http)
    name = (get(bench, "/status").json()["standbys"][0]["name"],)
    assert found.by("activity_standby_usable", "standby") == {name: 1}
    wait_until(lambda: lag(bench) == {name: 0}, "the standby to have all commits")


@pytest.mark.parametrize("replay", [{"is_paused": True}, {"delay": "10min"}, {}])
def test_readers_see_their_own_events_however_late_the_standby_is(
    bench: Bench, replay: dict[str, Any]
) -> None:
    bench.standby.replay(**replay)
    component, ids = new_name(), list[str]()
    for _ in range(ROUNDS):
        ids.append(store(bench, component))
        sees_everything(bench, component, ids)
    if replay:
        wait_for(bench, "behind")
        wait_until(lambda: state(bench) == "behind", "the status to say so")


def test_no_page_of_an_old_snapshot_enters_the_cache(bench: Bench) -> None:
    component = new_name()
    ids = [store(bench, component)]
    bench.standby.replay(is_paused=True)
    ids.append(store(bench, component))
    assert page(bench, component) == ids[::-1]
    assert get(bench, "/events", component=component).headers["X-Cache"] == "HIT"
    assert page(bench, component) == ids[::-1]


def test_an_event_that_only_the_primary_has_is_found_by_its_id(bench: Bench) -> None:
    event_id = store(bench, new_name())
    wait_until(
        lambda: bench.standby.sql(f"SELECT 1 FROM events WHERE id = '{event_id}'"), "the event"
    )
    bench.standby.replay(is_paused=True)
    unseen = event_id[:-12] + "abcdefabcdef"
    bench.primary.sql(  # as no drain does: nobody is told of a place in the WAL
        "INSERT INTO events (created_at, id, component, environment, message) "
        f"SELECT created_at, '{unseen}', component, environment, message FROM events "
        f"WHERE id = '{event_id}'"
    )
    find = partial(get, bench, f"/events/{unseen}")
    wait_until(partial(is_of_standby, bench, find), "a read that asks the standby")
    never = event_id[:-12] + "000000000000"
    assert bench.service.http.get(f"/events/{never}").status_code == 404


def test_a_standby_that_is_killed_and_comes_back(bench: Bench) -> None:
    component = new_name()
    ids = [store(bench, component)]
    bench.standby.kill()
    try:
        for _ in range(ROUNDS):
            ids.append(store(bench, component))
            sees_everything(bench, component, ids)
        wait_until(lambda: state(bench) == "away", "the status to say so")
        wait_for(bench, "away")
    finally:
        bench.standby.start_again()
    wait_for(bench, "standby")
    sees_everything(bench, component, ids)


def test_readers_are_answered_while_the_standby_hangs(bench: Bench) -> None:
    component = new_name()
    ids = [store(bench, component)]
    with bench.standby.frozen():
        for _ in range(3):
            ids.append(store(bench, component))
            sees_everything(bench, component, ids)
        wait_until(lambda: state(bench) == "away", "the status to say so")
    wait_for(bench, "standby")


def test_while_control_does_not_know_a_place_the_primary_is_read(bench: Bench) -> None:
    component = new_name()
    ids = [store(bench, component)]
    bench.standby.replay(is_paused=True)
    ids.append(store(bench, component))
    with connect(bench.service.settings.control_url) as control:
        control.flushall()
    assert rises(bench, lambda: sees_everything(bench, component, ids)) == {"unknown"}
    ids.append(store(bench, component))
    sees_everything(bench, component, ids)
    bench.standby.replay()
    wait_for(bench, "standby")
    sees_everything(bench, component, ids)
