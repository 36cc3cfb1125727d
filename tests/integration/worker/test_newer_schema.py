"""Workers that do not know the tables of a database refuse it, loudly, and wait for new ones."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.embedded import embedded_servers
from storage.errors import SchemaTooNew
from storage.postgres import partitions, schema
from storage.postgres.engine import plain_engine
from storage.postgres.migrate import known_revisions, upgrade
from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.integration.worker import test_health
from tests.support import drain_bench
from tests.support.drain_bench import Bench
from tests.support.queued import append, backlog, make_events
from worker.maintenance import Maintenance

bench = drain_bench.bench
folder = test_health.folder
start = test_health.start


def say(engine: sa.Engine, revision: str, oldest: str) -> None:
    with engine.begin() as connection:
        text = schema.comment(revision, oldest)
        connection.execute(sa.text(f"COMMENT ON TABLE alembic_version IS '{text}'"))


def test_the_version_knows_its_latest_migration() -> None:
    assert schema.known_revision() == known_revisions()[0]


@pytest.mark.parametrize(
    "comment", [None, "", "something else", schema.comment("9999", schema.known_revision())]
)
def test_what_says_nothing_or_allows_these_workers_is_taken(comment: str | None) -> None:
    schema.require_known(comment)


def test_migrating_records_which_workers_may_go_on(bench: Bench) -> None:
    with bench.engine.connect() as connection:
        found = connection.scalar(sa.text(f"SELECT {schema.COMMENT}"))
    assert found.startswith(f"migration {schema.known_revision()}, for workers of migration ")
    schema.require_known(found)


def test_a_drain_refuses_tables_of_a_later_version_and_says_so_at_its_shard(bench: Bench) -> None:
    append(bench.settings, make_events(2))
    say(bench.engine, "9999", "9999")
    worker = bench.worker()
    with pytest.raises(SchemaTooNew, match="needs workers of migration 9999"):
        worker.writer.last_fence(0)
    assert bench.drain(worker) == "refused"
    said = bench.queue.hget(keys.state(0), "last_error")
    assert said is not None
    assert b"needs workers of migration 9999 or later" in said
    assert backlog(bench.queue) == 2
    say(bench.engine, "9999", schema.known_revision())
    bench.expire()
    assert bench.drain(worker) == "done"
    assert backlog(bench.queue) == 0


def test_a_running_worker_stops_taking_events_and_goes_on_when_it_may(
    folder: Path, start: test_health.Start
) -> None:
    with embedded_servers(folder / "data") as servers:
        urls = servers.urls
        settings = StorageSettings(_env_file=None, **asdict(urls))
        upgrade(urls.database_url)
        engine = sa.create_engine(urls.database_url)
        start(urls)
        test_health.wait_until(test_health.says("idle"), "the worker waits for work")
        say(engine, "9999", "9999")
        append(settings, make_events(2))
        with closing(connect(urls.queue_url)) as queue:
            wait_until(
                test_health.says("are of a later version", healthy=False), "it to refuse", 60
            )
            wait_until(
                lambda: b"9999" in (queue.hget(keys.state(0), "last_error") or b""),
                "the reason at the shard",
                60,
            )
            assert backlog(queue) == 2
            say(engine, "9999", "0001")
            wait_until(lambda: backlog(queue) == 0, "the events to be stored", 60)
        engine.dispose()


def test_maintenance_leaves_tables_of_a_later_version_alone(bench: Bench) -> None:
    say(bench.engine, "9999", "9999")
    engine = plain_engine(bench.settings.database_url)
    maintenance = Maintenance(engine, "day", 2)
    with pytest.raises(SchemaTooNew):
        maintenance.run_once()
    with bench.engine.connect() as connection:
        assert partitions.existing(connection) == []
    say(bench.engine, "9999", "0001")
    maintenance.run_once()
    engine.dispose()
