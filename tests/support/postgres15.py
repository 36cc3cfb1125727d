"""Run a PostgreSQL that is too old for the service, if Debian's is installed."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cli.embedded.account import server_account
from testbed.waiting import wait_until

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


@contextmanager
def postgres15(folder: Path) -> Iterator[str]:
    """Yield the address of a database on an empty server, on a socket in the folder."""
    account = server_account(folder)
    as_user: dict[str, Any] = {}
    if account:
        as_user = {"user": account.uid, "group": account.gid, "extra_groups": [], "cwd": folder}
        shutil.chown(folder, account.uid, account.gid)
    data = folder / "data"
    initdb: list[str | Path] = [
        PROGRAMS / "initdb",
        "-A",
        "trust",
        "-U",
        "activity",
        "-N",
        "-D",
        data,
    ]
    subprocess.run(initdb, check=True, capture_output=True, **as_user)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    server = subprocess.Popen(
        [PROGRAMS / "postgres", "-D", data, *settings], stderr=subprocess.DEVNULL, **as_user
    )
    try:
        ready = data / "postmaster.pid"
        wait_until(lambda: ready.exists() and "ready" in ready.read_text(), "PostgreSQL 15", 60)
        yield f"postgresql+psycopg2://activity@/postgres?host={folder}"
    finally:
        server.terminate()
        server.wait(30)
