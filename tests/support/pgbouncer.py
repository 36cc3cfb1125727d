"""Run the real PgBouncer in front of a PostgreSQL server, if it is installed."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from cli.embedded.account import server_account
from testbed.waiting import wait_until

PORT = 6432


def program() -> str | None:
    """Return the path of the program."""
    return shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")


@contextmanager
def pgbouncer(folder: Path, database_url: str, pool_mode: str, **more: object) -> Iterator[str]:
    """Yield the address of the same database through a pooler; `more` are settings of PgBouncer."""
    found = program()
    assert found
    server = make_url(database_url)
    account = server_account(folder)
    settings = {
        "unix_socket_dir": folder,
        "listen_port": PORT,
        "auth_type": "any",
        "pool_mode": pool_mode,
        "default_pool_size": 10,
        "logfile": folder / "pgbouncer.log",
        **more,
    }
    lines = [f"{name} = {value}" for name, value in settings.items()]
    place = f"* = host={server.query['host']} user={server.username}"
    (folder / "pgbouncer.ini").write_text("\n".join(["[databases]", place, "[pgbouncer]", *lines]))
    if account:
        for each in (folder, folder / "pgbouncer.ini"):
            shutil.chown(each, account.uid, account.gid)
    ids = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    process = subprocess.Popen([found, "-q", folder / "pgbouncer.ini"], **ids)  # type: ignore[call-overload]
    try:
        port = settings["listen_port"]
        wait_until(lambda: _answers(folder / f".s.PGSQL.{port}"), "PgBouncer to listen", 30)
        pooled = server.set(query={"host": str(folder), "port": str(port)})
        yield pooled.render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(30)


def _answers(path: Path) -> bool:
    """Return whether the socket takes connections: its file is there a little before it does."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
