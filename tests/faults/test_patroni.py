"""Kill the primary that Patroni keeps, under load: another one takes over, and nothing is lost."""

from typing import Any

from cli.doctor.check import Verdict
from storage.postgres.migrate import upgrade
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.doctor_bench import findings_of
from tests.support.load import load
from tests.support.page_reader import reading, wait_for_more
from tests.support.patroni import (
    SECONDS,
    PatroniNode,
    address_of,
    is_primary,
    is_synchronous,
    needs_patroni,
    patroni_pair,
)
from tests.support.scraped import scrape

pytestmark = needs_patroni


def wait_for_standby_reads(running: Service) -> None:
    """Wait until the standby has answered more reads."""

    def answered() -> float:
        by_outcome = scrape(running.http).by("activity_standby_reads_total", "outcome")
        return by_outcome.get(("standby",), 0)

    before = answered()
    wait_until(lambda: answered() > before, "a read on the standby", SECONDS)


def status(running: Service) -> dict[str, Any]:
    found: dict[str, Any] = running.http.get("/status").json()
    return found


def is_all_stored(found: dict[str, Any]) -> bool:
    return found["backlog"] == 0 and (found["conservation"] or {}).get("balanced") is True


def wait_for_no_complaint(running: Service) -> None:
    """Wait until nothing is said of the standbys, though the list names the primary too."""
    wait_until(
        lambda: not any("standby" in each for each in status(running)["attention"]),
        "usable standbys",
        SECONDS,
    )
    assert findings_of(running.settings)["database-read-standbys"].verdict is Verdict.OK


def stored(server: PatroniNode) -> list[str]:
    return sorted(row[0] for row in server.sql("SELECT id::text FROM events"))


def test_patroni_replaces_a_killed_primary_under_load_and_nothing_is_lost_or_stale(
    settings: StorageSettings,
) -> None:
    with patroni_pair() as (first, second):
        listed = StorageSettings(
            queue_url=settings.queue_url,
            control_url=settings.control_url,
            database_url=address_of(first, second),
            read_url=address_of(first, second),
            _env_file=None,
        )
        upgrade(listed.database_url)
        with (
            service(listed, cache_grace_ms=0) as running,
            load(running, 1) as producers,
            reading(running.url) as reader,
        ):
            wait_for_more(producers, reader)
            wait_for_standby_reads(running)
            first.kill()
            wait_until(lambda: is_primary(second), "another primary", SECONDS)
            wait_for_more(producers, reader)
            first.start()
            wait_until(lambda: is_synchronous(first), "a synchronous standby", SECONDS)
            second.sql("CHECKPOINT")
            first.sql("CHECKPOINT")  # from then on the standby tells its new timeline
            wait_for_standby_reads(running)
            wait_for_no_complaint(running)
            wait_for_more(producers, reader)
            reader.stop()
            accepted = producers.stop()
            wait_until(
                lambda: is_all_stored(status(running)), "an empty queue, and a balance", SECONDS
            )
        assert (producers.refused, producers.unanswered, reader.stale) == ([], [], [])
        found = stored(second)
        assert len(found) == len(set(found))
        assert set(accepted) | set(reader.stored) <= set(found)
        wait_until(lambda: stored(first) == found, "the standby to have them too", SECONDS)
