"""Kill PostgreSQL's primary under load and promote its standby: no event is lost or doubled."""

from typing import Any

from cli.doctor.check import Verdict
from storage.postgres.migrate import upgrade
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.doctor_bench import findings_of
from tests.support.load import Load, load
from tests.support.page_reader import reading, wait_for_more
from tests.support.standby import Member, address_of, two_servers


def status(running: Service) -> dict[str, Any]:
    found: dict[str, Any] = running.http.get("/status").json()
    return found


def is_all_stored(found: dict[str, Any]) -> bool:
    return found["backlog"] == 0 and (found["conservation"] or {}).get("balanced") is True


def standbys(settings: StorageSettings) -> Verdict:
    """Return what the doctor says of them."""
    return findings_of(settings)["database-standbys"].verdict


def stored(server: Member) -> list[str]:
    return sorted(row[0] for row in server.sql("SELECT id::text FROM events"))


def fail_over(running: Service, first: Member, second: Member, producers: Load) -> None:
    """Kill the first; promote the second once the service has noticed and accepted more."""
    first.kill()
    wait_until(
        lambda: any("the database can't be asked" in each for each in status(running)["attention"]),
        "the status to say so",
    )
    accepted = len(producers.acknowledged)
    wait_until(lambda: len(producers.acknowledged) > accepted + 20, "posts without PostgreSQL")
    second.promote()


def test_a_failover_to_the_synchronous_standby_loses_nothing_and_pages_are_never_stale(
    settings: StorageSettings,
) -> None:
    with two_servers() as (first, second):
        address = address_of(first, second)
        listed = StorageSettings(
            queue_url=settings.queue_url,
            control_url=settings.control_url,
            database_url=address,
            _env_file=None,
        )
        upgrade(listed.database_url)
        with (
            service(listed, cache_grace_ms=0, database_url=address) as running,
            load(running, 1) as producers,
            reading(running.url) as reader,
        ):
            wait_for_more(producers, reader)
            wait_until(lambda: standbys(listed) is Verdict.OK, "the doctor to see the standby")
            fail_over(running, first, second, producers)
            wait_for_more(producers, reader)
            wait_until(lambda: standbys(listed) is Verdict.WARNING, "the doctor to see none")
            follow_again(running, first, second)
            wait_for_more(producers, reader)
            reader.stop()
            accepted = producers.stop()
            wait_until(lambda: is_all_stored(status(running)), "an empty queue", seconds=120)
        assert (producers.refused, producers.unanswered, reader.stale) == ([], [], [])
        found = stored(second)
        assert len(found) == len(set(found))
        assert set(accepted) | set(reader.stored) <= set(found)
        assert first.sql("SELECT pg_is_in_recovery()") == [(True,)]
        assert "read-only transaction" not in first.log
        first.sql("SELECT pg_wal_replay_resume()")
        wait_until(lambda: stored(first) == found, "the standby to have them too")


def follow_again(running: Service, first: Member, second: Member) -> None:
    """Bring the first back as a standby that is behind, and start processes that ask it first."""
    first.follow(second)
    first.sql("SELECT pg_wal_replay_pause()")
    running.start_worker()
    running.start_api()
