"""A PostgreSQL that may lose what it commits, and has forgotten transactions."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from cli.doctor import database_checks
from cli.doctor.check import Verdict
from cli.embedded import postgres
from storage.postgres.engine import plain_engine
from testbed.servers import TestServers, test_servers
from tests.support.doctor_bench import findings_of

UNSAFE = {"fsync": "off", "max_prepared_transactions": "2"}


@pytest.fixture(scope="module")
def unsafe() -> Iterator[TestServers]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in UNSAFE.items():
            patch.setitem(postgres.SETTINGS, name, value)
        with test_servers() as running:
            yield running


def test_a_server_that_does_not_fsync_is_named(unsafe: TestServers) -> None:
    found = findings_of(unsafe.settings())["database-durability"]
    assert found.verdict == Verdict.FAULT
    assert "PostgreSQL has fsync off" in found.text
    assert "ALTER SYSTEM SET fsync = on" in found.remedy


def test_a_prepared_transaction_that_nobody_ends_is_named(
    unsafe: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_checks, "LONG_SECONDS", 0.0)
    engine = plain_engine(unsafe.settings().database_url)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT txid_current()"))
        connection.exec_driver_sql("PREPARE TRANSACTION 'it''s forgotten'")
    engine.dispose()
    found = findings_of(unsafe.settings())["database-transactions"]
    assert found.verdict == Verdict.WARNING
    assert "the prepared transaction 'it's forgotten'" in found.text
    assert "ROLLBACK PREPARED" in found.remedy
