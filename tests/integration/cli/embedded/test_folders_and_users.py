"""The embedded servers in folders that are in use, unfinished, or out of reach, and as root."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cli.embedded import embedded_servers
from cli.embedded.lock import folder_lock
from cli.errors import DataFolderInUse, Unreachable
from cli.process.inspection import with_file_open
from testbed.waiting import wait_until
from tests.support import embedded_runs
from tests.support.data_folders import CHECKOUT
from tests.support.embedded_runs import HOLD, ROOT, answer, check_kept, sql, write

data_dir = embedded_runs.data_dir
written_once = embedded_runs.written_once
seeded = embedded_runs.seeded
scripts = embedded_runs.scripts


def test_a_second_run_on_a_folder_in_use_is_told_who_has_it(
    seeded: Path,
    scripts: Callable[..., subprocess.Popen[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    parent = scripts(HOLD, seeded)
    answer(parent)
    in_use = f"{seeded} is in use by process {parent.pid}"
    with (
        pytest.raises(DataFolderInUse, match=in_use),
        folder_lock(seeded / "lock", seconds=0.2),
    ):
        pass
    assert in_use in caplog.text
    assert "waiting up to 0.2 s" in caplog.text


def test_an_initdb_killed_half_way_leaves_a_folder_that_starts(
    data_dir: Path, scripts: Callable[..., subprocess.Popen[str]]
) -> None:
    parent = scripts(HOLD, data_dir)
    making = data_dir / "postgres.making" / "PG_VERSION"
    wait_until(making.exists, "initdb is at work")
    for pid in [parent.pid, *with_file_open(data_dir / "lock")]:
        with suppress(ProcessLookupError):  # the parent's end may have been its end
            os.kill(pid, signal.SIGKILL)
    parent.wait()
    assert not (data_dir / "postgres").exists()
    with embedded_servers(data_dir) as servers:
        assert sql(servers, "SELECT current_database()") == [("activity",)]
    assert not (data_dir / "postgres.making").exists()


def test_a_queue_that_was_never_started_has_its_manifest_already(
    data_dir: Path, scripts: Callable[..., subprocess.Popen[str]]
) -> None:
    """Valkey writes the manifest last, so a kill of its first start would leave none."""
    left_by_a_kill = data_dir / "queue.making" / "appendonlydir"
    left_by_a_kill.mkdir(parents=True)
    (left_by_a_kill / "appendonly.aof.1.incr.aof").touch()
    parent = scripts(HOLD, data_dir)
    wait_until((data_dir / "queue").exists, "the folder of the queue appears")
    for pid in [parent.pid, *with_file_open(data_dir / "lock")]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    parent.wait()
    assert (data_dir / "queue/appendonlydir/appendonly.aof.manifest").stat().st_size
    with embedded_servers(data_dir) as servers:
        write(servers)
    with embedded_servers(data_dir) as servers:
        check_kept(servers)
    assert not (data_dir / "queue.making").exists()


def test_a_folder_with_a_long_and_awkward_path_works_and_its_sockets_are_removed(
    data_dir: Path,
) -> None:
    deep = data_dir / "a 'b', c%20" / ("d" * 100)
    with embedded_servers(deep) as servers:
        write(servers)
        sockets = (deep / "run").readlink()
        assert sockets.stat().st_mode & 0o077 == 0
    assert not sockets.exists()
    with embedded_servers(deep) as servers:
        check_kept(servers)


def test_a_short_but_awkward_path_is_quoted_wherever_it_goes(data_dir: Path) -> None:
    with embedded_servers(data_dir / "a 'b', c%20?") as servers:
        write(servers)
        check_kept(servers)


@pytest.mark.skipif(not ROOT, reason="only root runs the servers as another user")
def test_as_root_the_servers_run_as_someone_else(seeded: Path) -> None:
    with embedded_servers(seeded) as servers:
        for pid in servers.pids().values():
            assert Path(f"/proc/{pid}").stat().st_uid != 0


@pytest.mark.skipif(not ROOT, reason="only root runs the servers as another user")
def test_a_closed_umask_does_not_shut_the_servers_out(data_dir: Path) -> None:
    before = os.umask(0o077)
    try:
        with embedded_servers(data_dir / "new" / "data") as servers:
            assert sorted(servers.pids()) == ["control", "postgres", "queue"]
    finally:
        os.umask(before)


@pytest.mark.skipif(not ROOT, reason="only root runs the servers as another user")
def test_a_folder_out_of_the_servers_reach_is_refused_with_the_remedy(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    with (
        pytest.raises(Unreachable, match=f"(?s)can't enter {closed}.*chmod o\\+x {closed}"),
        embedded_servers(closed / "data"),
    ):
        pass
    assert not (closed / "data").exists()


@pytest.mark.skipif(not ROOT, reason="an ordinary user is what all other tests run as")
def test_an_ordinary_user_runs_the_programs_in_place(
    data_dir: Path, scripts: Callable[..., subprocess.Popen[str]]
) -> None:
    user = pwd.getpwnam("nobody")
    os.chown(data_dir, user.pw_uid, user.pw_gid)
    as_user = as_ordinary_user(user)
    process = scripts(HOLD, data_dir, **as_user)
    for pid in answer(process)["pids"]:
        assert Path(f"/proc/{pid}").stat().st_uid == user.pw_uid
    assert not (data_dir / "programs").exists()
    process.terminate()
    assert process.wait(15) == 0


def as_ordinary_user(user: pwd.struct_passwd) -> dict[str, Any]:
    """How to run Python as this user, who may not be able to enter the one in use here."""
    path = os.pathsep.join(part for part in sys.path if part)
    options: dict[str, Any] = {
        "user": user.pw_uid,
        "group": user.pw_gid,
        "extra_groups": [],
        "env": {"PATH": os.defpath, "PYTHONPATH": path},
    }
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/local/bin/{version}", f"/usr/bin/{version}"):
        try:
            subprocess.run(
                [python, "-c", "import cli.embedded"], cwd=CHECKOUT, check=True, **options
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return {**options, "python": python}
    pytest.skip("no Python that an ordinary user can run")
