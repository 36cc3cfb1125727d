"""An address that can't work is refused with the form that would, and never repeated."""

import re
import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy as sa
from redis.connection import parse_url

from storage import host_list
from storage.errors import SettingsError
from storage.redis_hosts import redis_hosts
from storage.settings import StorageSettings
from testbed.servers import environment

SECRET = "hidden"
GOOD_REDIS = [
    "redis://localhost:6379/0",
    "redis://localhost",
    f"rediss://user:{SECRET}@host.example:6380/3?ssl_cert_reqs=none",
    f"unix://user:{SECRET}@/tmp/a%20b/queue.sock?db=0",
    f"redis://:p%40{SECRET}@[::1]:6379/0",
]
BAD_REDIS = [
    "",
    "localhost:6379",
    f"redis+sentinel://user:{SECRET}@host:26379/0",
    f"rediss+sentinel://user:{SECRET}@host:26379/0",
    f"redis-cluster://:{SECRET}@host:6379",
    f"http://user:{SECRET}@host:6379/0",
    f"redis://user:{SECRET}@host:port/0",
    f"redis://user:{SECRET}@host:99999/0",
    f"redis://user:{SECRET}#more@host:6379/0",
    f"redis://user:{SECRET}/more@host:6379/0",
    f"redis://user:{SECRET}@host:6379/first",
    f"redis://user:{SECRET}@[::1/0",
    f"redis://user:{SECRET}@/0",
    f"redis://user:{SECRET}@host:6379/0?nosuch=1",
    f"redis://user:{SECRET}@host:6379/0?socket_timeout=soon",
    "unix://",
    f"{SECRET}:{SECRET}@host",
]
GOOD_QUEUES = [
    "redis+cluster://h1:7000,h2,[::1]:7001",
    f"rediss+cluster://user:{SECRET}@h1,h2/0?ssl_cert_reqs=none",
    "redis+sentinel://h1:26379,h2:26380,[::1]/queue",
    f"rediss+sentinel://user:{SECRET}@h1,h2/queue/3?sentinel_password={SECRET}&ssl_cert_reqs=none",
]
BAD_QUEUES = [
    (f"redis+cluster://user:{SECRET}@h1:1,h2:1/3", "a cluster has none but 0"),
    (f"redis+sentinel://user:{SECRET}@h1:1,,h2:1/queue", "an empty place"),
    (f"redis+sentinel://user:{SECRET}@h1:1,h2:1,h1:1/queue", "names one of its hosts twice"),
    (f"redis+sentinel://user:{SECRET}@h1:1,h2:x/queue", "a host that is not HOST:PORT"),
    (f"redis+sentinel://user:{SECRET}@h1:1,h2:0/queue", "a port that is not from 1 to 65535"),
    (f"redis+sentinel://user:{SECRET}@h1:1,::2/queue", "a host that is not HOST:PORT"),
    (f"redis+sentinel://user:{SECRET}@h1:1,h2:1", "no name of a service"),
    (f"redis+sentinel://user:{SECRET}@h1:1,h2:1/queue/a", "a database that is not a number"),
    (f"redis+sentinel://user:{SECRET}@h1:1,h2:1/queue?nosuch=1", "an unknown option"),
    (f"redis+sentinel://user:{SECRET}#more@h1:1/queue", "is not an address"),
]
GOOD_DATABASE = [
    "postgresql+psycopg2://localhost/activity",
    f"postgresql://user:{SECRET}@host.example:5432/activity?sslmode=require",
    "postgresql+psycopg2://activity@/activity?host=/tmp/run",
]
LISTS = [
    (f"postgresql://user:{SECRET}@h1:5432,h2:5433/a", "h1,h2", "5432,5433", "read-write"),
    ("postgresql://h1,h2:5433/a?target_session_attrs=primary", "h1,h2", ",5433", "primary"),
    ("postgresql://[::1]:1,[::2]/a", "::1,::2", "1,", "read-write"),
    ("postgresql://me@%2Frun%2Fa:1,%2Frun%2Fb:1/a", "/run/a,/run/b", "1,1", "read-write"),
    ("postgresql+psycopg2://me@/a?host=/b,h&port=7", "/b,h", "7,7", "read-write"),
    ("postgresql+psycopg2://me@/a?host=h1:1&host=[::2]:2", "h1,::2", "1,2", "read-write"),
]
_AT = f"postgresql://user:{SECRET}@"
BAD_LISTS = [
    (f"{_AT}h1:1,,h2:1/a", "an empty place"),
    (f"{_AT}h1:1,h2:x/a", "a port that is not from 1 to 65535"),
    (f"{_AT}h1:1,::2/a", "a host that is not HOST:PORT or [IPV6]:PORT"),
    (f"{_AT}/a?host=h1,h2&port=1,2,3", "2 hosts and 3 ports"),
    (f"{_AT}h3/a?host=h1,h2", "hosts in two places"),
    (f"{_AT}h1,h2/a?host=h3", "hosts in two places"),
    (f"{_AT}/a?host=h1:1&host=h2&port=1", "ports in two places"),
    (f"{_AT}h1,h2/a?hostaddr=192.0.2.1", "write these addresses as hosts"),
    *((f"{_AT}h1,h2/a?target_session_attrs={each}", "neither read-write nor primary")
      for each in ("any", "standby", "prefer-standby", "read-only", "nonsense")),
]  # fmt: skip
BAD_DATABASE = [
    "",
    "localhost/activity",
    f"postgres://user:{SECRET}@host/activity",
    f"postgresql+asyncpg://user:{SECRET}@host/activity",
    f"mysql://user:{SECRET}@host/activity",
    f"postgresql://user:{SECRET}@host:port/activity",
    f"postgresql://user:{SECRET}@host:99999/activity",
    f"postgresql://user:{SECRET}@host/activity?nosuch=1",
    f"postgresql://user:{SECRET}@h1,h2/activity?nosuch=1",
    f"mysql://user:{SECRET}@h1,h2/activity",
]
CASES = [
    *[(name, url) for name in ("queue_url", "control_url") for url in BAD_REDIS],
    *[("database_url", url) for url in BAD_DATABASE],
]


def settings(**values: Any) -> StorageSettings:
    return StorageSettings(_env_file=None, **values)


@pytest.mark.parametrize("url", GOOD_REDIS)
def test_an_address_of_redis_is_taken(url: str) -> None:
    assert settings(queue_url=url, control_url=url).queue_url == url


@pytest.mark.parametrize("url", GOOD_QUEUES)
def test_an_address_of_several_servers_is_taken_for_the_queue_only(url: str) -> None:
    assert settings(queue_url=url).queue_url == url
    with pytest.raises(SettingsError, match="names several servers, and control is one") as raised:
        settings(control_url=url)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(("url", "reason"), BAD_QUEUES)
def test_a_wrong_address_of_several_servers_is_refused_with_the_right_form(
    url: str, reason: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(reason)) as raised:
        settings(queue_url=url)
    assert "HOST:PORT,HOST:PORT/SERVICE" in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_password_comes_into_an_address_of_several_servers() -> None:
    url = settings(queue_url="redis+sentinel://me@h1:1,h2:2/queue", queue_password="p@,x").queue_url
    assert url == "redis+sentinel://me:p%40%2Cx@h1:1,h2:2/queue"
    found = redis_hosts(url)
    assert found is not None
    assert found.hosts == (("h1", 1), ("h2", 2))
    assert parse_url(found.of_server("::1", 3))["password"] == "p@,x"  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("url", GOOD_DATABASE)
def test_an_address_of_postgresql_is_taken(url: str) -> None:
    assert settings(database_url=url).database_url == url


@pytest.mark.parametrize(("url", "host", "port", "target"), LISTS)
def test_a_list_of_hosts_of_postgresql_is_taken(
    url: str, host: str, port: str, target: str
) -> None:
    taken = settings(database_url=url, database_password="p@,x").database_url
    found = sa.make_url(taken)
    options = found.get_dialect()().create_connect_args(found)[1]
    told = (options["host"], options["port"], options["target_session_attrs"])
    assert (told, options["dbname"]) == ((host, port, target), "a")
    assert options["password"] == (SECRET if SECRET in url else "p@,x")
    assert settings(database_url=taken).database_url == taken  # other processes read it again


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("", []),
        (f"postgresql://user:{SECRET}@h1:5432/a", ["h1:5432"]),
        ("postgresql://h1/a?target_session_attrs=standby", ["h1"]),
        ("postgresql://me@/a?host=/run/a&port=5433", ["/run/a:5433"]),
        (f"postgresql://user:{SECRET}@h1:5432,h2/a", ["h1:5432", "h2"]),
        ("postgresql://me@/a?host=/run/a,h2&port=7", ["/run/a:7", "h2:7"]),
    ],
)
def test_each_standby_of_an_address_is_one_host(url: str, names: list[str]) -> None:
    taken = settings(read_url=url, database_password="p@,x").read_url
    hosts = host_list.each_host(taken) if taken else []
    assert [name for name, _ in hosts] == names
    for name, each in hosts:
        found = sa.make_url(each)
        options = found.get_dialect()().create_connect_args(found)[1]
        host, _, port = name.partition(":")
        assert (options["host"], str(options.get("port", ""))) == (host, port)
        assert options["password"] == (SECRET if SECRET in url else "p@,x")
    assert settings(read_url=taken).read_url == taken


@pytest.mark.parametrize("target", ["read-write", "standby"])
def test_a_list_of_standbys_has_no_other_target_than_any(target: str) -> None:
    with pytest.raises(
        SettingsError, match="is not any: each of them is asked by itself"
    ) as raised:
        settings(read_url=f"{_AT}h1,h2/a?target_session_attrs={target}")
    assert "read-write;" not in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("password", ["p,w", "p,w/x?", ",", "h1:1,h2:2/a?host"])
def test_a_comma_in_a_password_makes_no_list(password: str) -> None:
    url = f"postgresql://user:{password}@host/activity"
    assert settings(database_url=url).database_url == url


@pytest.mark.parametrize(("url", "reason"), BAD_LISTS)
def test_a_wrong_list_of_hosts_is_refused_with_the_form_of_a_list(url: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(reason)) as raised:
        settings(database_url=url)
    assert "HOST:PORT,HOST:PORT/DATABASE?target_session_attrs=read-write" in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(("name", "url"), CASES)
def test_a_wrong_address_names_its_setting_and_the_right_form(name: str, url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(**{name: url})
    said = str(raised.value)
    assert said.startswith(f"ACTIVITY_{name.upper()}: the address ")
    assert ("postgresql+psycopg2://" if name == "database_url" else "redis://[USER") in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "api"],
        ["-m", "worker"],
        ["-m", "cli.main", "api", "--port", "0"],
        ["-m", "cli.main", "worker"],
        ["-m", "cli.main", "migrate"],
        ["-m", "cli.main", "dead-letters", "list"],
    ],
)
@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("queue_url", f"redis+sentinel://user:{SECRET}@host:26379/0"),
        ("control_url", f"redis://user:{SECRET}@host:port/0"),
        ("database_url", f"postgres://user:{SECRET}@host/activity"),
        ("shards", f"{SECRET}"),
    ],
)
def test_every_program_says_so_without_a_traceback_and_without_the_password(
    command: list[str], name: str, url: str
) -> None:
    ended = subprocess.run(
        [sys.executable, *command],
        env={**environment(settings()), f"ACTIVITY_{name.upper()}": url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode in (1, 2)
    assert f"ACTIVITY_{name.upper()}: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stderr + ended.stdout
