"""The home of API keys in PostgreSQL: the table `api_keys`."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.access import api_key
from storage.access.api_key import ApiKey
from storage.access.audit import AuditLine, add_lines
from storage.access.key_json import UnreadableRecord, key_from
from storage.access.key_records import MAX_RECORDS, KeyRecords, shown_id
from storage.errors import TooManyKeys, UnreadableKey
from storage.postgres import locks
from storage.postgres.engine import transaction
from storage.postgres.locks import Lock
from storage.postgres.tables import api_keys

_NAMES = [str(column.name) for column in api_keys.c]
_new = insert(api_keys)
_MERGE = _new.on_conflict_do_update(
    index_elements=[api_keys.c.id],
    set_={
        **{column.name: _new.excluded[column.name] for column in api_keys.c if column.name != "id"},
        # PostgreSQL's LEAST and GREATEST skip nulls.
        "revoked_at": sa.func.least(api_keys.c.revoked_at, _new.excluded.revoked_at),
        "last_used_at": sa.func.greatest(api_keys.c.last_used_at, _new.excluded.last_used_at),
    },
)


class KeyTable:
    """Reads and merges the records of the table. Every call raises DatabaseUnavailable.

    DatabaseMismatch means that the table is missing: the database is not migrated.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def load(self) -> KeyRecords:
        """Return every record. Raises TooManyKeys too."""
        with transaction(self._engine) as connection:
            records = _select(connection, sa.true())
        if len(records.keys) + len(records.unreadable) > MAX_RECORDS:
            raise TooManyKeys(f"the table api_keys has more than {MAX_RECORDS:,} rows")
        return records

    def merge(
        self,
        keys: Mapping[str, ApiKey],
        lines: Iterable[AuditLine] = (),
        max_records: int = MAX_RECORDS,
    ) -> None:
        """Merge these records into the table, and add audit lines in the same transaction.

        Raises UnreadableKey, and TooManyKeys if a new record would exceed `max_records`. Then
        nothing has changed.
        """
        with transaction(self._engine) as connection:
            locks.acquire(connection, Lock.API_KEYS)
            present = _select(connection, api_keys.c.id.in_(keys))
            for key_id in present.unreadable:
                raise UnreadableKey(
                    f"the table api_keys has a row {key_id} that is no key of this version: delete "
                    "the row, or use the version that has written it"
                )
            if keys.keys() - present.keys.keys():
                _require_room(connection, len(keys) - len(present.keys), max_records)
            if keys:
                merged = api_key.merge(present.keys, keys)
                connection.execute(_MERGE, [_row(key) for key in merged.values()])
            add_lines(connection, lines)


def _require_room(connection: sa.Connection, count: int, max_records: int) -> None:
    records = connection.scalar(sa.select(sa.func.count()).select_from(api_keys)) or 0
    if records + count > max_records:
        raise TooManyKeys(f"there are {records:,} API keys already, and at most {max_records:,}")


def _select(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> KeyRecords:
    keys, unreadable = {}, set()
    query = sa.select(api_keys).where(condition).limit(MAX_RECORDS + 1)
    for row in connection.execute(query):
        try:
            keys[row.id] = _key(row)
        except UnreadableRecord:
            unreadable.add(shown_id(row.id))
    return KeyRecords(keys, frozenset(unreadable))


def _key(row: sa.Row[Any]) -> ApiKey:
    """Return the record in a row. Raises UnreadableRecord."""
    fields = dict(zip(_NAMES, row, strict=True))
    return key_from(row.id, {**fields, "digest": bytes(row.digest).hex()})


def _row(key: ApiKey) -> dict[str, Any]:
    texts = {
        "scopes": sorted(key.scopes),
        "components": list(key.components),
        "environments": list(key.environments),
        "origins": list(key.origins),
    }
    return {column.name: getattr(key, column.name) for column in api_keys.c} | texts
