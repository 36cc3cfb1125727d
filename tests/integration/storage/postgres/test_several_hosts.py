"""An address with several hosts leads to the first that can be written to."""

import re
import socket
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest
import sqlalchemy as sa

from storage.errors import DatabaseUnavailable
from storage.postgres.engine import short_engine, transaction, waiting_at_most
from storage.settings import StorageSettings
from testbed.servers import TestServers


def listed(settings: StorageSettings, *before: str) -> str:
    """Return an address with these hosts before that of the server."""
    url = sa.make_url(settings.database_url)
    hosts = [*before, f"{quote(str(url.query['host']), safe='')}:{url.query['port']}"]
    given = f"postgresql://{url.username}@{','.join(hosts)}/{url.database}"
    return StorageSettings(database_url=given, _env_file=None).database_url


def ask(url: str) -> object:
    with short_engine(url) as engine, transaction(engine) as connection:
        return connection.scalar(sa.text("SELECT 1"))


@pytest.fixture
def silent() -> Iterator[str]:
    """Give a host that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_hosts_that_refuse_are_passed_over(settings: StorageSettings, tmp_path: Path) -> None:
    nobody = quote(str(tmp_path), safe="")
    assert ask(listed(settings, closed_port(), nobody)) == 1


def test_a_host_that_hangs_keeps_no_process_from_the_next(
    settings: StorageSettings, silent: str
) -> None:
    url = listed(settings, silent)
    assert ask(url) == 1
    with waiting_at_most(3600):  # as API processes do; there libpq has no time limit of its own
        assert ask(url) == 1


@pytest.mark.parametrize("bounded", [False, True])
def test_the_error_has_the_reason_of_each_host(
    settings: StorageSettings, servers: TestServers, bounded: bool
) -> None:
    database = sa.make_url(settings.database_url).database
    servers.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    refusing = closed_port()
    url = listed(settings, refusing)
    waiting = waiting_at_most(3600) if bounded else nullcontext()
    with waiting, pytest.raises(DatabaseUnavailable) as raised:
        ask(url)
    _, refused, read_only = re.split(f"({refusing}: Connection refused; )", str(raised.value))
    assert refused, raised.value
    assert "session is read-only" in read_only


def test_the_host_of_the_last_session_is_asked_first(
    settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    connect = psycopg2.connect

    def noting(*positional: str, **named: str) -> object:
        asked.append(named["host"])
        return connect(*positional, **named)

    monkeypatch.setattr(psycopg2, "connect", noting)
    with short_engine(listed(settings, closed_port()), pool=2) as engine:
        with engine.connect():
            pass
        assert len(asked) == 2
        engine.dispose()
        with engine.connect():
            pass
    assert asked[2:] == [asked[1]]
