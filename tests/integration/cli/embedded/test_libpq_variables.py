"""What a shell says to libpq about another PostgreSQL does not reach the embedded one."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from cli.process.commands import api_processes, worker_processes
from cli.settings import forget_libpq_variables, server_environment
from storage.postgres.engine import plain_engine
from testbed.servers import TestServers
from tests.support.libpq import ODD


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test removes from the environment is there again afterwards."""
    with monkeypatch.context() as patch:
        for name in ODD:
            patch.setenv(name, "")
            patch.delenv(name)
        yield


@pytest.mark.parametrize("name", ODD)
def test_a_variable_of_libpq_does_not_lead_a_command_away_from_the_embedded_server(
    name: str, servers: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, ODD[name])
    forget_libpq_variables()
    engine = plain_engine(servers.settings().database_url)
    try:
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT current_user")) == "activity"
    finally:
        engine.dispose()


def test_the_address_alone_names_the_server_whatever_a_shell_says_of_port_and_transport(
    servers: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGTARGETSESSIONATTRS", "PGSSLMODE"):
        monkeypatch.setenv(name, ODD[name])
    engine = plain_engine(servers.settings().database_url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    engine.dispose()


def test_no_process_of_a_run_inherits_a_variable_of_libpq(
    servers: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ODD.items():
        monkeypatch.setenv(name, value)
    urls = servers.servers.urls
    ours = [*api_processes(1, 3, "127.0.0.1", urls), *worker_processes(1, urls)]
    for environment in (server_environment(), *(command.env for command in ours)):
        assert not [name for name in environment if name.startswith("PG")]


def test_processes_for_a_server_of_the_users_own_keep_what_the_shell_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGPASSFILE", "/home/somebody/.pgpass")
    (worker,) = worker_processes(1, None)
    assert worker.env["PGPASSFILE"] == "/home/somebody/.pgpass"
