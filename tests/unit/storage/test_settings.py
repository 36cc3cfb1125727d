"""Passwords of queue and control may be given beside their addresses, as they are."""

from typing import Any

import pytest
import redis

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
