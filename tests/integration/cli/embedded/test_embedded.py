"""PostgreSQL and Valkey from the wheels: they keep all they were given, and no process stays."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis

from cli.embedded import Servers, embedded_servers
from cli.embedded.lock import folder_lock, is_held
from cli.errors import DataFolderInUse, ServerFailed, Unreachable
from cli.process.inspection import alive, with_file_open
from cli.process.spawn import kill, spawn
from testbed.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[4]
ROOT = os.geteuid() == 0

HOLD = """
    import json, signal, sys
    from pathlib import Path
    from cli.embedded import embedded_servers
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    with embedded_servers(Path(sys.argv[1])) as servers:
        urls = vars(servers.urls)
        print(json.dumps({"pids": list(servers.pids().values()), **urls}), flush=True)
        signal.sigwait([signal.SIGTERM])
"""


@contextmanager
def reachable_folder() -> Iterator[Path]:
    # Not tmp_path: under root that is closed to the user the servers run as.
    folder = Path(tempfile.mkdtemp(prefix="activity-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    wait_until(lambda: not is_held(folder / "lock"), "a killed run is gone")
    shutil.rmtree(folder)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Return an empty folder."""
    with reachable_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def used_once() -> Iterator[Path]:
    with reachable_folder() as folder:
        with embedded_servers(folder) as servers:
            write(servers)
        yield folder


@pytest.fixture
def seeded(used_once: Path, data_dir: Path) -> Path:
    """Return a folder on which a run has ended that wrote what `check_kept` looks for."""
    subprocess.run(["cp", "-a", f"{used_once}/.", data_dir], check=True)
    return data_dir


@pytest.fixture
def scripts() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a script in a process of its own, which is gone after the test."""
    started = []

    def start(
        script: str, *arguments: object, python: str = sys.executable, **options: Any
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [python, "-c", textwrap.dedent(script), *map(str, arguments)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def sql(servers: Servers, statement: str) -> Any:
    connection = psycopg2.connect(servers.urls.database_url.replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def write(servers: Servers) -> None:
    sql(servers, "CREATE TABLE kept AS SELECT 'row' AS what")
    with client(servers.urls.queue_url) as queue, client(servers.urls.control_url) as control:
        queue.set("kept", "key")
        control.set("kept", "hint")


def check_kept(servers: Servers) -> None:
    assert sql(servers, "SELECT what FROM kept") == [("row",)]
    with client(servers.urls.queue_url) as queue:
        assert queue.get("kept") == "key"


def test_data_survives_a_stop_and_a_start_and_control_forgets(seeded: Path) -> None:
    with embedded_servers(seeded) as servers:
        check_kept(servers)
        with client(servers.urls.control_url) as control:
            assert control.get("kept") is None


def test_nothing_runs_after_the_block(seeded: Path) -> None:
    with embedded_servers(seeded) as servers:
        pids = servers.pids()
        assert sorted(pids) == ["control", "postgres", "queue"]
        assert is_held(servers.layout.lock)
    assert not any(map(alive, pids.values()))
    assert not is_held(seeded / "lock")
    assert not (seeded / "run").exists()


def test_what_is_acknowledged_is_on_the_disk_and_only_our_sockets_are_open(data_dir: Path) -> None:
    with embedded_servers(data_dir, queue_maxmemory="64mb") as servers:
        for name, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "TimeZone": "UTC",
            "server_encoding": "UTF8",
        }.items():
            assert sql(servers, f"SHOW {name}") == [(value,)]
        with client(servers.urls.queue_url) as queue, client(servers.urls.control_url) as control:
            settings = queue.config_get("*")
            assert settings["appendonly"] == "yes"
            assert settings["appendfsync"] == "always"
            assert settings["maxmemory-policy"] == "noeviction"
            assert settings["maxmemory"] == str(64 * 1024 * 1024)
            assert settings["save"] == ""
            assert settings["port"] == "0"
            assert control.config_get("appendonly") == {"appendonly": "no"}
            assert control.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-lru"}
        for path in ("run", "postgres", "queue", "control", "log"):
            assert (data_dir / path).stat().st_mode & 0o077 == 0, path


def test_a_kill_9_of_the_parent_leaves_no_process_and_loses_nothing(
    seeded: Path, scripts: Callable[..., subprocess.Popen[str]]
) -> None:
    parent = scripts(HOLD, seeded)
    pids = answer(parent)["pids"]
    parent.kill()
    wait_until(lambda: not any(map(alive, pids)), "the servers are gone")
    wait_until(lambda: not list(with_file_open(seeded / "lock")), "nothing holds the lock")
    with embedded_servers(seeded) as servers:
        check_kept(servers)


def test_a_new_run_waits_for_a_killed_one_to_be_gone(
    seeded: Path, scripts: Callable[..., subprocess.Popen[str]]
) -> None:
    parent = scripts(HOLD, seeded)
    pids = answer(parent)["pids"]
    parent.kill()
    with embedded_servers(seeded):
        assert not any(map(alive, pids))


def test_a_kill_9_of_everything_at_once_is_recovered_from(
    seeded: Path, scripts: Callable[..., subprocess.Popen[str]]
) -> None:
    parent = scripts(HOLD, seeded)
    for pid in [parent.pid, *answer(parent)["pids"]]:
        os.kill(pid, signal.SIGKILL)
    with embedded_servers(seeded) as servers:
        check_kept(servers)


def test_a_stale_pid_file_naming_a_living_stranger_does_not_prevent_the_start(
    seeded: Path,
) -> None:
    (seeded / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\nelsewhere\n")
    with embedded_servers(seeded) as servers:
        check_kept(servers)


def test_each_server_can_be_killed_and_started_again(seeded: Path) -> None:
    with embedded_servers(seeded) as servers:
        for server in servers.all:
            before = server.pid
            server.kill()
            assert server.pid is None
            assert server.role not in servers.pids()
            server.start()
            assert server.pid not in (None, before)
            check_kept(servers)
            server.restart()
            check_kept(servers)


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


def test_a_server_that_cannot_start_shows_the_end_of_its_log(seeded: Path) -> None:
    (seeded / "postgres" / "PG_VERSION").write_text("9\n")
    with (
        pytest.raises(ServerFailed, match=r"(?s)postgres ended with status 1.*not compatible"),
        embedded_servers(seeded),
    ):
        pass
    assert not is_held(seeded / "lock")


def test_where_the_kernel_does_not_tell_a_pipe_does(
    data_dir: Path, scripts: Callable[..., subprocess.Popen[str]]
) -> None:
    script = """
        import os, signal, sys
        from cli.process.spawn import spawn
        fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
        spawn(["/bin/sleep", "1000"], {}, pass_fds=[fd], watch=True)
        os.close(fd)
        print("{}", flush=True)
        signal.pause()
    """
    marker = data_dir / "marker"
    parent = scripts(script, marker)
    answer(parent)
    wait_until(lambda: len(set(with_file_open(marker))) == 2, "the program runs")
    parent.kill()
    wait_until(lambda: not list(with_file_open(marker)), "the program is gone")


@pytest.mark.parametrize("watch", [False, True])
def test_a_program_gets_the_signals_sent_to_its_pid_and_its_end_is_ours_to_see(
    watch: bool,
) -> None:
    script = "trap 'exit 7' TERM; echo on; while :; do read x || sleep 0.01; done"
    with tempfile.TemporaryFile() as output:
        process = spawn(["/bin/sh", "-c", script], {}, output=output, watch=watch)
        try:
            wait_until(lambda: os.fstat(output.fileno()).st_size, "the program runs")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 7
        finally:
            kill(process)


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
