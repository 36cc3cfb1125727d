"""What a user has no right to ask is unknown, with the reason, and never right."""

from collections.abc import Iterator

import pytest
import redis
import sqlalchemy as sa

from cli.doctor.check import Verdict
from storage.postgres.engine import plain_engine
from tests.support import doctor_bench
from tests.support.doctor_bench import Bench, Findings, open_transaction

bench = doctor_bench.bench

PASSWORD = "a-secret-of-some-length"
REFUSED_BY_QUEUE = {"queue-fsync", "queue-probe", "queue-disk"}  # CONFIG
TOLD_BY_INFO = {
    "queue-version",
    "queue-aof",
    "queue-eviction",
    "queue-memory",
    "queue-overcommit",
    "queue-replicas",
    "queue-writes",
    "servers-apart",
}


def restrict(bench: Bench, role: str, *words: str) -> None:
    """Use the server as a user without the rights in these words."""
    url = getattr(bench.settings, f"{role}_url")
    server = redis.Redis.from_url(url)
    bench.stack.callback(server.close)
    bench.stack.callback(server.execute_command, "ACL", "DELUSER", "weak")
    rights = ["reset", "on", f">{PASSWORD}", "~*", "&*", "+@all", *words]
    server.execute_command("ACL", "SETUSER", "weak", *rights)  # type: ignore[no-untyped-call]
    bench.change(**{f"{role}_url": f"{url}&username=weak&password={PASSWORD}"})


def unknown(found: Findings) -> set[str]:
    assert not [name for name, one in found.items() if one.verdict == Verdict.FAULT], found
    assert PASSWORD not in str(found)
    assert found["log-size"].verdict == Verdict.UNKNOWN  # there is no data folder
    return {name for name, one in found.items() if one.verdict == Verdict.UNKNOWN} - {"log-size"}


def test_without_config_the_settings_of_the_queue_are_unknown(bench: Bench) -> None:
    restrict(bench, "queue", "-config")
    found = bench.examine()
    assert unknown(found) == REFUSED_BY_QUEUE
    assert "the queue refuses to tell: " in found["queue-fsync"].text
    assert "'config|get'" in found["queue-fsync"].text


def test_without_info_too_nothing_of_the_queue_itself_is_said_to_be_right(bench: Bench) -> None:
    restrict(bench, "queue", "-config", "-info")
    found = bench.examine()
    assert unknown(found) == REFUSED_BY_QUEUE | TOLD_BY_INFO
    assert found["balance"].verdict == Verdict.OK


def test_without_config_the_persistence_of_control_is_unknown(bench: Bench) -> None:
    restrict(bench, "control", "-config")
    assert unknown(bench.examine()) == {"control-persistence"}


def test_a_key_that_may_not_be_read_makes_its_checks_unknown(bench: Bench) -> None:
    restrict(bench, "queue", "resetkeys", "~events:probe")
    assert unknown(bench.examine()) == {
        "queue-shards",
        "queue-paused",
        "queue-probe",
        "balance",
        "keys-expiry",
        "keys-needed",
    }


def test_a_durability_that_is_only_stated_is_not_said_to_be_right(bench: Bench) -> None:
    bench.change(queue_durability="trusted")
    found = bench.examine()
    assert unknown(found) == {"queue-probe"}
    assert "ACTIVITY_QUEUE_DURABILITY=trusted" in found["queue-probe"].text


@pytest.fixture
def weak_role(bench: Bench) -> Iterator[Bench]:
    """Use PostgreSQL as a role without any right, while another user has a session."""
    open_transaction(bench)
    bench.servers.execute("CREATE ROLE weak LOGIN")
    full = bench.settings
    bench.change(
        database_url=sa.make_url(full.database_url)
        .set(username="weak")
        .render_as_string(hide_password=False)
    )
    yield bench
    bench.servers.execute("DROP ROLE weak")


def test_a_role_without_rights_gets_no_verdict_on_what_it_can_t_see(weak_role: Bench) -> None:
    found = weak_role.examine()
    assert unknown(found) == {
        "balance",
        "dead-letters",
        "database-counts",
        "database-migration",
        "database-transactions",
        "database-disk",
        "retention",
        "disk-budget",
        "erasures",
        "keys-expiry",
        "keys-needed",
    }
    assert "permission denied for table" in found["dead-letters"].text
    assert "hides 1 session" in found["database-transactions"].text
    assert "pg_read_all_settings" in found["database-disk"].text


def test_a_missing_table_is_named(bench: Bench) -> None:
    engine = plain_engine(bench.settings.database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE drain_ledger")
    engine.dispose()
    found = bench.examine()
    assert unknown(found) == {"balance", "dead-letters"}
    assert 'relation "drain_ledger" does not exist' in found["balance"].text
