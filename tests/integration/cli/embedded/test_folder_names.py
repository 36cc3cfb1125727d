"""A data folder may be called almost anything; what is refused is refused before it is made."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from cli import state
from cli.embedded import Servers, embedded_servers
from cli.embedded.binaries import initdb_program, installed_programs
from cli.embedded.folder import MAX_PATH
from cli.errors import FolderError
from cli.main import main
from testbed.servers import data_folder

NAMES = [
    b"cost$HOME",
    b'12" disk',
    b"back`tick`",
    b"back\\slash",
    b"100%20",
    b"it's",
    b" blanks around ",
    b"comma, colon: semicolon; & | > <",
    b"$(touch made)",
    b"-D",
    b"#hash?query=1&x",
    b"user@host:1",
    b"not utf-8 \xff\xfe",
    "ü字🙂".encode(),
    b"a" * 200,
]


@pytest.fixture
def parent() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder.parent


def check(servers: Servers) -> None:
    connection = psycopg2.connect(servers.urls.database_url.replace("+psycopg2", ""))
    connection.close()
    for url in (servers.urls.queue_url, servers.urls.control_url):
        with redis.Redis.from_url(url) as client:
            assert client.ping()


@pytest.mark.parametrize("name", NAMES)
def test_the_servers_run_on_a_folder_with_an_odd_name(name: bytes, parent: Path) -> None:
    data = parent / os.fsdecode(name)
    with embedded_servers(data) as servers:
        check(servers)
        state.write(servers.layout.state, state.State("http://a", servers.urls, []))
        assert state.running(data).urls == servers.urls
    with embedded_servers(data) as servers:
        check(servers)
    assert [os.fsencode(path.name) for path in parent.iterdir()] == [name]


@pytest.mark.parametrize("name", ["line\nend", "re\rturn", "tab\t", "bell\a", "d" * MAX_PATH])
def test_a_name_that_postgresql_does_not_take_is_refused_before_anything_is_made(
    name: str, parent: Path
) -> None:
    deep = parent.joinpath(*[name[start : start + 200] for start in range(0, len(name), 200)])
    with (
        pytest.raises(FolderError, match=r"PostgreSQL does not accept.*--data-dir"),
        embedded_servers(deep),
    ):
        pass
    assert list(parent.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_is_a_file_is_refused_and_named_once(name: str, parent: Path) -> None:
    file = parent / "file"
    file.touch(mode=0o755)
    with pytest.raises(FolderError) as refused, embedded_servers(parent / name):
        pass
    assert str(refused.value) == (
        f"{file} is not a folder: choose another data folder with --data-dir"
    )


def test_a_loop_of_links_is_named_once(parent: Path) -> None:
    loop = parent / "loop"
    loop.symlink_to(loop)
    with pytest.raises(FolderError) as refused, embedded_servers(loop):
        pass
    assert str(refused.value).count(str(loop)) == 1


def test_programs_below_a_folder_that_means_something_to_a_shell_are_run_from_elsewhere(
    parent: Path,
) -> None:
    """As in a virtual environment below `cost$HOME`, where nothing is copied."""
    package = installed_programs().postgres.parents[2]
    odd = parent / "cost$HOME" / package.name
    shutil.copytree(package, odd, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, odd.with_name(libraries.name))
    there = installed_programs()
    moved = type(there)(
        odd / "pginstall" / "bin" / "postgres", odd / "pginstall" / "bin" / "initdb", there.valkey
    )
    with initdb_program(moved) as initdb:
        assert "$" not in str(initdb)
        assert os.access(initdb, os.X_OK)
    assert not initdb.exists()
    with initdb_program(there) as initdb:
        assert initdb == there.initdb or not initdb.exists()


@pytest.mark.parametrize("name", ["~nobody-of-that-name/data", "loop"])
def test_a_folder_that_can_not_be_found_is_said_to_be_so(
    name: str, parent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(parent)
    (parent / "loop").symlink_to("loop")
    for command in ("up", "status", "worker"):
        assert main([command, "--data-dir", name]) == 1
        said = capsys.readouterr().err
        assert said.startswith("activity: error: the data folder ")
        assert "Errno" not in said
