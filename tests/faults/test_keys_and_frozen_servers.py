"""Revoke a key while one of its homes is frozen: the other one is enough, and nobody waits long."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from storage.access.audit import AuditLine
from storage.access.homes import KeyHomes
from storage.settings import StorageSettings
from testbed.servers import TestServers, environment
from tests.support.access import homes_of, make_key
from worker.key_maintenance import KeyMaintenance

ROLES = {"queue": "the queue", "postgres": "PostgreSQL"}


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("role", ROLES)
def test_a_key_is_revoked_while_one_home_is_frozen(
    settings: StorageSettings, servers: TestServers, role: str
) -> None:
    key = make_key()
    with homes_of(settings) as homes:
        KeyHomes(homes.client, homes.engine).put([key], AuditLine("a", "keys create", key.id))
        command = [sys.executable, "-m", "cli.main", "keys", "revoke", key.id]
        with frozen(servers.servers.pids()[role]):
            done = subprocess.run(
                command, env=environment(settings), capture_output=True, text=True, timeout=120
            )
        assert done.returncode == 0, done.stderr
        assert f"{ROLES[role]} could not be told" in done.stderr
        KeyMaintenance(homes.client, homes.engine).run_once()
        on_queue, in_table = homes.queue.load()[1], homes.table.load()
        assert on_queue == in_table
        assert in_table.keys[key.id].revoked_at
