"""Data folders that servers of another user can reach."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.embedded import embedded_servers
from cli.embedded.lock import is_held
from testbed.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]


@contextmanager
def reachable_folder() -> Iterator[Path]:
    # Not tmp_path: under root that is closed to the user the servers run as.
    path = Path(tempfile.mkdtemp(prefix="activity-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def used_once() -> Iterator[Path]:
    with reachable_folder() as path:
        with embedded_servers(path):
            pass
        yield path


@pytest.fixture
def folder(used_once: Path) -> Iterator[Path]:
    """Hold a data folder, `data`, that starts faster than a new one."""
    with reachable_folder() as path:
        subprocess.run(["cp", "-a", used_once, path / "data"], check=True)
        yield path
        wait_until(lambda: not is_held(path / "data" / "lock"), "a killed run is gone")
