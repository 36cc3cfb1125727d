"""PostgreSQL and Valkey from the wheels: they keep all they were given, and no process stays."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.embedded import embedded_servers
from cli.embedded.lock import is_held
from cli.errors import ServerFailed
from cli.process.inspection import alive, with_file_open
from cli.process.spawn import kill, spawn
from testbed.waiting import wait_until
from tests.support import embedded_runs
from tests.support.embedded_runs import HOLD, answer, check_kept, client, sql

data_dir = embedded_runs.data_dir
written_once = embedded_runs.written_once
seeded = embedded_runs.seeded
scripts = embedded_runs.scripts

START_SECONDS = 60  # of a shell, on a busy machine


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


def test_a_server_that_cannot_start_shows_the_end_of_its_log(seeded: Path) -> None:
    with (seeded / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write("no_such_setting = on\n")
    with (
        pytest.raises(ServerFailed, match=r"(?s)postgres ended with status 1.*no_such_setting"),
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


def test_a_signal_that_comes_at_once_reaches_the_program() -> None:
    for _ in range(40):  # the watcher must not have been ready each time
        require_signalled(watch=True)


@pytest.mark.parametrize("watch", [False, True])
def test_a_program_gets_the_signals_sent_to_its_pid_and_its_end_is_ours_to_see(
    watch: bool,
) -> None:
    require_signalled(watch)


def require_signalled(watch: bool) -> None:
    """Require that a program which has just begun gets a signal, and that we see how it ends."""
    script = "trap 'exit 7' TERM; echo on; while :; do read x || sleep 0.01; done"
    with tempfile.TemporaryFile() as output:
        process = spawn(["/bin/sh", "-c", script], {}, output=output, watch=watch)
        deadline = time.monotonic() + START_SECONDS
        try:
            while not os.fstat(output.fileno()).st_size:  # no pause: the signal comes at once
                assert process.poll() is None
                assert time.monotonic() < deadline, "the program does not run"
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 7
        finally:
            kill(process)
