"""Remedies reach the right server from a shell, and never show a password."""

import shlex

import pytest

from cli.doctor.address import (
    is_local_database,
    is_local_redis,
    psql_command,
    redis_command,
)

REDIS = [
    ("redis://localhost:6379/0", "valkey-cli -h localhost -p 6379", True),
    ("redis://queue", "valkey-cli -h queue -p 6379", False),
    ("redis://:secret@[::1]:1/0", "valkey-cli -h ::1 -p 1 --askpass", True),
    ("rediss://me:secret@queue:7/0", "valkey-cli -h queue -p 7 --tls --user me --askpass", False),
    (
        "rediss://queue/0?ssl_ca_certs=/etc/my%20ca.pem",
        "valkey-cli -h queue -p 6379 --tls --cacert '/etc/my ca.pem'",
        False,
    ),
    ("unix:///my%20data/queue.sock?db=0", "valkey-cli -s '/my data/queue.sock'", True),
    (
        "unix:///q.sock?username=me&password=secret",
        "valkey-cli -s /q.sock --user me --askpass",
        True,
    ),
]
DATABASE = [
    ("postgresql+psycopg2://localhost/activity", "psql -h localhost -d activity", True),
    ("postgresql://me:secret@db:5433/a", "psql -h db -p 5433 -U me -d a", False),
    (
        "postgresql+psycopg2://activity@/activity?host=/my%20run&port=5432",
        "psql -h '/my run' -p 5432 -U activity -d activity",
        True,
    ),
    ("postgresql:///activity", "psql -d activity", True),
    (
        "postgresql://me:secret@/a?host=h1%2C%2Frun&port=1%2C2&target_session_attrs=primary",
        """psql -h h1,/run -p 1,2 -U me -d 'dbname='"'"'a'"'"' target_session_attrs=primary'""",
        False,
    ),
    (
        "postgresql:///a?host=localhost%2C%2Frun&port=%2C&target_session_attrs=read-write",
        """psql -h localhost,/run -p , -d 'dbname='"'"'a'"'"' target_session_attrs=read-write'""",
        True,
    ),
]


@pytest.mark.parametrize(("url", "start", "local"), REDIS)
def test_an_address_of_redis(url: str, start: str, local: bool) -> None:
    assert redis_command(url, "CONFIG", "SET", "save", "") == f"{start} CONFIG SET save ''"
    assert is_local_redis(url) == local


@pytest.mark.parametrize(("url", "start", "local"), DATABASE)
def test_an_address_of_postgresql(url: str, start: str, local: bool) -> None:
    found = psql_command(url, "SELECT 'it''s'")
    assert found.startswith(f"{start} -c ")
    assert shlex.split(found)[-1] == "SELECT 'it''s'"
    assert is_local_database(url, {}) == local


@pytest.mark.parametrize(
    ("host", "local"), [("", True), ("/run", True), ("::1", True), ("db.example", False)]
)
def test_libpq_s_host_decides_where_the_address_names_none(host: str, local: bool) -> None:
    assert is_local_database("postgresql:///activity", {"PGHOST": host}) == local
