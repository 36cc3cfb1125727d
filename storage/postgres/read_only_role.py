"""The role that reads every table and can change none: what `activity sql` connects as."""

import sqlalchemy as sa

from storage.postgres.engine import short_engine, transaction

NAME = "activity_read_only"

_ADVISORY_LOCK = 0x61637472  # so that two commands do not make the role at the same time
_EXISTS = sa.text("SELECT 1 FROM pg_roles WHERE rolname = :name")
_MAKE = f"CREATE ROLE {NAME} LOGIN"
# Again each time, so that the role is what this says, whatever it was changed to.
_LIMIT = (
    f"ALTER ROLE {NAME} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
    f"ALTER ROLE {NAME} SET default_transaction_read_only = on",
    f"GRANT pg_read_all_data TO {NAME}",
)


def ensure_read_only_role(url: str) -> str:
    """Make the role if it is missing, and return its name.

    It has no right to write, so that `SET default_transaction_read_only = off` lifts nothing.
    `url` is the address of the embedded server, for its superuser. Raises `DatabaseUnavailable`.
    """
    with short_engine(url) as engine, transaction(engine) as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        if connection.execute(_EXISTS, {"name": NAME}).first() is None:
            connection.execute(sa.text(_MAKE))
        for statement in _LIMIT:
            connection.execute(sa.text(statement))
    return NAME
