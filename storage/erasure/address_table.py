"""Transactions that know an address without naming it in a statement.

PostgreSQL logs the text of a statement that fails, also when its session is ended. psycopg2 writes
parameters into that text. So the address comes by COPY, into a temporary table. In API processes,
where psycopg2 can't copy, one statement has it, in hexadecimal: one that waits for nobody.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from psycopg2.extensions import get_wait_callback

from storage.model.erasing import Address
from storage.postgres.engine import driver_connection, transaction

ADDRESS = "(SELECT address FROM erased_address)"
"""SQL of the address, within `knowing`."""

_CREATE = "CREATE TEMP TABLE erased_address (address text) ON COMMIT DROP"
_COPY = "COPY erased_address FROM STDIN"
_INSERT = "INSERT INTO erased_address SELECT convert_from(decode(%(hex)s, 'hex'), 'UTF8')"


@contextmanager
def knowing(engine: sa.Engine, address: Address) -> Iterator[sa.Connection]:
    """Run a transaction in whose statements ADDRESS is the address, in lower case."""
    with transaction(engine) as connection:
        tell(connection, address)
        yield connection


def tell(connection: sa.Connection, address: Address) -> None:
    """Let a transaction know the address."""
    connection.exec_driver_sql(_CREATE)
    if get_wait_callback():  # in API processes, where psycopg2 can't copy
        connection.exec_driver_sql(_INSERT, {"hex": address.text.encode().hex()})
        return
    text = address.text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    with driver_connection(connection) as driver, driver.cursor() as cursor:
        cursor.copy_expert(_COPY, io.BytesIO(text.encode() + b"\n"))
