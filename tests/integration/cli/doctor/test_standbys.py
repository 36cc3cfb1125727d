"""With several hosts in the address, commits must wait for a standby."""

import pytest
import sqlalchemy as sa

from cli.doctor.check import Finding, Verdict
from storage.settings import StorageSettings
from tests.support import doctor_bench
from tests.support.doctor_bench import Bench

bench = doctor_bench.bench


@pytest.fixture
def listed(bench: Bench) -> Bench:
    """Name the server twice, as if it were two."""
    url = sa.make_url(bench.settings.database_url)
    host, port = url.query["host"], url.query["port"]
    given = f"postgresql://{url.username}@/{url.database}?host={host},{host}&port={port}"
    bench.change(database_url=StorageSettings(database_url=given, _env_file=None).database_url)
    return bench


def found(bench: Bench) -> Finding:
    return bench.examine()["database-standbys"]


def test_one_host_needs_no_standby(bench: Bench) -> None:
    assert found(bench).verdict is Verdict.OK


def test_several_hosts_without_a_synchronous_standby_are_a_warning(listed: Bench) -> None:
    finding = found(listed)
    assert finding.verdict is Verdict.WARNING
    assert "a failover loses committed events" in finding.text
    assert "SET synchronous_standby_names = " in finding.remedy
    assert "target_session_attrs=read-write" in finding.remedy


def test_a_synchronous_standby_that_is_away_is_a_fault(listed: Bench) -> None:
    listed.alter_system("synchronous_standby_names", "nobody")
    finding = found(listed)
    assert finding.verdict is Verdict.FAULT
    assert "no event is stored" in finding.text
    assert "pg_stat_replication" in finding.remedy


def test_without_standbys_for_readers_they_use_the_primary(bench: Bench) -> None:
    finding = bench.examine()["database-read-standbys"]
    assert finding.verdict is Verdict.OK
    assert "readers use the primary" in finding.text


def test_a_primary_in_the_place_of_a_standby_is_a_warning(bench: Bench) -> None:
    bench.change(read_url=bench.settings.database_url)
    finding = bench.examine()["database-read-standbys"]
    assert finding.verdict is Verdict.WARNING
    assert "it is no standby, but a primary" in finding.text
    assert "ACTIVITY_READ_URL" in finding.remedy


def test_a_standby_that_does_not_answer_is_a_warning(bench: Bench) -> None:
    given = "postgresql://activity@127.0.0.1:1,127.0.0.1:2/activity"
    bench.change(read_url=StorageSettings(read_url=given, _env_file=None).read_url)
    finding = bench.examine()["database-read-standbys"]
    assert finding.verdict is Verdict.WARNING
    assert "in place of 2 standbys; 127.0.0.1:1: " in finding.text
