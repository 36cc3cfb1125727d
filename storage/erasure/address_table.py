"""Transactions that know an address without naming it in a statement.

PostgreSQL logs the text of a statement that fails, also when its session is ended. psycopg2 writes
parameters into that text. So the address comes by COPY, into a temporary table.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from storage.model.erasing import Address
from storage.postgres.engine import driver_connection, transaction

ADDRESS = "(SELECT address FROM erased_address)"
"""SQL of the address, within `knowing`."""

_CREATE = "CREATE TEMP TABLE erased_address (address text) ON COMMIT DROP"
_COPY = "COPY erased_address FROM STDIN"


@contextmanager
def knowing(engine: sa.Engine, address: Address) -> Iterator[sa.Connection]:
    """Run a transaction in whose statements ADDRESS is the address, in lower case."""
    with transaction(engine) as connection:
        tell(connection, address)
        yield connection


def tell(connection: sa.Connection, address: Address) -> None:
    """Let a transaction know the address."""
    connection.exec_driver_sql(_CREATE)
    text = address.text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    with driver_connection(connection) as driver, driver.cursor() as cursor:
        cursor.copy_expert(_COPY, io.BytesIO(text.encode() + b"\n"))
