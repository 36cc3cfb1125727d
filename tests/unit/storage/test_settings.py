"""Passwords may be given beside the addresses of the servers, as they are."""

from typing import Any

import pytest
import redis
import sqlalchemy as sa

from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings

AWKWARD = "p@ss/w:%41 #?&+é"


def settings(**given: Any) -> StorageSettings:
    return StorageSettings(_env_file=None, **given)


@pytest.fixture(params=["queue", "control"])
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("user", ["activity", "activity:"])
def test_a_password_needs_no_encoding(role: str, user: str) -> None:
    given = {
        f"{role}_url": f"rediss://{user}@[::1]:7000/3?ssl_cert_reqs=none",
        f"{role}_password": AWKWARD,
    }
    url = getattr(settings(**given), f"{role}_url")
    for client in (connect(url), connect_async(url)):
        options = client.connection_pool.connection_kwargs
        assert (options["username"], options["password"]) == ("activity", AWKWARD)
        assert (options["host"], options["port"], options["db"]) == ("::1", 7000, 3)


def test_a_password_without_a_user_is_the_default_users(role: str) -> None:
    given = {f"{role}_url": "redis://host", f"{role}_password": AWKWARD}
    options = redis.ConnectionPool.from_url(getattr(settings(**given), f"{role}_url"))
    assert options.connection_kwargs.get("username") is None
    assert options.connection_kwargs["password"] == AWKWARD


@pytest.mark.parametrize(
    "url", ["redis://u:own@host:1/0", "redis://:own@host", "unix:///run/queue.sock?db=0"]
)
def test_an_address_with_a_password_and_a_socket_stay_as_they_are(role: str, url: str) -> None:
    assert getattr(settings(**{f"{role}_url": url, f"{role}_password": "x"}), f"{role}_url") == url


def test_no_password_is_none(role: str) -> None:
    url = "redis://activity@host:6379/0"
    assert getattr(settings(**{f"{role}_url": url, f"{role}_password": ""}), f"{role}_url") == url
    assert settings().model_fields_set == set()


def test_a_password_is_not_shown(role: str) -> None:
    given = {f"{role}_url": "redis://u@host", f"{role}_password": "secret"}
    shown = settings(**given, database_url="postgresql+psycopg2://u:secret@host/db")
    assert "secret" in getattr(shown, f"{role}_url")
    assert "secret" not in f"{shown} {shown!r}"


@pytest.mark.parametrize("user", ["activity@", "activity:@", ""])
def test_the_password_of_the_database_needs_no_encoding(user: str) -> None:
    given = f"postgresql+psycopg2://{user}[::1]:5433/activity?connect_timeout=3"
    url = sa.make_url(settings(database_url=given, database_password=AWKWARD).database_url)
    dialect = url.get_dialect()()
    options = dialect.create_connect_args(url)[1]
    told = {"host": "::1", "port": 5433, "dbname": "activity", "password": AWKWARD}
    assert options == {
        **told, "connect_timeout": "3", **({"user": "activity"} if user else {}),
    }  # fmt: skip


@pytest.mark.parametrize(
    "url", ["postgresql://u:own@host/db", "postgresql+psycopg2://u@host/db?password=own"]
)
def test_an_address_of_the_database_with_a_password_stays_as_it_is(url: str) -> None:
    assert settings(database_url=url, database_password="x").database_url == url


def test_the_password_of_the_database_is_not_shown() -> None:
    shown = settings(database_url="postgresql://u@host/db", database_password="secret")
    assert "secret" in shown.database_url
    assert "secret" not in f"{shown} {shown!r}"
