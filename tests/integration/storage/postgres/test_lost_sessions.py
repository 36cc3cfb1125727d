"""A session that PostgreSQL ends takes no place in the pool with it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import pytest
import sqlalchemy as sa

from storage.errors import DatabaseUnavailable
from storage.postgres.engine import outside_transaction, snapshot, transaction, writing_engine
from storage.settings import StorageSettings
from testbed.servers import TestServers

Block = Callable[[sa.Engine], AbstractContextManager[sa.Connection]]
WAIT_MS = 60_000


@pytest.mark.parametrize("block", [transaction, outside_transaction, snapshot])
def test_a_session_that_ends_in_a_block_is_replaced(
    settings: StorageSettings, servers: TestServers, block: Block
) -> None:
    engine = writing_engine(settings.database_url)  # a pool of one
    with block(engine) as connection:  # the second time more has to be set back
        connection.exec_driver_sql("SELECT 1")
    with suppress(DatabaseUnavailable), block(engine) as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        servers.execute(f"SELECT pg_terminate_backend({pid}, {WAIT_MS})")
    with transaction(engine) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    engine.dispose()


def test_a_session_outside_of_transactions_is_lent_with_them_again(
    settings: StorageSettings,
) -> None:
    engine = writing_engine(settings.database_url)
    with outside_transaction(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE kept (number int)")
    with suppress(ZeroDivisionError), transaction(engine) as connection:
        connection.exec_driver_sql("INSERT INTO kept VALUES (1)")
        raise ZeroDivisionError
    with transaction(engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM kept").scalar_one() == 0
    engine.dispose()
