"""Peers carry the same indexes as our own table, so that storing costs them the same."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from benchmarks.peers.peer import MQ_BRIDGE, PARSE
from benchmarks.peers.rows import Rows
from storage.postgres import partitions
from storage.postgres.engine import plain_engine, transaction
from storage.settings import StorageSettings
from testbed.servers import TestServers

DAY = datetime(2026, 11, 24, tzinfo=UTC)
_INDEXES = sa.text(
    "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = CAST(:table AS regclass)"
)
# As Parse Server 9.10 makes it when the first event is posted.
PARSE_TABLE = """
CREATE TABLE "Event" ("objectId" text PRIMARY KEY, "createdAt" timestamptz,
    "updatedAt" timestamptz, _rperm text[], _wperm text[], component text, environment text,
    message text, email text, data jsonb)
"""


FEED = "btree (feed) WHERE (feed > 0)"


def indexes(settings: StorageSettings, table: str) -> set[str]:
    """Return what the indexes are on, in the words of our own table; names and table left out."""
    with transaction(plain_engine(settings.database_url)) as connection:
        found = connection.scalars(_INDEXES, {"table": table}).all()
    ours = {'"createdAt"': "created_at", '"objectId"': "id"}
    definitions = {text.partition(" USING ")[2] for text in found}
    for theirs, name in ours.items():
        definitions = {text.replace(theirs, name) for text in definitions}
    return definitions


def our_indexes(settings: StorageSettings) -> set[str]:
    engine = plain_engine(settings.database_url)
    with transaction(engine) as connection:
        partitions.ensure(connection, [DAY], "day")
    return indexes(settings, f"events_{DAY:%Y%m%d}_20261125")


def database(settings: StorageSettings) -> str:
    return make_url(settings.database_url).database or ""


def test_a_peers_table_has_our_indexes_and_fills_in_what_we_make(
    servers: TestServers, settings: StorageSettings
) -> None:
    servers.execute(MQ_BRIDGE.before_start, database(settings))
    # No peer has a feed: it is spared that index.
    ours = our_indexes(settings)
    assert indexes(settings, MQ_BRIDGE.table) == ours - {FEED}
    assert FEED in ours
    servers.execute(
        "INSERT INTO peer_events (component, environment, message) VALUES ('a', 'b', 'c')",
        database(settings),
    )
    with Rows(settings.database_url, MQ_BRIDGE.table) as rows:
        assert rows.count() == 1
        assert rows.cpu_seconds() >= 0


def test_parses_table_has_our_indexes_but_its_own_key(
    servers: TestServers, settings: StorageSettings
) -> None:
    servers.execute(PARSE_TABLE, database(settings))
    servers.execute(PARSE.after_first_event, database(settings))
    # Its events have no `occurred_at`: it is spared that index.
    not_parses = {"btree (created_at, id)", "brin (COALESCE(occurred_at, created_at))", FEED}
    ours = our_indexes(settings)
    assert not_parses < ours
    assert indexes(settings, PARSE.table) == ours - not_parses | {"btree (id)"}
